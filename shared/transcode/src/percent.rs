//! Percent-encoding (RFC 3986) and its form variant.

use std::borrow::Cow;

use crate::error::{Fault, Refusal};

/// What is decoded besides ordinary percent-encoded bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Everything.
    All,
    /// Everything but `%2F`, which stays as it was sent.
    KeepSlash,
    /// Everything, and `+` is a space.
    Form,
}

/// Decodes a text. Refuses a `%` without two hexadecimal digits and bytes that are not UTF-8.
pub(crate) fn decode(text: &str, mode: Mode) -> Result<Cow<'_, str>, Refusal> {
    let plus = mode == Mode::Form;
    if !text.bytes().any(|b| b == b'%' || (plus && b == b'+')) {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'+' if plus => out.push(b' '),
            b'%' => {
                let (digits, tail) = rest.split_first_chunk::<2>().ok_or_else(incomplete)?;
                rest = tail;
                let decoded = hex(digits[0])? << 4 | hex(digits[1])?;
                if decoded == b'/' && mode == Mode::KeepSlash {
                    out.extend_from_slice(&[b'%', digits[0], digits[1]]);
                } else {
                    out.push(decoded);
                }
            }
            other => out.push(other),
        }
    }
    String::from_utf8(out)
        .map(Cow::Owned)
        .map_err(|_| Refusal::new(Fault::Encoding, "is not UTF-8 after percent-decoding"))
}

fn hex(digit: u8) -> Result<u8, Refusal> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(incomplete()),
    }
}

fn incomplete() -> Refusal {
    Refusal::new(
        Fault::Syntax,
        "has a `%` that two hexadecimal digits do not follow",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_decodes_its_own() {
        let text = "a%2Fb+%C3%a9%20";
        assert_eq!(decode(text, Mode::All).unwrap(), "a/b+é ");
        assert_eq!(decode(text, Mode::KeepSlash).unwrap(), "a%2Fb+é ");
        assert_eq!(decode(text, Mode::Form).unwrap(), "a/b é ");
        assert!(matches!(
            decode("plain+", Mode::All),
            Ok(Cow::Borrowed("plain+"))
        ));
    }

    #[test]
    fn broken_encodings_are_refused() {
        for text in ["%", "%4", "%4g", "%+1"] {
            assert_eq!(
                decode(text, Mode::All).unwrap_err().fault,
                Fault::Syntax,
                "{text}"
            );
        }
        assert_eq!(decode("%ff", Mode::All).unwrap_err().fault, Fault::Encoding);
    }
}
