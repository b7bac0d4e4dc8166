use super::*;

fn shown(seconds: i64, nanos: i32) -> Option<String> {
    let mut out = Vec::new();
    write_timestamp(Parts { seconds, nanos }, &mut out)
        .then(|| String::from_utf8(out).expect("ASCII"))
}

fn lasting(seconds: i64, nanos: i32) -> Option<String> {
    let mut out = Vec::new();
    write_duration(Parts { seconds, nanos }, &mut out)
        .then(|| String::from_utf8(out).expect("ASCII"))
}

#[test]
fn every_day_of_the_calendar_goes_there_and_back() {
    let mut expected = FIRST_SECOND / 86_400;
    let small = |number: i64| u32::try_from(number).expect("small");
    for year in 1..=9999 {
        for month in 1..=12 {
            for day in 1..=days_of_month(year, month) {
                assert_eq!(days_before(year, month, day), expected);
                let shown = (small(year), small(month), small(day));
                assert_eq!(date_of(small(expected - FIRST_SECOND / 86_400)), shown);
                expected += 1;
            }
        }
    }
    assert_eq!(expected * 86_400 - 1, LAST_SECOND);
}

#[test]
fn timestamps_are_read_with_any_offset_and_fraction() {
    for (text, seconds, nanos) in [
        ("1970-01-01T00:00:00Z", 0, 0),
        ("0001-01-01T00:00:00Z", FIRST_SECOND, 0),
        ("9999-12-31T23:59:59.999999999Z", LAST_SECOND, 999_999_999),
        ("2000-02-29T12:34:56.5Z", 951_827_696, 500_000_000),
        ("1970-01-01T08:00:01+08:00", 1, 0),
        ("1969-12-31T16:00:01.010-08:00", 1, 10_000_000),
    ] {
        assert_eq!(timestamp(text), Some(Parts { seconds, nanos }), "{text}");
    }
}

#[test]
fn what_is_no_rfc_3339_time_is_refused() {
    for text in [
        "",
        "1970-01-01",
        "1970-01-01t00:00:00Z",
        "1970-01-01T00:00:00z",
        "1970-01-01T00:00:00",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:60:00Z",
        "1970-01-01T00:00:60Z",
        "1970-13-01T00:00:00Z",
        "1970-00-01T00:00:00Z",
        "1970-02-29T00:00:00Z",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00.1234567890Z",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00+0800",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "10000-01-01T00:00:00Z",
        "+970-01-01T00:00:00Z",
        "1970-01-01T00:00:00Ü",
    ] {
        assert_eq!(
            parse_timestamp(text).unwrap_err().fault,
            Fault::Value,
            "{text}"
        );
    }
}

#[test]
fn fractions_have_0_3_6_or_9_digits() {
    assert_eq!(shown(0, 0).as_deref(), Some("\"1970-01-01T00:00:00Z\""));
    assert_eq!(
        shown(-1, 500_000_000).as_deref(),
        Some("\"1969-12-31T23:59:59.500Z\"")
    );
    assert_eq!(
        shown(1, 1_000).as_deref(),
        Some("\"1970-01-01T00:00:01.000001Z\"")
    );
    assert_eq!(
        shown(1, 1).as_deref(),
        Some("\"1970-01-01T00:00:01.000000001Z\"")
    );
    for (seconds, nanos) in [
        (FIRST_SECOND - 1, 0),
        (LAST_SECOND + 1, 0),
        (0, -1),
        (0, 1_000_000_000),
    ] {
        assert_eq!(shown(seconds, nanos), None);
    }
}

#[test]
fn durations_go_there_and_back() {
    for (text, seconds, nanos) in [
        ("0s", 0, 0),
        ("-0.500s", 0, -500_000_000),
        ("1.000001s", 1, 1_000),
        ("-3.000000001s", -3, -1),
        ("315576000000s", LONGEST, 0),
    ] {
        assert_eq!(duration(text), Some(Parts { seconds, nanos }));
        assert_eq!(lasting(seconds, nanos), Some(format!("\"{text}\"")));
    }
    for text in [
        "",
        "s",
        "1",
        "1.s",
        ".5s",
        "+1s",
        "--1s",
        "1.1234567890s",
        "315576000001s",
        "1 s",
    ] {
        assert_eq!(
            parse_duration(text).unwrap_err().fault,
            Fault::Value,
            "{text}"
        );
    }
    for (seconds, nanos) in [
        (LONGEST + 1, 0),
        (1, -1),
        (-1, 1),
        (0, 1_000_000_000),
        (i64::MIN, 0),
    ] {
        assert_eq!(lasting(seconds, nanos), None);
    }
}
