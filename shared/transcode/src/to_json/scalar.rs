//! Scalars: from their wire form to JSON.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::text;
use crate::{
    plan::{Kind, Plans},
    wire::{FIXED64, Read, Reader, VARINT, Value},
};

/// Whether a value has the wire type of the kind.
#[inline]
pub(super) fn fits(kind: Kind, value: Value<'_>) -> bool {
    kind.wire_type() == value.wire_type()
}

/// The elements of a repeated field in one value on the wire, packed or not.
#[inline]
pub(super) fn elements(kind: Kind, value: Value<'_>) -> Elements<'_> {
    match value {
        Value::Bytes(packed) if kind.is_packable() => Elements::Packed {
            reader: Reader::new(packed),
            wire_type: kind.wire_type(),
        },
        _ => Elements::One(Some(value)),
    }
}

pub(super) enum Elements<'w> {
    One(Option<Value<'w>>),
    Packed { reader: Reader<'w>, wire_type: u32 },
}

impl<'w> Iterator for Elements<'w> {
    type Item = Read<Value<'w>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::One(value) => value.take().map(Ok),
            Self::Packed { reader, .. } if reader.is_empty() => None,
            Self::Packed { reader, wire_type } => Some(match *wire_type {
                VARINT => reader.varint().map(Value::Varint),
                FIXED64 => reader.fixed64().map(Value::Fixed64),
                _ => reader.fixed32().map(Value::Fixed32),
            }),
        }
    }
}

/// The low half, as every 32-bit kind is read from a varint.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "decoders keep the low bits"
)]
pub(super) fn uint32(value: u64) -> u32 {
    value as u32
}

#[inline]
pub(super) fn int32(value: u64) -> i32 {
    uint32(value).cast_signed()
}

/// A map key's value in 64 bits, so that equal keys are equal whatever bytes they came in.
#[inline]
pub(super) fn bits(kind: Kind, value: Value<'_>) -> u64 {
    match (kind, value) {
        (Kind::Bool, Value::Varint(v)) => u64::from(v != 0),
        (Kind::Int32 | Kind::Uint32 | Kind::Sint32 | Kind::Enum(_), Value::Varint(v)) => {
            uint32(v).into()
        }
        (_, Value::Varint(v) | Value::Fixed64(v)) => v,
        (_, Value::Fixed32(v)) => v.into(),
        (_, Value::Bytes(_) | Value::Group(_)) => 0,
    }
}

/// Whether a value is the one that a field without presence has when it is not there.
#[inline]
pub(super) fn is_default(kind: Kind, value: Value<'_>) -> bool {
    match value {
        Value::Bytes(bytes) => bytes.is_empty() && kind.message().is_none(),
        Value::Group(_) => false,
        _ => bits(kind, value) == 0,
    }
}

/// Writes a scalar. What does not fit the kind was sorted out before.
#[inline]
pub(super) fn put(plans: &Plans, kind: Kind, value: Value<'_>, out: &mut Vec<u8>) -> Read<()> {
    match (kind, value) {
        (Kind::String, Value::Bytes(bytes)) => text::quote_bytes(bytes, out)?,
        (Kind::Bytes, Value::Bytes(bytes)) => put_base64(bytes, out),
        (Kind::Bool, Value::Varint(v)) => {
            out.extend_from_slice(if v == 0 { b"false" } else { b"true" });
        }
        (Kind::Enum(id), Value::Varint(v)) => {
            let plan = plans.get_enum(id);
            match plan.name(int32(v)) {
                _ if plan.is_null => out.extend_from_slice(b"null"),
                Some(name) => out.extend_from_slice(name.as_bytes()),
                None => put_integer(int32(v), out),
            }
        }
        (Kind::Double, Value::Fixed64(v)) => put_double(f64::from_bits(v), out),
        (Kind::Float, Value::Fixed32(v)) => put_float(f32::from_bits(v), out),
        (Kind::Int32, Value::Varint(v)) => put_integer(int32(v), out),
        (Kind::Uint32, Value::Varint(v)) => put_integer(uint32(v), out),
        (Kind::Sint32, Value::Varint(v)) => put_integer(zigzag32(v), out),
        (Kind::Fixed32, Value::Fixed32(v)) => put_integer(v, out),
        (Kind::Sfixed32, Value::Fixed32(v)) => put_integer(v.cast_signed(), out),
        _ => {
            out.push(b'"');
            put_long(kind, value, out);
            out.push(b'"');
        }
    }
    Ok(())
}

/// Writes a map key, which is a string in JSON whatever its kind.
pub(super) fn put_key(kind: Kind, value: Option<Value<'_>>, out: &mut Vec<u8>) -> Read<()> {
    match (kind, value) {
        (Kind::String, Some(Value::Bytes(bytes))) => text::quote_bytes(bytes, out)?,
        (Kind::String, _) => out.extend_from_slice(b"\"\""),
        (Kind::Bool, value) => {
            let truth = value.is_some_and(|value| bits(kind, value) != 0);
            out.extend_from_slice(if truth { b"\"true\"" } else { b"\"false\"" });
        }
        (_, value) => {
            out.push(b'"');
            match (kind, value.unwrap_or(Value::Varint(0))) {
                (Kind::Int32, Value::Varint(v)) => put_integer(int32(v), out),
                (Kind::Uint32, Value::Varint(v)) => put_integer(uint32(v), out),
                (Kind::Sint32, Value::Varint(v)) => put_integer(zigzag32(v), out),
                (Kind::Sfixed32, Value::Fixed32(v)) => put_integer(v.cast_signed(), out),
                (_, Value::Fixed32(v)) => put_integer(v, out),
                (kind, value) => put_long(kind, value, out),
            }
            out.push(b'"');
        }
    }
    Ok(())
}

fn put_long(kind: Kind, value: Value<'_>, out: &mut Vec<u8>) {
    match (kind, value) {
        (Kind::Int64, Value::Varint(v)) | (Kind::Sfixed64, Value::Fixed64(v)) => {
            put_integer(v.cast_signed(), out);
        }
        (Kind::Sint64, Value::Varint(v)) => {
            put_integer((v >> 1).cast_signed() ^ -(v & 1).cast_signed(), out);
        }
        (_, value) => put_integer(bits(kind, value), out),
    }
}

fn zigzag32(value: u64) -> i32 {
    let value = uint32(value);
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[inline]
fn put_integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Writes the shortest digits that read back as the same double.
#[inline]
pub(super) fn put_double(value: f64, out: &mut Vec<u8>) {
    if value.is_finite() {
        put_digits(zmij::Buffer::new().format_finite(value), out);
    } else {
        out.extend_from_slice(word(value));
    }
}

#[inline]
fn put_float(value: f32, out: &mut Vec<u8>) {
    if value.is_finite() {
        put_digits(zmij::Buffer::new().format_finite(value), out);
    } else {
        out.extend_from_slice(word(value.into()));
    }
}

fn put_digits(digits: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(digits.strip_suffix(".0").unwrap_or(digits).as_bytes());
}

fn word(value: f64) -> &'static [u8] {
    if value.is_nan() {
        b"\"NaN\""
    } else if value > 0.0 {
        b"\"Infinity\""
    } else {
        b"\"-Infinity\""
    }
}

#[inline]
fn put_base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    STANDARD
        .encode_slice(bytes, &mut out[start..])
        .expect("there is room for four characters for every three bytes");
    out.push(b'"');
}
