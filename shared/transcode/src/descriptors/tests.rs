use super::*;
use crate::{
    Plans,
    plan::{Kind, Label},
    wire::Value,
};

#[test]
fn what_is_no_descriptor_set_is_refused() {
    assert!(matches!(pool(&[0x0a, 0x7f]), Err(PoolError::Malformed)));
    assert!(matches!(
        pool(&[0x0a, 0x01, 0x0a]),
        Err(PoolError::Malformed)
    ));
}

#[test]
fn an_edition_of_the_future_is_refused() {
    let set = set_of(|file| varint(EDITION, 4_000, file));
    assert!(matches!(pool(&set), Err(PoolError::Edition(4_000))));
}

/// The parts of a descriptor that the edition file below is made of.
fn made(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

fn varint(number: u32, value: u64, out: &mut Vec<u8>) {
    wire::put(number, Value::Varint(value), out);
}

fn set_of(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let file = made(|file| {
        wire::put_str(1, "edition.proto", file);
        wire::put_str(SYNTAX, "editions", file);
        write(file);
    });
    made(|set| wire::put_bytes(1, &file, set))
}

/// Features as an option of a field (21), an enum (7) or a file (50).
fn features(option: u32, feature: u32, value: u64) -> Vec<u8> {
    let set = made(|out| varint(feature, value, out));
    made(|out| wire::put_bytes(option, &set, out))
}

/// A field descriptor: name, number, label, type, name of the type, options.
fn field(name: &str, number: u64, label: u64, kind: u64, of: &str, options: &[u8]) -> Vec<u8> {
    made(|out| {
        wire::put_str(1, name, out);
        varint(3, number, out);
        varint(4, label, out);
        varint(5, kind, out);
        if !of.is_empty() {
            wire::put_str(6, of, out);
        }
        wire::put_bytes(8, options, out);
    })
}

const PRESENCE: u32 = 1;
const ENUM_TYPE: u32 = 2;
const ENCODING: u32 = 3;
const MESSAGE_ENCODING: u32 = 5;
const OPTIONAL: u64 = 1;
const REPEATED: u64 = 3;
const INT32: u64 = 5;
const MESSAGE: u64 = 11;
const ENUM: u64 = 14;

#[test]
fn the_features_of_an_edition_decide() {
    let message = made(|message| {
        wire::put_str(1, "Thing", message);
        for field in [
            field("explicit", 1, OPTIONAL, INT32, "", &[]),
            field(
                "implicit",
                2,
                OPTIONAL,
                INT32,
                "",
                &features(21, PRESENCE, 2),
            ),
            field("packed", 3, REPEATED, INT32, "", &features(21, ENCODING, 1)),
            field("expanded", 4, REPEATED, INT32, "", &[]),
            field(
                "delimited",
                5,
                OPTIONAL,
                MESSAGE,
                ".Thing",
                &features(21, MESSAGE_ENCODING, 2),
            ),
            field("prefixed", 6, OPTIONAL, MESSAGE, ".Thing", &[]),
            field("closed", 7, OPTIONAL, ENUM, ".Closed", &[]),
            field("open", 8, OPTIONAL, ENUM, ".Open", &[]),
        ] {
            wire::put_bytes(2, &field, message);
        }
    });
    let described = |name: &str, value: &str, options: &[u8]| {
        made(|out| {
            wire::put_str(1, name, out);
            let value = made(|out| {
                wire::put_str(1, value, out);
                varint(2, 0, out);
            });
            wire::put_bytes(2, &value, out);
            wire::put_bytes(3, options, out);
        })
    };
    let set = set_of(|file| {
        varint(EDITION, 1_000, file);
        wire::put_bytes(4, &message, file);
        wire::put_bytes(
            5,
            &described("Closed", "A", &features(7, ENUM_TYPE, 2)),
            file,
        );
        wire::put_bytes(5, &described("Open", "B", &[]), file);
        // The whole file writes lists one by one, against the edition's default.
        wire::put_bytes(OPTIONS, &features(50, ENCODING, 2), file);
    });
    let plans = Plans::compile(&pool(&set).expect("an edition that is known"));
    let id = plans.message("Thing").expect("there");
    let field = |name: &str| plans.field(id, name).expect("a field");
    assert!(field("explicit").presence && !field("implicit").presence);
    assert_eq!(field("packed").label, Label::Repeated { packed: true });
    assert_eq!(field("expanded").label, Label::Repeated { packed: false });
    assert_eq!(field("delimited").kind, Kind::Group(id));
    assert_eq!(field("prefixed").kind, Kind::Message(id));
    let closed = |name: &str| match field(name).kind {
        Kind::Enum(id) => plans.get_enum(id).closed,
        other => panic!("{other:?} is no enum"),
    };
    assert!(closed("closed") && !closed("open"));

    let json =
        r#"{"explicit":0,"delimited":{"explicit":1,"delimited":{}},"expanded":[1,2],"open":5}"#;
    let (mut bytes, mut back) = (Vec::new(), Vec::new());
    plans
        .to_wire(id, json.as_bytes(), &mut bytes)
        .expect("valid");
    plans.to_json(id, &bytes, &mut back).expect("valid");
    assert_eq!(String::from_utf8(back).expect("UTF-8"), json);
    assert_eq!(bytes[..8], [0x08, 0, 0x2b, 0x08, 1, 0x2b, 0x2c, 0x2c]);
}
