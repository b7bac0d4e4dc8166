//! prost-reflect as the oracle of JSON → protobuf, and the places where it is known to be laxer or less
//! exact than `ProtoJSON`. What is not listed here is a difference that stops the fuzzer.

use portico_transcode::{Fault, JsonError};
use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor};
use serde_json::{Number, Value};

/// What the oracle reads.
pub fn read(descriptor: MessageDescriptor, text: &[u8]) -> serde_json::Result<DynamicMessage> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let options = DeserializeOptions::new();
    let message = DynamicMessage::deserialize_with_options(descriptor, &mut reader, &options)?;
    reader.end()?;
    Ok(message)
}

/// The same JSON with whole numbers written out: the oracle reads `9007199254740993.0` and `1e18` by way
/// of a double, which loses their last digits.
pub fn with_whole_numbers(text: &[u8]) -> Vec<u8> {
    with_numbers(text, whole)
}

/// The same JSON with its broken numbers in strings: the oracle reads those at once as what the field is,
/// while a bare number is rounded to a double first and to a float then.
pub fn with_quoted_numbers(text: &[u8]) -> Vec<u8> {
    with_numbers(text, |number| {
        whole(number).or_else(|| Some(format!("\"{number}\"")))
    })
}

/// Whether the oracle is known to let through what was refused.
pub fn is_laxer(error: &JsonError, text: &[u8]) -> bool {
    let says = |start: &str| error.detail.starts_with(start);
    let token = Token::first(&text[error.offset..]);
    match (&error.fault, &token) {
        // It looks for none of these.
        (Fault::Duplicate | Fault::Oneof | Fault::Depth, _) => true,
        // Keys and field paths it takes as Rust's `parse` does (`+1`, `01`), and as they are.
        (Fault::Value | Fault::Range, _) if says("has a key that") => true,
        (Fault::Value, Token::Text(_)) if says("must be field paths") => true,
        // It takes leap seconds as the second before, and cuts what is finer than a nanosecond.
        (Fault::Value, Token::Text(time)) if says("must be an RFC 3339 time") => {
            time.get(16..19) == Some(":60") || has_long_fraction(time)
        }
        (Fault::Value, Token::Text(time)) if says("must be a number of seconds") => {
            has_long_fraction(time) || longest_digits(time) > 18
        }
        // It asks no closed enum whether it has the number.
        (Fault::Value, Token::Number(_)) if says("must be the name or the number") => true,
        // What Rust's `parse` takes is no JSON number at times (`+1`, `.5`, `inf`), or no finite one.
        (Fault::Value | Fault::Range, Token::Text(number)) if is_about_numbers(error) => {
            serde_json::from_str::<Number>(number).is_err() || says("is out of the range of a")
        }
        // A double is whole that the number beside it is not: `0.99999999999999999999`, `1e-400`.
        (Fault::Value | Fault::Range, Token::Number(number)) if says("must be a whole number") => {
            number.parse().is_ok_and(|it: f64| it.fract() == 0.0)
        }
        _ => false,
    }
}

fn is_about_numbers(error: &JsonError) -> bool {
    let starts = [
        "must be a whole number",
        "must be a number, or",
        "is out of the range of a",
    ];
    starts.iter().any(|it| error.detail.starts_with(it))
}

fn has_long_fraction(text: &str) -> bool {
    text.split_once('.')
        .is_some_and(|(_, fraction)| longest_digits(fraction) > 9)
}

fn longest_digits(text: &str) -> usize {
    let runs = text.split(|c: char| !c.is_ascii_digit());
    runs.map(str::len).max().unwrap_or(0)
}

/// The JSON value that a text starts with, as far as it matters here.
enum Token {
    Text(String),
    Number(String),
    Other,
}

impl Token {
    fn first(text: &[u8]) -> Self {
        let mut values = serde_json::Deserializer::from_slice(text).into_iter::<Value>();
        match values.next() {
            Some(Ok(Value::String(held))) => Self::Text(held),
            Some(Ok(Value::Number(_))) => {
                let raw = text[..values.byte_offset()].trim_ascii();
                Self::Number(String::from_utf8_lossy(raw).into_owned())
            }
            _ => Self::Other,
        }
    }
}

/// JSON with some of its numbers changed.
fn with_numbers(text: &[u8], change: impl Fn(&str) -> Option<String>) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(&byte) = rest.first() {
        let length = match byte {
            b'"' => string_length(rest),
            b'-' | b'0'..=b'9' => {
                let part = |b: &&u8| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
                rest.iter().take_while(part).count()
            }
            _ => 1,
        };
        let (token, behind) = rest.split_at(length);
        let number = (byte != b'"' && length > 0)
            .then(|| std::str::from_utf8(token).ok())
            .flatten()
            .filter(|it| it.contains(['.', 'e', 'E']) && it.parse::<f64>().is_ok());
        match number.and_then(&change) {
            Some(changed) => out.extend_from_slice(changed.as_bytes()),
            None => out.extend_from_slice(token),
        }
        rest = behind;
    }
    out
}

/// The length of the string that a text starts with, or of the whole text if it does not end.
fn string_length(text: &[u8]) -> usize {
    let mut escaped = false;
    for (at, &byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A number with a point or an exponent as the integer of at most twenty digits that it is.
fn whole(number: &str) -> Option<String> {
    let (sign, unsigned) = match number.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", number),
    };
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i32 = exponent.parse().ok()?;
    let all = format!("{before}{after}");
    let digits = all.trim_end_matches('0');
    let cut = all.len() - digits.len();
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        // Minus nought is another double than nought.
        return sign.is_empty().then(|| "0".to_owned());
    }
    let zeros = i64::from(exponent) + i64::try_from(cut).ok()? - i64::try_from(after.len()).ok()?;
    let zeros = usize::try_from(zeros).ok()?;
    (zeros + digits.len() <= 20).then(|| format!("{sign}{digits}{}", "0".repeat(zeros)))
}
