//! How prost keeps a field, and how code gets at its value.

use prost_reflect::{FieldDescriptor, Kind};

use super::Result;

/// What holds a field's value in its struct.
pub enum Shape {
    /// The value itself, with no telling whether it was sent.
    Implicit,
    /// An `Option`.
    Explicit,
    /// A `Vec`.
    Repeated,
    /// A `HashMap`.
    Map,
}

impl Shape {
    pub fn of(field: &FieldDescriptor) -> Self {
        if field.is_map() {
            Self::Map
        } else if field.is_list() {
            Self::Repeated
        } else if field.supports_presence() {
            Self::Explicit
        } else {
            Self::Implicit
        }
    }
}

/// Whether the field is a variant of an enum. The oneof around an `optional` field is none in Rust.
pub fn in_oneof(field: &FieldDescriptor) -> bool {
    field
        .containing_oneof()
        .is_some_and(|oneof| !oneof.is_synthetic())
}

/// Whether the field holds a message of which code is generated here.
pub fn is_ours(field: &FieldDescriptor, prefix: &str) -> bool {
    matches!(field.kind(), Kind::Message(message) if message.package_name().starts_with(prefix))
}

/// The field's kind. The wrappers of `google/protobuf/wrappers.proto` are what they wrap.
pub fn unwrapped(field: &FieldDescriptor) -> Kind {
    let Kind::Message(message) = field.kind() else {
        return field.kind();
    };
    match message.full_name() {
        "google.protobuf.DoubleValue" => Kind::Double,
        "google.protobuf.FloatValue" => Kind::Float,
        "google.protobuf.Int64Value" => Kind::Int64,
        "google.protobuf.UInt64Value" => Kind::Uint64,
        "google.protobuf.Int32Value" => Kind::Int32,
        "google.protobuf.UInt32Value" => Kind::Uint32,
        "google.protobuf.BoolValue" => Kind::Bool,
        "google.protobuf.StringValue" => Kind::String,
        "google.protobuf.BytesValue" => Kind::Bytes,
        _ => Kind::Message(message),
    }
}

/// The value of a place, as rules take it: borrowed or copied.
pub fn value(kind: &Kind, place: &str, is_reference: bool) -> String {
    match kind {
        Kind::String => format!("{place}.as_str()"),
        Kind::Bytes => format!("{place}.as_slice()"),
        Kind::Message(_) => place.to_owned(),
        _ if is_reference => format!("*{place}"),
        _ => place.to_owned(),
    }
}

/// The bytes of a place that holds a string or bytes.
pub fn bytes(kind: &Kind, place: &str) -> String {
    match kind {
        Kind::String => format!("{place}.as_bytes()"),
        _ => format!("{place}.as_slice()"),
    }
}

/// Expressions that tell whether a place holds the zero of its type, and whether something else.
pub struct Zero {
    pub is: String,
    pub is_not: String,
}

/// The expressions for a place of that kind, which is no message.
pub fn zero(kind: &Kind, place: &str, is_reference: bool) -> Zero {
    let value = value(kind, place, is_reference);
    let (is, is_not) = match kind {
        Kind::String | Kind::Bytes => (
            format!("{place}.is_empty()"),
            format!("!{place}.is_empty()"),
        ),
        Kind::Bool => (format!("!{value}"), value),
        Kind::Double | Kind::Float => (format!("{value} == 0.0"), format!("{value} != 0.0")),
        _ => (format!("{value} == 0"), format!("{value} != 0")),
    };
    Zero { is, is_not }
}

/// Whether the field's values are messages, which have no zero.
pub fn is_message(field: &FieldDescriptor) -> bool {
    matches!(field.kind(), Kind::Message(_))
}

/// `unique` compares by hash, which these kinds have none of.
pub fn refuse_unhashable(field: &FieldDescriptor) -> Result<()> {
    match field.kind() {
        Kind::Double | Kind::Float | Kind::Message(_) => Err(format!(
            "{}: rule `repeated.unique` is not supported for its type",
            field.full_name()
        )),
        _ => Ok(()),
    }
}
