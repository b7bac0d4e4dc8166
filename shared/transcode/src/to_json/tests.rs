use crate::{
    WireFault,
    testing::{PLANS, id, json, numbers_as_floats, shown, wire},
    wire::{Value, put, put_bytes, put_str, put_varint},
};

/// The numbers of fields of `test.Everything`.
const INT32: u32 = 3;
const MESSAGE: u32 = 17;
const R_INT32: u32 = 33;
const R_STRING: u32 = 44;
const M_STRING: u32 = 62;
const M_MESSAGE: u32 = 65;
const C_STRING: u32 = 72;
const C_MESSAGE: u32 = 74;

fn varint(number: u32, value: u64, out: &mut Vec<u8>) {
    put(number, Value::Varint(value), out);
}

/// A message of what a closure writes.
fn made(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

fn check(bytes: &[u8], expected: &str) {
    let written = json("Everything", bytes);
    assert_eq!(written, expected);
    let read: serde_json::Value = serde_json::from_str(&written).expect("JSON");
    let oracle = shown(id("Everything"), bytes);
    assert_eq!(
        numbers_as_floats(read),
        numbers_as_floats(oracle),
        "the oracle agrees"
    );
}

fn fault(name: &str, bytes: &[u8]) -> (String, WireFault) {
    let mut out = vec![42];
    let error = PLANS
        .to_json(id(name), bytes, &mut out)
        .expect_err("a fault");
    assert_eq!(out, [42], "an error leaves what was there");
    (error.path, error.fault)
}

#[test]
fn the_last_scalar_counts() {
    let bytes = made(|out| {
        varint(INT32, 1, out);
        put_str(14, "a", out);
        varint(INT32, 2, out);
        put_str(14, "", out);
    });
    check(&bytes, r#"{"fInt32":2}"#);
}

#[test]
fn lists_in_pieces_are_one_list() {
    let bytes = made(|out| {
        varint(R_INT32, 1, out);
        put_str(R_STRING, "a", out);
        put_bytes(R_INT32, &[2, 3], out);
        put_str(R_STRING, "b", out);
        varint(R_INT32, 4, out);
    });
    check(&bytes, r#"{"rInt32":[1,2,3,4],"rString":["a","b"]}"#);
}

#[test]
fn packed_and_unpacked_lists_are_read_either_way() {
    let bytes = made(|out| {
        varint(R_INT32, 1, out);
        put_bytes(R_INT32, &[2, 3], out);
        put_bytes(R_INT32, &[], out);
        put_bytes(48, &[4, 5], out);
    });
    check(&bytes, r#"{"rInt32":[1,2,3],"rUnpacked":[4,5]}"#);
    check(&made(|out| put_bytes(R_INT32, &[], out)), "{}");
    let twice = made(|out| {
        put_bytes(R_INT32, &[], out);
        varint(INT32, 1, out);
        varint(INT32, 1, out);
    });
    check(&twice, r#"{"fInt32":1}"#);
}

#[test]
fn messages_in_pieces_are_merged() {
    let piece = |text: &str| wire("Everything", text);
    let bytes = made(|out| {
        put_bytes(
            MESSAGE,
            &piece(r#"{"fInt32":1,"rInt32":[1],"fMessage":{"fBool":true}}"#),
            out,
        );
        varint(INT32, 9, out);
        put_bytes(
            MESSAGE,
            &piece(r#"{"fInt32":2,"rInt32":[2],"fMessage":{"fString":"x"}}"#),
            out,
        );
    });
    check(
        &bytes,
        r#"{"fInt32":9,"fMessage":{"fInt32":2,"fMessage":{"fBool":true,"fString":"x"},"rInt32":[1,2]}}"#,
    );
}

#[test]
fn the_last_member_of_a_oneof_counts() {
    let inner = |text: &str| wire("Inner", text);
    let bytes = made(|out| {
        put_bytes(C_MESSAGE, &inner(r#"{"name":"lost"}"#), out);
        put_str(C_STRING, "lost too", out);
        put_bytes(C_MESSAGE, &inner(r#"{"name":"a"}"#), out);
        put_bytes(C_MESSAGE, &inner(r#"{"count":1}"#), out);
    });
    check(&bytes, r#"{"cMessage":{"name":"a","count":1}}"#);
}

#[test]
fn the_last_of_equal_map_keys_counts() {
    let entry = |key: &str, value: &str| {
        made(|out| {
            put_str(1, key, out);
            put_str(2, value, out);
        })
    };
    let bytes = made(|out| {
        put_bytes(M_STRING, &entry("a", "1"), out);
        put_bytes(M_STRING, &entry("b", "2"), out);
        put_bytes(M_STRING, &entry("a", "3"), out);
    });
    check(&bytes, r#"{"mString":{"a":"3","b":"2"}}"#);
    let many = made(|out| {
        for i in 0..40 {
            put_bytes(
                M_STRING,
                &entry(&format!("{}", i % 20), &i.to_string()),
                out,
            );
        }
    });
    let all: Vec<String> = (0..20).map(|i| format!("\"{i}\":\"{}\"", i + 20)).collect();
    check(&many, &format!("{{\"mString\":{{{}}}}}", all.join(",")));
}

#[test]
fn entries_without_key_or_value_hold_the_defaults() {
    check(
        &made(|out| put_bytes(M_STRING, &[], out)),
        r#"{"mString":{"":""}}"#,
    );
    let only_key = made(|out| put_str(1, "k", out));
    let bytes = made(|out| {
        for number in [M_STRING, 63, 64, M_MESSAGE] {
            put_bytes(number, &only_key, out);
        }
        put_bytes(51, &[], out);
        put_bytes(61, &[], out);
    });
    check(
        &bytes,
        r#"{"mString":{"k":""},"mBytes":{"k":""},"mColor":{"k":"COLOR_UNSPECIFIED"},"mMessage":{"k":{}},"mInt32":{"0":""},"mBool":{"false":0}}"#,
    );
}

#[test]
fn entries_in_any_order_and_in_pieces_are_read() {
    let entry = made(|out| {
        put_bytes(2, &wire("Inner", r#"{"name":"a"}"#), out);
        put_str(1, "lost", out);
        put_bytes(2, &wire("Inner", r#"{"count":1}"#), out);
        put_str(1, "k", out);
        varint(9, 9, out);
    });
    let bytes = made(|out| put_bytes(M_MESSAGE, &entry, out));
    assert_eq!(
        json("Everything", &bytes),
        r#"{"mMessage":{"k":{"name":"a","count":1}}}"#
    );
}

#[test]
fn unknown_fields_and_other_wire_types_are_passed_over() {
    let bytes = made(|out| {
        varint(1_000, 1, out);
        put(1_001, Value::Group(&[0x08, 0x01]), out);
        put_str(INT32, "not a varint", out);
        put(INT32, Value::Fixed32(1), out);
        varint(R_STRING, 5, out);
        varint(M_STRING, 5, out);
        varint(INT32, 7, out);
    });
    assert_eq!(json("Everything", &bytes), r#"{"fInt32":7}"#);
}

#[test]
fn defaults_are_left_out_where_there_is_no_presence() {
    let bytes = made(|out| {
        varint(INT32, 0, out);
        varint(13, 0, out);
        put(1, Value::Fixed64(0), out);
        put_str(14, "", out);
        varint(16, 0, out);
        varint(5, 1 << 40, out);
        varint(22, 0, out);
        put_bytes(MESSAGE, &[], out);
    });
    check(&bytes, r#"{"oInt64":"0","fMessage":{}}"#);
    assert_eq!(
        json(
            "Everything",
            &made(|out| put(1, Value::Fixed64(1 << 63), out))
        ),
        r#"{"fDouble":-0}"#
    );
}

#[test]
fn numbers_are_written_as_short_as_they_can_be() {
    let double = |value: f64| {
        json(
            "Everything",
            &made(|out| put(1, Value::Fixed64(value.to_bits()), out)),
        )
    };
    let float = |value: f32| {
        json(
            "Everything",
            &made(|out| put(2, Value::Fixed32(value.to_bits()), out)),
        )
    };
    assert_eq!(double(0.1), r#"{"fDouble":0.1}"#);
    assert_eq!(double(5.0), r#"{"fDouble":5}"#);
    assert_eq!(float(0.1), r#"{"fFloat":0.1}"#);
    assert_eq!(float(16_777_216.0), r#"{"fFloat":16777216}"#);
    assert_eq!(double(f64::NAN), r#"{"fDouble":"NaN"}"#);
    assert_eq!(float(f32::NEG_INFINITY), r#"{"fFloat":"-Infinity"}"#);
    assert_eq!(double(f64::INFINITY), r#"{"fDouble":"Infinity"}"#);
    let infinite = made(|out| put(1, Value::Fixed64(f64::INFINITY.to_bits()), out));
    let wrapped = made(|out| put_bytes(91, &infinite, out));
    assert_eq!(json("Everything", &wrapped), r#"{"wDouble":"Infinity"}"#);
    for value in [f64::MAX, f64::MIN_POSITIVE, 5e-324, 1e21, 123_456_789.125] {
        let text = double(value);
        let number = &text[r#"{"fDouble":"#.len()..text.len() - 1];
        assert_eq!(number.parse(), Ok(value));
    }
}

#[test]
fn closed_enums_have_no_other_values() {
    let bytes = made(|out| {
        varint(4, 2, out);
        varint(4, 9, out);
        varint(5, 9, out);
        varint(5, 1, out);
        put_bytes(5, &[9, 2, 9], out);
        let entry = made(|out| {
            put_str(1, "lost", out);
            varint(2, 9, out);
        });
        put_bytes(6, &entry, out);
        put_bytes(6, &made(|out| put_str(1, "k", out)), out);
        let overwritten = made(|out| {
            put_str(1, "o", out);
            varint(2, 9, out);
            varint(2, 2, out);
        });
        put_bytes(6, &overwritten, out);
    });
    assert_eq!(
        json("Legacy", &bytes),
        r#"{"closed":"TWO","closedList":["ONE","TWO"],"closedMap":{"k":"ONE","o":"TWO"}}"#
    );
}

#[test]
fn groups_in_pieces_are_merged() {
    let bytes = made(|out| {
        put(7, Value::Group(&made(|out| put_str(1, "a", out))), out);
        put(8, Value::Group(&[0x08, 1]), out);
        put(7, Value::Group(&[0x18, 5]), out);
        put(8, Value::Group(&[]), out);
    });
    assert_eq!(
        json("Legacy", &bytes),
        r#"{"group":{"name":"a","list":[5]},"groups":[{"number":1},{}]}"#
    );
}

#[test]
fn well_known_types_in_pieces_are_merged() {
    let bytes = made(|out| {
        put_bytes(81, &made(|out| varint(1, 5, out)), out);
        put_bytes(
            85,
            &made(|out| put_bytes(6, &made(|out| put_bytes(1, &[0x20, 1], out)), out)),
            out,
        );
        put_bytes(98, &made(|out| put_str(1, "lost", out)), out);
        put_bytes(81, &made(|out| varint(2, 1_000_000, out)), out);
        put_bytes(
            85,
            &made(|out| put_bytes(6, &made(|out| put_bytes(1, &[0x20, 0], out)), out)),
            out,
        );
        put_bytes(98, &made(|out| put_str(1, "kept", out)), out);
    });
    check(
        &bytes,
        r#"{"timestamp":"1970-01-01T00:00:05.001Z","value":[true,false],"wString":"kept"}"#,
    );
}

#[test]
fn faults_name_the_field() {
    let long_ago = made(|out| varint(1, u64::MAX << 62, out));
    let any = |url: &str| made(|out| put_bytes(87, &made(|out| put_str(1, url, out)), out));
    let nan = made(|out| put(2, Value::Fixed64(f64::NAN.to_bits()), out));
    for (bytes, path, expected) in [
        (vec![0x08], "", WireFault::Malformed),
        (
            made(|out| put_bytes(MESSAGE, &[0x08], out)),
            "fMessage",
            WireFault::Malformed,
        ),
        (
            made(|out| put_bytes(14, b"\xff", out)),
            "fString",
            WireFault::Encoding,
        ),
        (
            made(|out| put_bytes(M_STRING, b"\x0a\x01\xff", out)),
            "mString",
            WireFault::Encoding,
        ),
        (
            any("x/nope"),
            "any",
            WireFault::UnknownType("x/nope".to_owned()),
        ),
        (
            any("nope"),
            "any",
            WireFault::UnknownType("nope".to_owned()),
        ),
        (
            made(|out| put_bytes(81, &long_ago, out)),
            "timestamp",
            WireFault::Unrepresentable("is a time outside of the years 1 to 9999"),
        ),
        (
            made(|out| put_bytes(82, &long_ago, out)),
            "duration",
            WireFault::Unrepresentable("is no valid duration"),
        ),
        (
            made(|out| put_bytes(83, &made(|out| put_str(1, "fooBar", out)), out)),
            "mask",
            WireFault::Unrepresentable("holds a path that has no lowerCamelCase form"),
        ),
        // Nothing is written that would not be read.
        (
            made(|out| put_bytes(83, &made(|out| put_str(1, "a b", out)), out)),
            "mask",
            WireFault::Unrepresentable("holds a path that has no lowerCamelCase form"),
        ),
        (
            made(|out| put_bytes(85, &nan, out)),
            "value",
            WireFault::Unrepresentable("is NaN or infinite, which JSON has no number for"),
        ),
    ] {
        assert_eq!(fault("Everything", &bytes), (path.to_owned(), expected));
    }
}

#[test]
fn a_fault_that_is_overwritten_is_none() {
    let mut bytes = made(|out| put_bytes(82, &made(|out| varint(1, u64::MAX << 62, out)), out));
    put_bytes(82, &made(|out| varint(1, 1, out)), &mut bytes);
    check(&bytes, r#"{"duration":"1s"}"#);
}

#[test]
fn depth_is_bounded_and_pieces_do_not_multiply_the_work() {
    let nested = |levels: usize| {
        (0..levels).fold(Vec::new(), |inner, _| {
            made(|out| {
                // Each level is in pieces, so none is done in one pass.
                varint(INT32, 1, out);
                put_bytes(MESSAGE, &inner, out);
                varint(INT32, 2, out);
            })
        })
    };
    assert!(json("Everything", &nested(99)).starts_with(r#"{"fInt32":2,"fMessage":{"fInt32":2,"#));
    assert_eq!(fault("Everything", &nested(100)).1, WireFault::Depth);
    let values = (0..5_000).fold(Vec::new(), |inner, _| {
        made(|out| put_bytes(6, &made(|out| put_bytes(1, &inner, out)), out))
    });
    assert_eq!(
        fault("Everything", &made(|out| put_bytes(85, &values, out))).1,
        WireFault::Depth
    );
    let mut groups = Vec::new();
    for _ in 0..5_000 {
        put_varint(1_000 << 3 | 3, &mut groups);
    }
    assert_eq!(fault("Everything", &groups).1, WireFault::Depth);
}
