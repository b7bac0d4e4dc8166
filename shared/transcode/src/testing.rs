//! What the tests of this crate share: plans over the protos in `tests/proto`.

mod edition;

use std::{path::Path, sync::LazyLock};

use prost_reflect::{DescriptorPool, DynamicMessage};
use protox::Compiler;

use crate::{MessageId, Plans, pool};

static SET: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [
        here.join("tests/proto"),
        here.join("../../proto/third_party"),
    ];
    let mut compiler = Compiler::new(folders).expect("the folders are there");
    compiler.include_imports(true);
    compiler
        .open_files([
            "test/everything.proto",
            "test/legacy.proto",
            "test/library.proto",
        ])
        .expect("the protos are valid");
    compiler.encode_file_descriptor_set()
});

pub(crate) static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| pool(&SET).expect("the descriptors are valid"));

pub(crate) static PLANS: LazyLock<Plans> = LazyLock::new(|| Plans::compile(&POOL));

/// The same messages, with the same ids, as edition 2023 has them.
pub(crate) static EDITION: LazyLock<Plans> = LazyLock::new(|| {
    let pool = pool(&edition::set(&SET)).expect("the descriptors are valid");
    Plans::compile(&pool)
});

pub(crate) fn id(name: &str) -> MessageId {
    PLANS
        .message(&format!("test.{name}"))
        .expect("a message of the test protos")
}

/// Reads protobuf bytes with the oracle.
pub(crate) fn oracle(id: MessageId, wire: &[u8]) -> DynamicMessage {
    let descriptor = POOL
        .get_message_by_name(&PLANS.get(id).full_name)
        .expect("the pool has what the plans have");
    DynamicMessage::decode(descriptor, wire).expect("well-formed protobuf")
}

/// The message with its fields in the text form of the oracle's JSON, members in order.
pub(crate) fn shown(id: MessageId, wire: &[u8]) -> serde_json::Value {
    serde_json::to_value(oracle(id, wire)).expect("a message with a JSON form")
}

/// JSON → protobuf, which must work.
pub(crate) fn wire(name: &str, json: &str) -> Vec<u8> {
    let mut out = Vec::new();
    PLANS
        .to_wire(id(name), json.as_bytes(), &mut out)
        .unwrap_or_else(|error| panic!("{json}: {error}"));
    out
}

/// Protobuf → JSON, which must work.
pub(crate) fn json(name: &str, wire: &[u8]) -> String {
    let mut out = Vec::new();
    PLANS
        .to_json(id(name), wire, &mut out)
        .unwrap_or_else(|error| panic!("{wire:x?}: {error}"));
    String::from_utf8(out).expect("UTF-8")
}

/// The same JSON with all numbers as doubles, since `1` and `1.0` are the same.
pub(crate) fn numbers_as_floats(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        Value::Array(items) => items.into_iter().map(numbers_as_floats).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| (name, numbers_as_floats(value)))
            .collect(),
        other => other,
    }
}
