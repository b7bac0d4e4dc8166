//! Single values as text, written as protobuf. JSON strings, map keys, query parameters and path
//! captures all come through here.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use crate::{
    error::{Fault, Refusal},
    number,
    plan::{Kind, Plans},
    wire::{VARINT, put_tag, put_varint},
};

/// Whether a value was written, or left out because it is unknown and unknown things are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Put {
    Written,
    LeftOut,
}

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// What a kind accepts, as the end of "must be …".
pub(crate) fn accepted(plans: &Plans, kind: Kind) -> &'static str {
    match kind {
        Kind::Double | Kind::Float => "must be a number, or \"NaN\", \"Infinity\" or \"-Infinity\"",
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            "must be a whole number from -2147483648 to 2147483647"
        }
        Kind::Uint32 | Kind::Fixed32 => "must be a whole number from 0 to 4294967295",
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            "must be a whole number from -9223372036854775808 to 9223372036854775807"
        }
        Kind::Uint64 | Kind::Fixed64 => "must be a whole number from 0 to 18446744073709551615",
        Kind::Bool => "must be true or false",
        Kind::String => "must be a string",
        Kind::Bytes => "must be a string in base64",
        Kind::Enum(id) if plans.get_enum(id).is_null => "must be null",
        Kind::Enum(_) => "must be the name or the number of a value of the enum",
        Kind::Message(id) | Kind::Group(id) => {
            use crate::plan::Shape;
            match plans.get(id).shape {
                Shape::Object | Shape::Empty | Shape::Struct | Shape::Any => "must be an object",
                Shape::ListValue => "must be an array",
                Shape::Timestamp => "must be an RFC 3339 time in a string",
                Shape::Duration => "must be a number of seconds with an \"s\", in a string",
                Shape::FieldMask => "must be field paths with commas between them, in a string",
                Shape::Value => "must be a JSON value",
                Shape::Wrapper => accepted(plans, plans.get(id).fields[0].kind),
            }
        }
    }
}

/// Writes a whole number as one of the integer kinds, without a tag.
#[inline]
pub(crate) fn put_integer(
    plans: &Plans,
    kind: Kind,
    value: i128,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let range = || Refusal::new(Fault::Range, accepted(plans, kind));
    match kind {
        Kind::Int32 | Kind::Enum(_) => {
            let value = i32::try_from(value).map_err(|_| range())?;
            put_varint(i64::from(value).cast_unsigned(), out);
        }
        Kind::Int64 => {
            let value = i64::try_from(value).map_err(|_| range())?;
            put_varint(value.cast_unsigned(), out);
        }
        Kind::Uint32 => put_varint(u32::try_from(value).map_err(|_| range())?.into(), out),
        Kind::Uint64 => put_varint(u64::try_from(value).map_err(|_| range())?, out),
        Kind::Sint32 => {
            let value = i32::try_from(value).map_err(|_| range())?;
            put_varint((value << 1 ^ value >> 31).cast_unsigned().into(), out);
        }
        Kind::Sint64 => {
            let value = i64::try_from(value).map_err(|_| range())?;
            put_varint((value << 1 ^ value >> 63).cast_unsigned(), out);
        }
        Kind::Fixed32 => {
            let value = u32::try_from(value).map_err(|_| range())?;
            out.extend_from_slice(&value.to_le_bytes());
        }
        Kind::Fixed64 => {
            let value = u64::try_from(value).map_err(|_| range())?;
            out.extend_from_slice(&value.to_le_bytes());
        }
        Kind::Sfixed32 => {
            let value = i32::try_from(value).map_err(|_| range())?;
            out.extend_from_slice(&value.to_le_bytes());
        }
        Kind::Sfixed64 => {
            let value = i64::try_from(value).map_err(|_| range())?;
            out.extend_from_slice(&value.to_le_bytes());
        }
        _ => return Err(Refusal::new(Fault::Type, accepted(plans, kind))),
    }
    Ok(())
}

/// Writes a JSON number as one of the numeric kinds, without a tag.
#[inline]
pub(crate) fn put_number(
    plans: &Plans,
    kind: Kind,
    text: &str,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    match kind {
        Kind::Double => out.extend_from_slice(&number::double(text)?.to_le_bytes()),
        Kind::Float => out.extend_from_slice(&number::float(text)?.to_le_bytes()),
        Kind::Bool | Kind::String | Kind::Bytes | Kind::Message(_) | Kind::Group(_) => {
            return Err(Refusal::new(Fault::Type, accepted(plans, kind)));
        }
        _ => {
            let value = number::integer(text)
                .map_err(|refusal| Refusal::new(refusal.fault, accepted(plans, kind)))?;
            put_integer(plans, kind, value, out)?;
        }
    }
    Ok(())
}

/// Writes the content of a JSON string as a kind, without a tag. Numbers may stand in strings;
/// booleans may not.
#[inline]
pub(crate) fn put_text(
    plans: &Plans,
    kind: Kind,
    text: &str,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    match kind {
        Kind::String => {
            put_varint(text.len() as u64, out);
            out.extend_from_slice(text.as_bytes());
            Ok(())
        }
        Kind::Bytes => put_base64(text, out),
        Kind::Enum(id) => match plans.get_enum(id).number(text.as_bytes()) {
            Some(number) => put_integer(plans, kind, number.into(), out),
            None => Err(Refusal::new(Fault::Value, accepted(plans, kind))),
        },
        Kind::Double | Kind::Float => match text {
            "NaN" => put_float(kind, f64::NAN, out),
            "Infinity" => put_float(kind, f64::INFINITY, out),
            "-Infinity" => put_float(kind, f64::NEG_INFINITY, out),
            _ => put_quoted_number(plans, kind, text, out),
        },
        Kind::Bool | Kind::Message(_) | Kind::Group(_) => {
            Err(Refusal::new(Fault::Type, accepted(plans, kind)))
        }
        _ => put_quoted_number(plans, kind, text, out),
    }
}

/// Writes a text that stands outside of JSON (a map key, a parameter) as a kind, without a tag. Here
/// booleans are words, and the numbers of enums may stand for their names.
pub(crate) fn put_word(
    plans: &Plans,
    kind: Kind,
    text: &str,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    match (kind, text) {
        (Kind::Bool, "true") => out.push(1),
        (Kind::Bool, "false") => out.push(0),
        (Kind::Bool, _) => return Err(Refusal::new(Fault::Value, accepted(plans, kind))),
        (Kind::Enum(id), _) if plans.get_enum(id).number(text.as_bytes()).is_none() => {
            put_quoted_number(plans, kind, text, out)?;
        }
        _ => put_text(plans, kind, text, out)?,
    }
    Ok(())
}

/// Refuses a number that a closed enum does not have; open enums keep theirs.
pub(crate) fn check_enum(plans: &Plans, kind: Kind, text: &str) -> Result<(), Refusal> {
    if let Kind::Enum(id) = kind
        && plans.get_enum(id).closed
        && let Ok(value) = number::integer(text)
        && i32::try_from(value).is_ok_and(|number| plans.get_enum(id).name(number).is_none())
    {
        return Err(Refusal::new(Fault::Value, accepted(plans, kind)));
    }
    Ok(())
}

/// Writes a boolean field's value with its tag.
pub(crate) fn put_bool_field(number: u32, value: bool, out: &mut Vec<u8>) {
    put_tag(number, VARINT, out);
    out.push(u8::from(value));
}

fn put_quoted_number(
    plans: &Plans,
    kind: Kind,
    text: &str,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    if number::length(text.as_bytes()) != Some(text.len()) {
        return Err(Refusal::new(Fault::Value, accepted(plans, kind)));
    }
    put_number(plans, kind, text, out)
}

#[expect(clippy::unnecessary_wraps, reason = "the arms beside it can fail")]
fn put_float(kind: Kind, value: f64, out: &mut Vec<u8>) -> Result<(), Refusal> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "only NaN and infinities come here"
    )]
    match kind {
        Kind::Float => out.extend_from_slice(&(value as f32).to_le_bytes()),
        _ => out.extend_from_slice(&value.to_le_bytes()),
    }
    Ok(())
}

/// Writes bytes from the standard or the URL-safe alphabet, padded or not, with their length.
fn put_base64(text: &str, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let engine = if text.bytes().any(|b| matches!(b, b'-' | b'_')) {
        &URL_SAFE
    } else {
        &STANDARD
    };
    let unpadded = text.trim_end_matches('=').len();
    let expected = unpadded / 4 * 3 + unpadded % 4 * 3 / 4;
    put_varint(expected as u64, out);
    let start = out.len();
    let decoded = engine.decode_vec(text, out);
    match decoded {
        Ok(()) if out.len() - start == expected => Ok(()),
        _ => Err(Refusal::new(Fault::Value, "must be a string in base64")),
    }
}
