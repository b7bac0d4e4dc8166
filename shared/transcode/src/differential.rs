//! Random messages against prost-reflect's `DynamicMessage`, which knows another way to JSON.

mod make;
mod mangle;
#[path = "../fuzz/src/same.rs"]
mod same;

use proptest::prelude::*;
use prost::Message as _;
use prost_reflect::{DeserializeOptions, DynamicMessage};
use serde_json::Value;

use crate::{
    MessageId, WireFault,
    testing::{EDITION, PLANS, POOL, id},
};
use make::Entropy;
use same::same;

/// What spoils JSON well.
const BYTES: &[u8] = b"{}[]\",:\\ 0-e.nulltrue\x00\xff";

fn cases() -> ProptestConfig {
    // More of them on request: PROPTEST_CASES.
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn descriptor(id: MessageId) -> prost_reflect::MessageDescriptor {
    POOL.get_message_by_name(&PLANS.get(id).full_name)
        .expect("of the same pool")
}

fn ours(id: MessageId, wire: &[u8]) -> Value {
    let mut out = Vec::new();
    PLANS
        .to_json(id, wire, &mut out)
        .unwrap_or_else(|error| panic!("{error}: {wire:x?}"));
    check_keys(&out);
    let mut edition = Vec::new();
    let outcome = EDITION.to_json(id, wire, &mut edition);
    assert_eq!((outcome, &edition), (Ok(()), &out), "{wire:x?}");
    serde_json::from_slice(&out).expect("JSON")
}

/// `serde_json` keeps the last of equal keys without a word, so they are looked for here, by reading
/// what was written as a `Value`, which refuses them.
fn check_keys(json: &[u8]) {
    let id = PLANS.message("google.protobuf.Value").expect("imported");
    PLANS
        .to_wire(id, json, &mut Vec::new())
        .expect("JSON without equal keys");
}

fn theirs(message: &DynamicMessage) -> Value {
    // Through text, where a float has as many digits as it needs.
    let text = serde_json::to_string(message).expect("a JSON form");
    serde_json::from_str(&text).expect("JSON")
}

/// Equality, also of the bytes in an `Any`, whose maps have no order.
fn equal(a: &DynamicMessage, b: &DynamicMessage) -> bool {
    a == b || (has_any(b) && same(&theirs(a), &theirs(b)))
}

fn has_any(message: &DynamicMessage) -> bool {
    theirs(message).to_string().contains("@type")
}

fn read(id: MessageId, json: &str) -> DynamicMessage {
    let mut wire = Vec::new();
    PLANS
        .to_wire(id, json.as_bytes(), &mut wire)
        .unwrap_or_else(|error| panic!("{error}: {json}"));
    let mut edition = Vec::new();
    let outcome = EDITION.to_wire(id, json.as_bytes(), &mut edition);
    assert_eq!((outcome, &edition), (Ok(()), &wire), "{json}");
    DynamicMessage::decode(descriptor(id), &*wire).expect("well-formed")
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn random_messages_are_the_same_both_ways(
        name in prop::sample::select(vec!["Everything", "Legacy", "Inner", "Book"]),
        entropy in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let id = id(name);
        let message = make::message(&descriptor(id), &mut Entropy::new(&entropy), 0);
        let wire = message.encode_to_vec();
        // The oracle remembers that a default was set, and tells it from one that was not.
        let message = DynamicMessage::decode(descriptor(id), &*wire).expect("well-formed");
        let json = ours(id, &wire);
        prop_assert!(same(&json, &theirs(&message)), "{}", json);
        // Both forms of JSON are read back as the message that they came from.
        let mut text = Vec::new();
        PLANS.to_json(id, &wire, &mut text).expect("as before");
        let text = String::from_utf8(text).expect("UTF-8");
        // (prost-reflect's Debug of a message that can hold itself has no end, so JSON is shown.)
        prop_assert!(equal(&read(id, &text), &message), "{}", text);
        let other = serde_json::to_string(&message).expect("a JSON form");
        prop_assert!(equal(&read(id, &other), &message), "{}", other);
        // And the oracle reads ours.
        let mut reader = serde_json::Deserializer::from_str(&text);
        let options = DeserializeOptions::new();
        let back = DynamicMessage::deserialize_with_options(descriptor(id), &mut reader, &options);
        let back = back.expect("valid for the oracle").encode_to_vec();
        prop_assert!(same(&ours(id, &back), &json), "{}", text);
    }

    #[test]
    fn the_wire_may_come_in_any_order_and_in_pieces(
        name in prop::sample::select(vec!["Everything", "Legacy", "Inner"]),
        first in prop::collection::vec(any::<u8>(), 0..300),
        second in prop::collection::vec(any::<u8>(), 0..300),
        order in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let id = id(name);
        let mut wire = Vec::new();
        for entropy in [&first, &second] {
            let message = make::message(&descriptor(id), &mut Entropy::new(entropy), 0);
            message.encode(&mut wire).expect("a vector takes every byte");
        }
        let mangled = mangle::message(id, &wire, &mut Entropy::new(&order), 0);
        let oracle = DynamicMessage::decode(descriptor(id), &*mangled).expect("well-formed");
        // The halves of two durations can differ in sign.
        let mut written = Vec::new();
        if let Err(error) = PLANS.to_json(id, &mangled, &mut written) {
            let no_form = matches!(error.fault, WireFault::Unrepresentable("is no valid duration"));
            prop_assert!(no_form, "{error}");
            return Ok(());
        }
        // An Any in pieces can end up with one's type and another's bytes. Where these have other wire
        // types, they are unknown fields to us, as to Google's implementations, and the oracle gives up.
        if serde_json::to_string(&oracle).is_err_and(|e| e.to_string().contains("invalid wire type")) {
            return Ok(());
        }
        let (ours, theirs) = (ours(id, &mangled), theirs(&oracle));
        prop_assert!(same(&ours, &theirs), "{}\n{}", ours, theirs);
    }

    #[test]
    fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let id = id("Everything");
        let mut out = Vec::new();
        match PLANS.to_json(id, &bytes, &mut out) {
            Ok(()) => check_keys(&out),
            Err(error) => {
                prop_assert!(out.is_empty());
                // What the oracle reads too may only lack a JSON form.
                let representable = matches!(
                    error.fault,
                    WireFault::Malformed | WireFault::Encoding | WireFault::Depth
                );
                if representable {
                    prop_assert!(DynamicMessage::decode(descriptor(id), &*bytes).is_err());
                }
            }
        }
    }

    #[test]
    fn spoilt_json_does_no_harm(
        entropy in prop::collection::vec(any::<u8>(), 0..300),
        spoils in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let id = id("Everything");
        let message = make::message(&descriptor(id), &mut Entropy::new(&entropy), 0);
        let mut text = serde_json::to_vec(&message).expect("a JSON form");
        for (place, byte) in spoils {
            let place = place.index(text.len());
            text[place] = BYTES[usize::from(byte) % BYTES.len()];
        }
        let mut wire = Vec::new();
        match PLANS.to_wire(id, &text, &mut wire) {
            // What is taken is a message, and JSON for others too.
            Ok(()) => {
                DynamicMessage::decode(descriptor(id), &*wire).expect("well-formed");
                serde_json::from_slice::<serde::de::IgnoredAny>(&text).expect("JSON");
            }
            Err(_) => prop_assert!(wire.is_empty()),
        }
    }

    #[test]
    fn random_paths_and_queries_do_no_harm(text in "[a-zA-Z0-9/{}*:.=&%+_é-]{0,40}") {
        let _ = crate::Template::parse(&text);
        let _ = crate::Router::<()>::builder().build().find("GET", &text);
        let scope = crate::query::Scope {
            plans: &PLANS,
            root: id("Everything"),
            place: crate::Place::Query,
            taken: &|_| None,
        };
        let mut out = Vec::new();
        if crate::query::put(&scope, &text, &mut out).is_ok() {
            DynamicMessage::decode(descriptor(id("Everything")), &*out).expect("well-formed");
        }
    }
}
