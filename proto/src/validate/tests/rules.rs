use std::collections::HashMap;

use super::{only, said};
use crate::test::v1::{
    Choice, Collections, Colour, Numbers, Others, Presence, Strings, choice::One,
    collections::Inner,
};

/// Values that break no rule.
fn strings() -> Strings {
    let owned = str::to_owned;
    Strings {
        len: owned("\u{fc}bc"),
        min_bytes: owned("\u{fc}\u{fc}"),
        len_bytes: owned("\u{fc}ab"),
        prefix: owned("ptc_1"),
        suffix: owned("portico.de"),
        contains: owned("a@b"),
        not_contains: owned("ab"),
        r#in: owned("b"),
        not_in: owned("z"),
        r#const: owned("v1"),
        off: owned("no address"),
    }
}

fn numbers() -> Numbers {
    Numbers {
        gt: -4,
        range: 3,
        lt: 1.4,
        finite: 1.0,
        r#in: 7,
        not_in: 12,
        r#const: 0,
    }
}

fn others() -> Others {
    Others {
        bytes: vec![0, 255],
        other: Colour::Red.into(),
        ..Others::default()
    }
}

#[test]
fn strings_have_rules() {
    assert_eq!(said(&strings()), [""; 0]);
    let broken = |change: fn(&mut Strings)| {
        let mut strings = strings();
        change(&mut strings);
        only(&strings)
    };
    for (change, said) in [
        (
            (|s| s.len.push('d')) as fn(&mut Strings),
            "len: is 4 characters long where exactly 3 are accepted",
        ),
        (
            |s| s.len = "d".into(),
            "len: is 1 character long where exactly 3 are accepted",
        ),
        (
            |s| s.min_bytes = "abc".into(),
            "min_bytes: is 3 bytes long where at least 4 are accepted",
        ),
        (
            |s| s.len_bytes.clear(),
            "len_bytes: is empty where exactly 4 are accepted",
        ),
        (
            |s| s.prefix = "pt".into(),
            "prefix: does not start with \"ptc_\"",
        ),
        (
            |s| s.suffix = "x.com".into(),
            "suffix: does not end with \".de\"",
        ),
        (
            |s| s.contains = "x".into(),
            "contains: does not contain \"@\"",
        ),
        (
            |s| s.not_contains = "a/b".into(),
            "not_contains: contains \"/\", which is not accepted",
        ),
        (
            |s| s.r#in = "c".into(),
            "in: is none of the accepted values: \"a\", \"b\"",
        ),
        (
            |s| s.not_in = "y".into(),
            "not_in: is one of the values that are not accepted: \"x\", \"y\"",
        ),
        (
            |s| s.r#const = "v2".into(),
            "const: is not \"v1\", which alone is accepted",
        ),
    ] {
        assert_eq!(broken(change), said);
    }
}

#[test]
fn numbers_have_rules() {
    assert_eq!(said(&numbers()), [""; 0]);
    let broken = |change: fn(&mut Numbers)| {
        let mut numbers = numbers();
        change(&mut numbers);
        only(&numbers)
    };
    for (change, said) in [
        (
            (|n| n.gt = -5) as fn(&mut Numbers),
            "gt: is not above -5, where only greater values are accepted",
        ),
        (
            |n| n.range = 1,
            "range: is below 2, the least value that is accepted",
        ),
        (
            |n| n.range = 5,
            "range: is above 4, the greatest value that is accepted",
        ),
        (
            |n| n.lt = 1.5,
            "lt: is not below 1.5, where only smaller values are accepted",
        ),
        (
            |n| n.lt = f64::NAN,
            "lt: is not below 1.5, where only smaller values are accepted",
        ),
        (
            |n| n.finite = f32::INFINITY,
            "finite: is no finite number, which alone is accepted",
        ),
        (
            |n| n.r#in = 1,
            "in: is none of the accepted values: 0, -1, 7",
        ),
        (
            |n| n.not_in = 13,
            "not_in: is one of the values that are not accepted: 13",
        ),
        (
            |n| n.r#const = 1,
            "const: is not 0, which alone is accepted",
        ),
    ] {
        assert_eq!(broken(change), said);
    }
}

#[test]
fn booleans_bytes_and_enums_have_rules() {
    assert_eq!(said(&others()), [""; 0]);
    let broken = |change: fn(&mut Others)| {
        let mut others = others();
        change(&mut others);
        only(&others)
    };
    for (change, said) in [
        (
            (|o| o.r#const = true) as fn(&mut Others),
            "const: is not false, which alone is accepted",
        ),
        (
            |o| o.bytes.push(1),
            "bytes: is 3 bytes long where at most 2 are accepted",
        ),
        (
            |o| o.defined = 2,
            "defined: is none of the accepted values: COLOUR_UNSPECIFIED, COLOUR_RED, COLOUR_BLUE",
        ),
        (
            |o| o.given = 3,
            "given: is none of the accepted values: COLOUR_RED",
        ),
        (
            |o| o.other = 3,
            "other: is COLOUR_BLUE, which is not accepted",
        ),
    ] {
        assert_eq!(broken(change), said);
    }
}

fn presence() -> Presence {
    Presence {
        required: "abc".to_owned(),
        optional_required: Some(0),
        required_list: vec![0],
        ..Presence::default()
    }
}

#[test]
fn what_is_absent_is_checked_where_it_must_be_there() {
    assert_eq!(said(&presence()), [""; 0]);
    assert_eq!(
        said(&Presence::default()),
        [
            "required: is missing, and must be given",
            "optional_required: is missing, and must be given",
            "required_list: is missing, and must be given",
        ]
    );
}

#[test]
fn what_is_present_is_checked_unless_ignored() {
    let broken = |change: fn(&mut Presence)| {
        let mut presence = presence();
        change(&mut presence);
        said(&presence)
    };
    assert_eq!(
        broken(|p| p.required = "ab".into()),
        ["required: is 2 characters long where at least 3 are accepted"]
    );
    assert_eq!(
        broken(|p| p.optional = Some(0)),
        ["optional: is not above 0, where only greater values are accepted"]
    );
    // Where a field has presence, only its absence is let through.
    assert_eq!(broken(|p| p.optional_zero = None), [""; 0]);
    assert_eq!(
        broken(|p| p.optional_zero = Some(0)),
        ["optional_zero: is not above 3, where only greater values are accepted"]
    );
    assert_eq!(
        broken(|p| p.wrapper = Some("a".into())),
        ["wrapper: is 1 character long where at least 2 are accepted"]
    );
    assert_eq!(broken(|p| p.ignored = "a".into()), [""; 0]);
    assert_eq!(
        broken(|p| p.ignored_message = Some(Strings::default())),
        [""; 0]
    );
    assert_eq!(
        broken(|p| p.recursive = Some(Box::new(Presence {
            required: String::new(),
            ..presence()
        }))),
        ["recursive.required: is missing, and must be given"]
    );
}

fn collections() -> Collections {
    Collections {
        few: vec![1],
        map: HashMap::from([("ab".to_owned(), "abc".to_owned())]),
        ..Collections::default()
    }
}

#[test]
fn lists_have_rules() {
    assert_eq!(said(&collections()), [""; 0]);
    let mut broken = collections();
    broken.few = vec![1, 10];
    broken.unique = vec!["a".to_owned(), "b".to_owned(), "a".to_owned()];
    broken.inner = vec![
        Inner::default(),
        Inner {
            r#type: "xx".to_owned(),
        },
    ];
    assert_eq!(
        said(&broken),
        [
            "few[1]: is not below 10, where only smaller values are accepted",
            "unique[2]: repeats an item before it, where each may be given once",
            "inner[1].type: is 2 characters long where at most 1 is accepted",
        ]
    );
}

#[test]
fn empty_items_and_lists_may_be_let_through() {
    let mut broken = collections();
    broken.item_or_empty = vec![String::new(), "a".to_owned()];
    broken.none_or_two = vec![1];
    assert_eq!(
        said(&broken),
        [
            "item_or_empty[1]: is 1 character long where at least 2 are accepted",
            "none_or_two: holds 1 item where at least 2 must be given",
        ]
    );
}

#[test]
fn maps_have_rules_and_are_reported_in_the_order_of_their_keys() {
    let map = |entries: &[(&str, &str)]| Collections {
        map: entries
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect(),
        ..collections()
    };
    assert_eq!(
        only(&map(&[])),
        "map: holds no item where at least 1 must be given"
    );
    assert_eq!(
        only(&map(&[("a", ""), ("b", ""), ("c", "")])),
        "map: holds 3 items where at most 2 may be given"
    );
    assert_eq!(
        said(&map(&[("key.b", "abcd"), ("a", "")])),
        [
            "map[a]: is 1 character long where at least 2 are accepted",
            "map[key.b]: is 4 characters long where at most 3 are accepted",
        ]
    );
    assert!(only(&map(&[("<script>", "abcd")])).starts_with("map[…]: "));
    assert!(only(&map(&[(&"k".repeat(65), "abcd")])).starts_with("map[…]: "));

    let mut broken = collections();
    broken.by_number.insert(
        -7,
        Inner {
            r#type: "xx".to_owned(),
        },
    );
    assert!(only(&broken).starts_with("by_number[-7].type: "));
}

#[test]
fn a_oneof_has_rules() {
    let choice = |one| Choice { one };
    assert_eq!(
        only(&choice(None)),
        "one: is missing: one of text, inner, flag must be given"
    );
    assert_eq!(
        only(&choice(Some(One::Text(String::new())))),
        "text: is empty where at least 1 is accepted"
    );
    let inner = Inner {
        r#type: "xx".to_owned(),
    };
    assert!(only(&choice(Some(One::Inner(inner)))).starts_with("inner.type: "));
    assert_eq!(said(&choice(Some(One::Flag(false)))), [""; 0]);
}
