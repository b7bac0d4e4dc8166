//! JSON numbers, read exactly.

use crate::error::{Fault, Refusal};

/// The length of the JSON number (RFC 8259, section 6) that a text starts with.
pub(crate) fn length(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        text[from..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    let mut at = usize::from(text.first() == Some(&b'-'));
    at += match text.get(at)? {
        b'0' => 1,
        b'1'..=b'9' => digits(at),
        _ => return None,
    };
    if text.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return None;
        }
        at += 1 + fraction;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        if exponent == 0 {
            return None;
        }
        at += 1 + sign + exponent;
    }
    Some(at)
}

/// The integer that a JSON number stands for, however it is written: `100`, `1e2` and `100.0` are the
/// same. `text` is a whole number by [`length`].
pub(crate) fn integer(text: &str) -> Result<i128, Refusal> {
    if text.len() <= 20
        && !text.bytes().any(|b| matches!(b, b'.' | b'e' | b'E'))
        && let Ok(value) = text.parse::<i128>()
    {
        return Ok(value);
    }
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], &unsigned[at + 1..]),
        None => (unsigned, "0"),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: String = [whole, fraction].concat();
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Ok(0);
    }
    // Exponents that no number can make up for count as their sign.
    let exponent = exponent.parse().unwrap_or(if exponent.starts_with('-') {
        i64::MIN / 4
    } else {
        i64::MAX / 4
    });
    let length = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX / 8);
    let shift = exponent - length(fraction) + length(&digits) - length(significant);
    if shift < 0 {
        return Err(Refusal::new(Fault::Value, "must be a whole number"));
    }
    let leading = significant.trim_start_matches('0');
    let value = u32::try_from(shift)
        .ok()
        .filter(|shift| leading.len() <= 20 && *shift <= 20)
        .and_then(|shift| Some(leading.parse::<i128>().ok()? * 10_i128.pow(shift)))
        .ok_or_else(|| Refusal::new(Fault::Range, "is out of range"))?;
    Ok(if negative { -value } else { value })
}

/// The nearest `double`. Refuses what is too large for any.
pub(crate) fn double(text: &str) -> Result<f64, Refusal> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(Refusal::new(
            Fault::Range,
            "is out of the range of a double",
        )),
    }
}

/// The nearest `float`. Refuses what is too large for any.
pub(crate) fn float(text: &str) -> Result<f32, Refusal> {
    match text.parse::<f32>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(Refusal::new(Fault::Range, "is out of the range of a float")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_numbers_are_numbers() {
        for text in ["0", "-0", "10", "1.5", "-1.5e3", "1E+2", "0.0e-0"] {
            assert_eq!(length(text.as_bytes()), Some(text.len()), "{text}");
        }
        for text in ["", "-", "+1", ".5", "1.", "1e", "1e+", "a", "1.e3"] {
            assert_eq!(length(text.as_bytes()), None, "{text}");
        }
        assert_eq!(length(b"01"), Some(1));
        assert_eq!(length(b"12,"), Some(2));
    }

    #[test]
    fn integers_are_exact_in_every_spelling() {
        for (text, value) in [
            ("0", 0),
            ("-0", 0),
            ("0e999999999999999999999", 0),
            ("1e3", 1_000),
            ("1.0", 1),
            ("100e-2", 1),
            ("1.5e1", 15),
            ("-1.200e2", -120),
            ("18446744073709551615", i128::from(u64::MAX)),
            ("1844674407370955161.5e1", i128::from(u64::MAX)),
            ("-9223372036854775808", i128::from(i64::MIN)),
            ("0.000000000000000000000000000001e30", 1),
        ] {
            assert_eq!(integer(text).unwrap(), value, "{text}");
        }
        for text in [
            "0.5",
            "1e-1",
            "1.5",
            "1e-99999999999999999999",
            "9007199254740993.5",
        ] {
            assert_eq!(integer(text).unwrap_err().fault, Fault::Value, "{text}");
        }
        for text in [
            "1e21",
            "1e99999999999999999999",
            "123456789012345678901234567890",
        ] {
            assert_eq!(integer(text).unwrap_err().fault, Fault::Range, "{text}");
        }
    }
}
