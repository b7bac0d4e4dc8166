//! Messages out of random bytes: fewer bytes make smaller messages, so failures shrink.

use std::collections::HashMap;

use prost::Message as _;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage as _, Value,
};

use crate::testing::POOL;

/// Random bytes that turn into zeros at their end.
pub(super) struct Entropy<'b> {
    bytes: &'b [u8],
}

impl<'b> Entropy<'b> {
    pub fn new(bytes: &'b [u8]) -> Self {
        Self { bytes }
    }

    pub fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.bytes.split_first() else {
            return 0;
        };
        self.bytes = rest;
        first
    }

    pub fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit.max(1)
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn long(&mut self) -> u64 {
        match self.byte() % 8 {
            0 => 0,
            1 => 1,
            2 => u64::MAX,
            3 => 1 << 63,
            4 => (1 << 63) - 1,
            5 => u64::from(self.byte()),
            _ => u64::from_le_bytes(std::array::from_fn(|_| self.byte())),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
    fn int(&mut self) -> u32 {
        match self.byte() % 4 {
            0 => 1 << 31,
            1 => u32::from(self.byte()),
            _ => self.long() as u32,
        }
    }

    fn double(&mut self) -> f64 {
        let value = match self.byte() % 4 {
            0 => f64::INFINITY,
            1 => f64::from(self.byte()) / 8.0,
            _ => f64::from_bits(self.long()),
        };
        // NaN is no equal of itself; unit tests have it.
        if value.is_nan() { 0.5 } else { value }
    }

    fn float(&mut self) -> f32 {
        let value = f32::from_bits(self.int());
        if value.is_nan() { -0.5 } else { value }
    }

    fn text(&mut self) -> String {
        const PARTS: &[&str] = &[
            "",
            "a",
            "B",
            "0",
            " ",
            "\"",
            "\\",
            "/",
            "\n",
            "\u{0}",
            "\u{1f}",
            "\u{7f}",
            "é",
            "€",
            "😀",
            "long text ",
        ];
        let length = self.below(6);
        (0..length)
            .map(|_| PARTS[self.below(PARTS.len())])
            .collect()
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = self.below(7);
        (0..length).map(|_| self.byte()).collect()
    }
}

/// A message of some of its fields.
pub(super) fn message(
    descriptor: &MessageDescriptor,
    entropy: &mut Entropy<'_>,
    depth: u32,
) -> DynamicMessage {
    let mut made = DynamicMessage::new(descriptor.clone());
    if known(descriptor, &mut made, entropy, depth) {
        return made;
    }
    let fields: Vec<FieldDescriptor> = descriptor.fields().collect();
    let count = if depth > 3 || fields.is_empty() {
        0
    } else {
        entropy.below(7)
    };
    for _ in 0..count {
        if entropy.is_empty() {
            break;
        }
        let field = &fields[entropy.below(fields.len())];
        let value = field_value(field, entropy, depth);
        made.set_field(field, value);
    }
    made
}

fn field_value(field: &FieldDescriptor, entropy: &mut Entropy<'_>, depth: u32) -> Value {
    let length = entropy.below(4);
    if field.is_map() {
        let Kind::Message(entry) = field.kind() else {
            return Value::Map(HashMap::new());
        };
        let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
        return Value::Map(
            (0..length)
                .map(|_| {
                    (
                        map_key(&key.kind(), entropy),
                        single(&value.kind(), entropy, depth),
                    )
                })
                .collect(),
        );
    }
    if field.is_list() {
        return Value::List(
            (0..length)
                .map(|_| single(&field.kind(), entropy, depth))
                .collect(),
        );
    }
    single(&field.kind(), entropy, depth)
}

fn map_key(kind: &Kind, entropy: &mut Entropy<'_>) -> MapKey {
    match single(kind, entropy, 0) {
        Value::Bool(v) => MapKey::Bool(v),
        Value::I32(v) => MapKey::I32(v),
        Value::I64(v) => MapKey::I64(v),
        Value::U32(v) => MapKey::U32(v),
        Value::U64(v) => MapKey::U64(v),
        Value::String(v) => MapKey::String(v),
        other => panic!("{other:?} is no key"),
    }
}

fn single(kind: &Kind, entropy: &mut Entropy<'_>, depth: u32) -> Value {
    match kind {
        Kind::Double => Value::F64(entropy.double()),
        Kind::Float => Value::F32(entropy.float()),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(entropy.int().cast_signed()),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(entropy.long().cast_signed()),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(entropy.int()),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(entropy.long()),
        Kind::Bool => Value::Bool(entropy.byte() % 2 == 1),
        Kind::String => Value::String(entropy.text()),
        Kind::Bytes => Value::Bytes(entropy.bytes().into()),
        Kind::Message(inner) => Value::Message(message(inner, entropy, depth + 1)),
        Kind::Enum(of) => {
            let values: Vec<i32> = of.values().map(|value| value.number()).collect();
            let open = of.parent_file().syntax() == prost_reflect::Syntax::Proto3
                && of.full_name() != "google.protobuf.NullValue";
            Value::EnumNumber(match entropy.below(8) {
                7 if open => entropy.int().cast_signed(),
                _ => values[entropy.below(values.len())],
            })
        }
    }
}

/// Fills a well-known type with what has a JSON form; gives `false` for other messages.
fn known(
    descriptor: &MessageDescriptor,
    made: &mut DynamicMessage,
    entropy: &mut Entropy<'_>,
    depth: u32,
) -> bool {
    match descriptor.full_name() {
        "google.protobuf.Timestamp" => {
            let seconds = i64::from(entropy.int()) * 58 - 62_135_596_800;
            made.set_field_by_name("seconds", Value::I64(seconds));
            made.set_field_by_name("nanos", Value::I32(nanos(entropy)));
        }
        "google.protobuf.Duration" => {
            let sign = if entropy.byte().is_multiple_of(2) {
                1
            } else {
                -1
            };
            made.set_field_by_name(
                "seconds",
                Value::I64(i64::from(sign) * i64::from(entropy.int())),
            );
            made.set_field_by_name("nanos", Value::I32(sign * nanos(entropy)));
        }
        "google.protobuf.FieldMask" => {
            let paths = (0..entropy.below(4))
                .map(|_| ["a", "foo_bar", "a.b_c.d1", "user.display_name"][entropy.below(4)])
                .map(|path| Value::String(path.to_owned()));
            made.set_field_by_name("paths", Value::List(paths.collect()));
        }
        // The oracle writes infinities in wrappers as `null`; a unit test has them.
        "google.protobuf.DoubleValue" => {
            made.set_field_by_name("value", Value::F64(f64::from(entropy.int()) / 4.0));
        }
        "google.protobuf.FloatValue" => {
            made.set_field_by_name("value", Value::F32(f32::from(entropy.byte()) / 4.0));
        }
        "google.protobuf.Value" => any_json(made, entropy, depth),
        "google.protobuf.Any" => {
            const TYPES: &[&str] = &[
                "test.Inner",
                "google.protobuf.Duration",
                "google.protobuf.Empty",
                "google.protobuf.Int64Value",
                "test.Everything",
            ];
            // An empty one, which the oracle cannot write, has a unit test.
            let name = match depth {
                0..3 => TYPES[entropy.below(TYPES.len())],
                _ => TYPES[2],
            };
            let inner = POOL.get_message_by_name(name).expect("in the pool");
            let inner = message(&inner, entropy, depth + 1).encode_to_vec();
            made.set_field_by_name(
                "type_url",
                Value::String(format!("type.googleapis.com/{name}")),
            );
            made.set_field_by_name("value", Value::Bytes(inner.into()));
        }
        _ => return false,
    }
    true
}

fn nanos(entropy: &mut Entropy<'_>) -> i32 {
    match entropy.byte() % 4 {
        0 => 0,
        1 => i32::from(entropy.byte()) * 1_000_000,
        2 => i32::from(entropy.byte()) * 1_000,
        _ => i32::from(entropy.byte()) * 3_921_568 + i32::from(entropy.byte() % 100),
    }
}

fn any_json(made: &mut DynamicMessage, entropy: &mut Entropy<'_>, depth: u32) {
    let choices = if depth > 3 { 4 } else { 6 };
    match entropy.below(choices) {
        0 => made.set_field_by_name("null_value", Value::EnumNumber(0)),
        1 => made.set_field_by_name("number_value", Value::F64(f64::from(entropy.byte()) / 4.0)),
        2 => made.set_field_by_name("string_value", Value::String(entropy.text())),
        3 => made.set_field_by_name("bool_value", Value::Bool(entropy.byte() % 2 == 1)),
        4 => nested(made, "struct_value", "fields", entropy, depth),
        _ => nested(made, "list_value", "values", entropy, depth),
    }
}

fn nested(
    made: &mut DynamicMessage,
    field: &str,
    inner: &str,
    entropy: &mut Entropy<'_>,
    depth: u32,
) {
    let descriptor = made
        .descriptor()
        .get_field_by_name(field)
        .expect("of Value");
    let Kind::Message(message) = descriptor.kind() else {
        panic!("a message");
    };
    let held = message
        .get_field_by_name(inner)
        .expect("of Struct or ListValue");
    let mut holder = DynamicMessage::new(message);
    holder.set_field(&held, field_value(&held, entropy, depth + 1));
    made.set_field(&descriptor, Value::Message(holder));
}
