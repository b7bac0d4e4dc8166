use super::*;

fn text(field: TextField, kind: Match, value: &str) -> Filter {
    Filter::Test(Test::Text(field, kind, value.into()))
}

fn parsed(filter: &str) -> Filter {
    match Filter::parse(filter) {
        Ok(Some(filter)) => filter,
        other => panic!("{filter}: {other:?}"),
    }
}

#[test]
fn nothing_is_no_filter() {
    assert_eq!(Filter::parse(""), Ok(None));
    assert_eq!(Filter::parse(" \n"), Ok(None));
}

#[test]
fn or_binds_closer_than_and() {
    let status = |status| Filter::Test(Test::Status(status));
    let (a, b, c) = (
        status(Status::Active),
        status(Status::Suspended),
        Filter::Test(Test::EmailVerified(true)),
    );
    let expected = Filter::And(vec![c.clone(), Filter::Or(vec![a.clone(), b.clone()])]);
    for filter in [
        "email_verified = true AND status = ACTIVE OR status = USER_STATUS_SUSPENDED",
        "email_verified=true status=ACTIVE OR status=SUSPENDED",
        "(email_verified = \"true\") AND (((status = ACTIVE) OR status = SUSPENDED))",
    ] {
        assert_eq!(parsed(filter), expected, "{filter}");
    }
    let expected = Filter::Not(Box::new(Filter::Not(Box::new(a))));
    assert_eq!(parsed("NOT -status = ACTIVE"), expected);
    assert_eq!(parsed("-(status != ACTIVE)"), expected);
}

#[test]
fn texts_know_wildcards_with_equality_alone() {
    use TextField::{DisplayName, Email};
    for (filter, expected) in [
        (
            "email = ada@example.org",
            text(Email, Match::Whole, "ada@example.org"),
        ),
        ("email = \"ada*\"", text(Email, Match::Prefix, "ada")),
        (
            "email = '*@example.org'",
            text(Email, Match::Suffix, "@example.org"),
        ),
        ("email = *ada*", text(Email, Match::Part, "ada")),
        (
            "email : \"@example.org\"",
            text(Email, Match::Part, "@example.org"),
        ),
        ("email:\"*\"", text(Email, Match::Part, "*")),
        ("display_name = \"\"", text(DisplayName, Match::Whole, "")),
        (
            r#"display_name = "a \"b\" \\ 'c' % _""#,
            text(DisplayName, Match::Whole, r#"a "b" \ 'c' % _"#),
        ),
    ] {
        assert_eq!(parsed(filter), expected, "{filter}");
    }
}

#[test]
fn times_come_with_or_without_quotes() {
    let time = DateTime::from_timestamp_micros(1_767_225_600_000_000).unwrap();
    for (filter, relation) in [
        ("create_time > \"2026-01-01T00:00:00Z\"", Relation::Greater),
        ("create_time>=2026-01-01T01:00:00+01:00", Relation::AtLeast),
        ("create_time < 2026-01-01T00:00:00.000Z", Relation::Less),
        ("create_time <= 2026-01-01T00:00:00Z", Relation::AtMost),
        ("create_time = 2026-01-01T00:00:00Z", Relation::Equal),
    ] {
        let expected = Filter::Test(Test::Time(TimeField::Create, relation, time));
        assert_eq!(parsed(filter), expected, "{filter}");
    }
}

#[test]
fn faults_are_told_with_their_column() {
    let nested = format!("{}status = ACTIVE{}", "(".repeat(40), ")".repeat(40));
    let negated = format!("{}status = ACTIVE", "-".repeat(40));
    let many = vec!["status = ACTIVE"; 33].join(" ");
    for (filter, column, fault) in [
        ("ada", 1, "no field"),
        ("email", 6, "`=`"),
        ("\"ada\"", 1, "a comparison"),
        ("name = ada", 1, "no field"),
        ("private_metadata = x", 1, "no field"),
        ("status = ACTIVE AND nothing = 1", 21, "no field"),
        ("status > ACTIVE", 8, "compared with"),
        ("roles = admin", 7, "compared with `:`"),
        ("create_time : \"x\"", 13, "compared with"),
        ("status = GONE", 10, "`ACTIVE`"),
        ("email_verified = yes", 18, "`true`"),
        ("id = 7", 6, "UUID"),
        ("roles : \"A B\"", 9, "role"),
        ("create_time > yesterday", 15, "RFC 3339"),
        ("create_time > \"-001000-01-01T00:00:00Z\"", 15, "RFC 3339"),
        ("email = ", 9, "a value"),
        ("email = AND", 12, ""),
        ("email : \"\"", 9, "empty"),
        ("email = *", 9, "empty"),
        ("email = \"ada", 9, "not closed"),
        ("display_name = \"a\u{7}\"", 16, "control"),
        ("status = ACTIVE AND", 20, "a comparison"),
        ("AND status = ACTIVE", 1, "a comparison"),
        ("status = ACTIVE OR OR", 20, "a comparison"),
        ("(status = ACTIVE", 17, "`)`"),
        ("status = ACTIVE)", 16, "opened"),
        ("status = ACTIVE; DROP", 16, "cannot stand"),
        ("ä = ; x", 1, "no field"),
        (&nested, 10, "levels"),
        (&negated, 10, "levels"),
        (&many, 32 * 16 + 1, "comparisons"),
    ] {
        match Filter::parse(filter) {
            Ok(_) if fault.is_empty() => {}
            Err(error) => {
                assert_eq!(error.column, column, "{filter}: {error}");
                assert!(error.fault.contains(fault), "{filter}: {error}");
            }
            Ok(_) => panic!("{filter} was accepted"),
        }
    }
}

#[test]
fn no_text_makes_it_panic() {
    let pieces = [
        "status", "=", "ACTIVE", "(", ")", "-", "\"", "\\", "ä", ":", "<", " ", "'", "OR", "NOT",
        "*",
    ];
    let mut state = 7_u64;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..state % 12 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            text.push_str(pieces[usize::try_from(state >> 40).unwrap() % pieces.len()]);
        }
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state ^= state >> 29;
        if let Err(error) = Filter::parse(&text) {
            assert!(error.column <= text.chars().count() + 1, "{text}: {error}");
        }
    }
}
