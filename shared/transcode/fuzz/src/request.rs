//! Whole HTTP requests over the rules of `tests/proto/test/library.proto`.

use portico_transcode::{Found, WireFault};
use prost_reflect::DynamicMessage;

use super::{
    json::again,
    schema::{PLANS, ROUTES, asked_with},
};

/// `METHOD target [form]` in the first line, and the body behind it.
pub fn request(input: &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n');
    let (head, body) = input.split_at(end.unwrap_or(input.len()));
    let body = body.get(1..).unwrap_or_default();
    let Ok(head) = std::str::from_utf8(head) else {
        return;
    };
    let mut words = head.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return;
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let Found::Route { value, captures } = ROUTES.find(method, path) else {
        return;
    };
    let mut wire = Vec::new();
    let outcome = match words.next() {
        Some("form") => value.request_form(&PLANS, &captures, query, body, &mut wire),
        _ => value.request(&PLANS, &captures, query, body, &mut wire),
    };
    assert!(
        wire.len() <= 16 * input.len() + 64,
        "grew to {}",
        wire.len()
    );
    if let Err(error) = outcome {
        assert!(wire.is_empty());
        assert!(!error.to_string().is_empty());
        return;
    }
    value.append_etag(&PLANS, "\"7\"", &mut wire);
    value.append_request_id(&PLANS, "7", &mut wire);
    DynamicMessage::decode(asked_with(value), &*wire).expect("well-formed");
    let mut json = Vec::new();
    match PLANS.to_json(value.request, &wire, &mut json) {
        Ok(()) => again(value.request, &json),
        // A query may name original names, of which not all can be told in JSON.
        Err(error) => assert!(
            matches!(error.fault, WireFault::Unrepresentable(why) if why.contains("lowerCamelCase")),
            "{error}"
        ),
    }
}
