//! A file of proto2 or proto3 as one of edition 2023 that means the same, as `protoc` would have it:
//! protox knows no editions.

use crate::wire::{self, Value, fields, put, put_bytes, put_str};

// Fields of the messages in `google/protobuf/descriptor.proto`.
const FILE_MESSAGE: u32 = 4;
const FILE_EXTENSION: u32 = 7;
const FILE_OPTIONS: u32 = 8;
const FILE_SYNTAX: u32 = 12;
const FILE_EDITION: u32 = 14;
const FILE_FEATURES: u32 = 50;
const MESSAGE_FIELD: u32 = 2;
const MESSAGE_NESTED: u32 = 3;
const MESSAGE_ONEOF: u32 = 8;
const FIELD_TYPE: u32 = 5;
const FIELD_OPTIONS: u32 = 8;
const FIELD_ONEOF: u32 = 9;
const FIELD_PROTO3_OPTIONAL: u32 = 17;
const FIELD_PACKED: u32 = 2;
const FIELD_FEATURES: u32 = 21;
const PRESENCE: u32 = 1;
const ENUM_TYPE: u32 = 2;
const ENCODING: u32 = 3;
const MESSAGE_ENCODING: u32 = 5;

const EDITION_2023: u64 = 1000;
const GROUP: Value<'_> = Value::Varint(10);
const MESSAGE: Value<'_> = Value::Varint(11);

/// An encoded `FileDescriptorSet` in which the files of the tests are of the edition.
pub(super) fn set(bytes: &[u8]) -> Vec<u8> {
    rewrite(bytes, |number, value, out| match value {
        Value::Bytes(file) if is_ours(file) => put_bytes(number, &file_of(file), out),
        value => put(number, value, out),
    })
}

fn is_ours(file: &[u8]) -> bool {
    read(file).any(|field| matches!(field, (1, Value::Bytes(name)) if name.starts_with(b"test/")))
}

fn file_of(file: &[u8]) -> Vec<u8> {
    let proto3 = read(file).any(|field| field == (FILE_SYNTAX, Value::Bytes(b"proto3")));
    let mut options = Vec::new();
    let mut out = rewrite(file, |number, value, out| match (number, value) {
        (FILE_SYNTAX, _) => {}
        (FILE_OPTIONS, Value::Bytes(bytes)) => options.extend_from_slice(bytes),
        (FILE_MESSAGE, Value::Bytes(bytes)) => put_bytes(number, &message(bytes), out),
        (FILE_EXTENSION, Value::Bytes(bytes)) => put_bytes(number, &field(bytes), out),
        _ => put(number, value, out),
    });
    put_str(FILE_SYNTAX, "editions", &mut out);
    put(FILE_EDITION, Value::Varint(EDITION_2023), &mut out);
    // What proto2 differs in from the edition, and proto3.
    let features: &[(u32, u64)] = if proto3 {
        &[(PRESENCE, 2)]
    } else {
        &[(ENUM_TYPE, 2), (ENCODING, 2)]
    };
    put_features(FILE_FEATURES, features, &mut options);
    put_bytes(FILE_OPTIONS, &options, &mut out);
    out
}

fn message(bytes: &[u8]) -> Vec<u8> {
    let optional = read(bytes)
        .filter(|(number, value)| match value {
            Value::Bytes(field) if *number == MESSAGE_FIELD => is_optional(field),
            _ => false,
        })
        .count();
    let oneofs = read(bytes).filter(|field| field.0 == MESSAGE_ONEOF).count();
    let mut left = oneofs - optional;
    rewrite(bytes, |number, value, out| match (number, value) {
        (MESSAGE_FIELD, Value::Bytes(bytes)) => put_bytes(number, &field(bytes), out),
        (MESSAGE_NESTED, Value::Bytes(bytes)) => put_bytes(number, &message(bytes), out),
        // Those that `optional` makes in proto3 stand behind the real ones.
        (MESSAGE_ONEOF, _) if left == 0 => {}
        _ => {
            left -= usize::from(number == MESSAGE_ONEOF);
            put(number, value, out);
        }
    })
}

fn is_optional(field: &[u8]) -> bool {
    read(field).any(|field| field == (FIELD_PROTO3_OPTIONAL, Value::Varint(1)))
}

fn field(bytes: &[u8]) -> Vec<u8> {
    let (mut features, mut options) = (Vec::new(), Vec::new());
    let optional = is_optional(bytes);
    if optional {
        features.push((PRESENCE, 1));
    }
    let mut out = rewrite(bytes, |number, value, out| match (number, value) {
        (FIELD_PROTO3_OPTIONAL, _) => {}
        (FIELD_ONEOF, _) if optional => {}
        (FIELD_TYPE, GROUP) => {
            features.push((MESSAGE_ENCODING, 2));
            put(number, MESSAGE, out);
        }
        (FIELD_OPTIONS, Value::Bytes(bytes)) => {
            options = rewrite(bytes, |number, value, out| match (number, value) {
                (FIELD_PACKED, Value::Varint(packed)) => features.push((ENCODING, 2 - packed)),
                _ => put(number, value, out),
            });
        }
        _ => put(number, value, out),
    });
    put_features(FIELD_FEATURES, &features, &mut options);
    put_bytes(FIELD_OPTIONS, &options, &mut out);
    out
}

fn put_features(number: u32, features: &[(u32, u64)], options: &mut Vec<u8>) {
    let mut set = Vec::new();
    for (feature, value) in features {
        put(*feature, Value::Varint(*value), &mut set);
    }
    put_bytes(number, &set, options);
}

fn read(bytes: &[u8]) -> impl Iterator<Item = (u32, Value<'_>)> {
    fields(bytes).map(|field| field.expect("well-formed"))
}

/// The message with each field put through `write`.
fn rewrite(bytes: &[u8], mut write: impl FnMut(u32, wire::Value<'_>, &mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, value) in read(bytes) {
        write(number, value, &mut out);
    }
    out
}
