//! JSON → protobuf, beside prost-reflect.

use portico_transcode::{Fault, JsonError, MessageId};
use prost_reflect::{DynamicMessage, MessageDescriptor};
use serde::de::IgnoredAny;
use serde_json::Value;

use super::{
    oracle::{is_laxer, read, with_quoted_numbers, with_whole_numbers},
    same::same,
    schema::{PLANS, pick},
};

/// A message's number in the list of [`pick`], and what may be its JSON form.
pub fn json(input: &[u8]) {
    let Some((id, descriptor, text)) = pick(input) else {
        return;
    };
    let mut wire = Vec::new();
    let ours = PLANS.to_wire(id, text, &mut wire);
    assert!(wire.len() <= 16 * text.len() + 64, "grew to {}", wire.len());
    match ours {
        Ok(()) => {
            serde_json::from_slice::<IgnoredAny>(text).expect("JSON for others too");
            let ours = DynamicMessage::decode(descriptor.clone(), &*wire).expect("well-formed");
            if let Ok(theirs) = read(descriptor.clone(), &with_whole_numbers(text))
                && !equal(&ours, &theirs)
            {
                let again = read(descriptor, &with_quoted_numbers(text));
                assert!(again.is_ok_and(|it| equal(&ours, &it)), "{}", shown(&ours));
            }
            round_trip(id, &wire);
        }
        Err(error) => {
            assert!(wire.is_empty());
            refused(&error, descriptor, text);
        }
    }
}

/// What was taken has a JSON form, which is taken too and has itself as its form.
pub fn round_trip(id: MessageId, wire: &[u8]) {
    let mut first = Vec::new();
    PLANS.to_json(id, wire, &mut first).expect("a JSON form");
    again(id, &first);
}

/// JSON that was written here is read here, and then written the same.
pub fn again(id: MessageId, json: &[u8]) {
    let mut wire = Vec::new();
    let shown = || String::from_utf8_lossy(json);
    PLANS
        .to_wire(id, json, &mut wire)
        .unwrap_or_else(|error| panic!("{error}: {}", shown()));
    let mut second = Vec::new();
    PLANS.to_json(id, &wire, &mut second).expect("a JSON form");
    let bare = |json: &[u8]| without_null(serde_json::from_slice(json).expect("JSON"));
    assert!(
        json == second || bare(json) == bare(&second),
        "{}\n{}",
        shown(),
        String::from_utf8_lossy(&second)
    );
}

/// The same without the field `null`: a number that `NullValue` does not have is written as null, which
/// is read as nothing.
fn without_null(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(without_null).collect(),
        Value::Object(members) => members
            .into_iter()
            .filter(|(name, value)| name != "null" || !value.is_null())
            .map(|(name, value)| (name, without_null(value)))
            .collect(),
        other => other,
    }
}

/// A refusal has a reason: for the oracle it is none either, or it is known to be laxer there.
fn refused(error: &JsonError, descriptor: MessageDescriptor, text: &[u8]) {
    assert!(error.offset <= text.len());
    match error.fault {
        Fault::Syntax | Fault::Encoding => {
            let theirs = serde_json::from_slice::<IgnoredAny>(text);
            let strings = serde_json::from_slice::<Value>(text);
            assert!(theirs.is_err() || strings.is_err(), "{error}");
        }
        _ if is_laxer(error, text) => {}
        _ => assert!(
            read(descriptor, &with_whole_numbers(text)).is_err(),
            "{error}"
        ),
    }
}

/// Equality, also of the bytes in an `Any`, whose maps have no order, and of NaN.
fn equal(a: &DynamicMessage, b: &DynamicMessage) -> bool {
    a == b
        || match (written(a), written(b)) {
            (Ok(a), Ok(b)) => same(&a, &b),
            (a, b) => a.is_err() && b.is_err(),
        }
}

/// What the oracle writes, by way of text: there a float has as many digits as it needs.
pub fn written(message: &DynamicMessage) -> serde_json::Result<Value> {
    serde_json::from_str(&serde_json::to_string(message)?)
}

fn shown(message: &DynamicMessage) -> String {
    serde_json::to_string(message).unwrap_or_else(|error| error.to_string())
}
