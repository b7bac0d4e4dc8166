//! Protobuf → JSON, beside prost-reflect.

use portico_transcode::{WireError, WireFault};
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use serde::de::IgnoredAny;
use serde_json::Value;

use super::{
    json::{again, written},
    same::same_apart_from,
    schema::{PLANS, pick},
};

/// A message's number in the list of [`pick`], and what may be its protobuf form.
pub fn wire(input: &[u8]) {
    let Some((id, descriptor, wire)) = pick(input) else {
        return;
    };
    let mut out = Vec::new();
    let ours = PLANS.to_json(id, wire, &mut out);
    assert!(out.len() <= 64 * wire.len() + 64, "grew to {}", out.len());
    let theirs = (!misreads(&descriptor, wire))
        .then(|| DynamicMessage::decode(descriptor, wire).ok())
        .flatten()
        .and_then(|message| written(&message).ok());
    match ours {
        Ok(()) => {
            serde_json::from_slice::<IgnoredAny>(&out).expect("JSON");
            if let Some(theirs) = theirs.filter(|theirs| !differs(theirs)) {
                agree(&out, &theirs);
            }
            again(id, &out);
        }
        Err(error) => {
            assert!(out.is_empty());
            refused(&error, theirs.as_ref());
        }
    }
}

/// Whether the oracle may read a map where there is none: it does not look at the field's wire type.
fn misreads(descriptor: &MessageDescriptor, mut wire: &[u8]) -> bool {
    while let Ok((number, wire_type)) = decode_key(&mut wire) {
        let field = descriptor.get_field(number);
        let (is_bytes, is_map) = (
            wire_type == WireType::LengthDelimited,
            field.as_ref().is_some_and(FieldDescriptor::is_map),
        );
        if is_map && !is_bytes {
            return true;
        }
        let before = wire;
        if skip_field(wire_type, number, &mut wire, DecodeContext::default()).is_err() {
            return false;
        }
        let mut value = &before[..before.len() - wire.len()];
        if is_bytes {
            // What is left is the value without its length.
            let length = decode_varint(&mut value);
            debug_assert_eq!(length.ok(), Some(value.len() as u64));
        }
        if let Some(Kind::Message(inner)) = field.map(|field| field.kind())
            && misreads(&inner, value)
        {
            return true;
        }
    }
    false
}

/// The oracle takes it for the default and leaves it out; the conformance suite wants it.
fn is_negative_zero(value: &Value) -> bool {
    let number = value.as_f64();
    number.is_some_and(|number| number == 0.0 && number.is_sign_negative())
}

fn agree(ours: &[u8], theirs: &Value) {
    let value = serde_json::from_slice(ours).expect("JSON");
    assert!(
        same_apart_from(&value, theirs, is_negative_zero),
        "{}\n{theirs}",
        String::from_utf8_lossy(ours)
    );
}

/// Whether the oracle writes what it should not: a number that a closed enum does not have, which makes
/// it an unknown field, or `null` for a wrapper that holds NaN or an infinity.
fn differs(theirs: &Value) -> bool {
    const CLOSED: [&str; 4] = ["closed", "closedList", "closedMap", "right"];
    const FLOATS: [&str; 3] = ["wDouble", "wFloat", "value"];
    match theirs {
        Value::Array(items) => items.iter().any(differs),
        Value::Object(members) => members.iter().any(|(name, value)| {
            differs(value)
                || (CLOSED.contains(&&**name) && has_number(value))
                || (FLOATS.contains(&&**name) && value.is_null())
        }),
        _ => false,
    }
}

fn has_number(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_number),
        Value::Object(members) => members.values().any(has_number),
        _ => value.is_number(),
    }
}

/// What the oracle writes too may only be a value that has no JSON form.
fn refused(error: &WireError, theirs: Option<&Value>) {
    let formless = matches!(
        error.fault,
        WireFault::Unrepresentable(_) | WireFault::UnknownType(_)
    );
    assert!(formless || theirs.is_none(), "{error}");
}
