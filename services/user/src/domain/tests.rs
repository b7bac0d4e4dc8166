use chrono::{DateTime, Utc};

use super::*;

fn at(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).expect("a time")
}

fn account(email: &str) -> Account {
    let new = NewAccount::of(Email::parse(email).expect("an address"));
    Account::open(UserId::new(at(1)), new, Roles::initial(), at(1))
}

#[test]
fn addresses_follow_the_rule_of_the_contract() {
    for good in ["a@b", "Ada.L+x@example.org", "!#$%&'*+/=?^_`{|}~-@x-y.z9"] {
        assert!(Email::parse(good).is_ok(), "{good}");
    }
    let long = format!("{}@b.org", "a".repeat(249));
    let label = format!("a@{}.org", "b".repeat(64));
    for bad in [
        "", "a", "@b", "a@", "a@@b", "a b@c", "a@b..c", "a@-b", "a@b-", "a@b_c", "ä@b", "a@b\n",
        "a@b.", "a,b@c", &long, &label,
    ] {
        assert!(Email::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn profiles_refuse_what_is_none() {
    assert!(DisplayName::parse(&"ä".repeat(200)).is_ok());
    assert!(DisplayName::parse(&"ä".repeat(201)).is_err());
    assert!(DisplayName::parse("a\u{7}b").is_err());
    for good in ["", "de", "de-AT", "zh-Hant-TW", "sl-rozaj-biske-1994"] {
        assert!(Locale::parse(good).is_ok(), "{good}");
    }
    for bad in ["d", "de_AT", "de-", "-de", "1a", "de-123456789"] {
        assert!(Locale::parse(bad).is_err(), "{bad}");
    }
    for good in [
        "",
        "UTC",
        "Europe/Vienna",
        "Etc/GMT+5",
        "America/Argentina/Ushuaia",
    ] {
        assert!(TimeZone::parse(good).is_ok(), "{good}");
    }
    for bad in ["/", "Europe/", "Europe Vienna", "../etc"] {
        assert!(TimeZone::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn usernames_pictures_and_phones_have_their_form() {
    assert_eq!(Username::parse(""), Ok(None));
    for good in ["ada", "Ada.L-1_x", "9a9", &"a".repeat(64)] {
        assert!(matches!(Username::parse(good), Ok(Some(_))), "{good}");
    }
    for bad in ["ad", "a@b", ".ada", "ada.", "a da", "ädä", &"a".repeat(65)] {
        assert!(Username::parse(bad).is_err(), "{bad}");
    }
    for good in ["", "https://example.org/a.png?size=2#x"] {
        assert!(Picture::parse(good).is_ok(), "{good}");
    }
    let long = format!("https://{}", "a".repeat(2041));
    for bad in [
        "https://",
        "http://example.org",
        "javascript:alert(1)",
        "https://a b",
        "https://a\"onload=",
        "https://ä",
        &long,
    ] {
        assert!(Picture::parse(bad).is_err(), "{bad}");
    }
    for good in ["", "+4366012", "+436601234567890"] {
        assert!(Phone::parse(good).is_ok(), "{good}");
    }
    for bad in [
        "0660123456",
        "+0660123456",
        "+43 660 123",
        "+436",
        "+4366012345678901",
    ] {
        assert!(Phone::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_deletion_taken_back_leaves_a_suspension() {
    let keep = chrono::TimeDelta::days(30);
    let mut account = account("ada@example.org");
    let before = account.clone();
    account.delete(at(2), keep);
    assert_eq!(account.purge_time, Some(at(2) + keep));
    account.undelete(at(3));
    assert_eq!(
        (account.status, account.delete_time),
        (Status::Active, None)
    );
    assert!(account.set_suspended(true, at(4)));
    account.delete(at(5), keep);
    account.undelete(at(6));
    assert_eq!(account.status, Status::Suspended);
    assert_eq!(account.revision.get(), before.revision.get() + 5);
}

#[test]
fn role_names_are_short_and_plain() {
    for good in ["a", "admin", "team-9"] {
        assert!(RoleName::parse(good).is_ok(), "{good}");
    }
    for bad in ["", "-a", "9a", "A", "a b", "a_b", &"a".repeat(64)] {
        assert!(RoleName::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn ids_come_hyphenated_alone() {
    assert!(UserId::parse("0192F3A0-0000-7000-8000-000000000000").is_ok());
    for bad in [
        "",
        "me",
        "0192f3a0000070008000000000000000",
        "{0192f3a0-0000-7000-8000-00000000000}",
    ] {
        assert!(UserId::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn ids_sort_by_the_time_of_creation() {
    assert!(UserId::new(at(1_000_000)) < UserId::new(at(1_002_000)));
}

#[test]
fn page_tokens_come_back_as_they_went() {
    let listing =
        |order: &str| Listing::parse("status = ACTIVE", "ada", order, false).expect("a list");
    for (order, key) in [
        ("create_time", Key::Time(at(1_700_000_000_123_456))),
        ("display_name desc", Key::Text("ädä".to_owned())),
        ("email", Key::Text(String::new())),
    ] {
        let listing = listing(order);
        let cursor = Cursor {
            key,
            id: UserId::new(at(5)),
        };
        let token = cursor.token(&listing);
        assert_eq!(Cursor::parse(&token, &listing), Ok(Some(cursor)));
        assert_eq!(Cursor::parse("", &listing), Ok(None));
        let other_version = format!("g{}", &token[1..]);
        let other_query = format!("{}A{}", &token[..3], &token[4..]);
        for bad in ["x", "!", "AQ", &other_version, &other_query] {
            assert!(Cursor::parse(bad, &listing).is_err(), "{bad}");
        }
    }
}

#[test]
fn a_page_token_is_good_for_its_own_list_alone() {
    let list = |filter: &str, search: &str, order: &str, deleted| {
        Listing::parse(filter, search, order, deleted).expect("a list")
    };
    let own = list("", "", "", false);
    let cursor = Cursor {
        key: Key::Time(at(1)),
        id: UserId::new(at(5)),
    };
    let token = cursor.token(&own);
    assert!(Cursor::parse(&token, &list("", "", " create_time  asc", false)).is_ok());
    for other in [
        list("status = ACTIVE", "", "", false),
        list("", "ada", "", false),
        list("", "", "create_time desc", false),
        list("", "", "update_time", false),
        list("", "", "", true),
    ] {
        assert!(Cursor::parse(&token, &other).is_err(), "{other:?}");
    }
}

#[test]
fn lists_that_cannot_be_made_are_refused() {
    for order in [
        "name",
        "email asc desc",
        "email, id",
        "Email",
        "desc",
        "create_time;",
    ] {
        let fault = Listing::parse("", "", order, false);
        assert!(
            matches!(fault, Err(Unlistable::Field("order_by", _))),
            "{order}"
        );
    }
    for search in ["a\u{7}", &"a ".repeat(9)] {
        let fault = Listing::parse("", search, "", false);
        assert!(
            matches!(fault, Err(Unlistable::Field("search", _))),
            "{search}"
        );
    }
    let fault = Listing::parse("", "", "email", true);
    assert!(matches!(fault, Err(Unlistable::Field("order_by", _))));
    let fault = Listing::parse("x", "", "", true);
    assert!(matches!(fault, Err(Unlistable::Filter(_))));
}

#[test]
fn page_sizes_have_a_default_and_an_end() {
    assert_eq!(PageSize::parse(0).map(PageSize::get), Ok(50));
    assert_eq!(PageSize::parse(1000).map(PageSize::get), Ok(1000));
    assert!(PageSize::parse(1001).is_err());
    assert!(PageSize::parse(-1).is_err());
}

#[test]
fn another_spelling_of_an_address_stays_verified() {
    let mut account = account("ada@example.org");
    account.email_verified = true;
    let change = |email: &str| Change {
        email: Some(Email::parse(email).expect("an address")),
        ..Change::default()
    };
    assert_eq!(account.apply(change("Ada@Example.org"), at(2)), Ok(true));
    assert!(account.email_verified);
    assert_eq!(account.apply(change("ada@example.com"), at(3)), Ok(true));
    assert!(!account.email_verified);
    assert_eq!(account.revision.get(), 3);
}

#[test]
fn a_change_to_the_same_values_is_none() {
    let mut account = account("ada@example.org");
    let before = account.clone();
    let change = Change {
        display_name: Some(DisplayName::default()),
        ..Change::default()
    };
    assert_eq!(account.apply(change, at(9)), Ok(false));
    assert!(!account.set_suspended(false, at(9)));
    assert_eq!(account, before);
}

#[test]
fn time_never_runs_backwards_on_an_account() {
    let mut account = account("ada@example.org");
    assert!(account.set_suspended(true, at(5)));
    assert!(account.set_suspended(false, at(4)));
    assert_eq!(account.update_time, at(5));
}

#[test]
fn nothing_personal_is_shown_by_debug() {
    let mut account = account("lovelace@example.org");
    account.profile.display_name = DisplayName::parse("Lovelace").expect("a name");
    let shown = format!("{account:?}");
    assert!(!shown.to_lowercase().contains("lovelace"), "{shown}");
}
