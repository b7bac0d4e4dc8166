//! The JSON forms of `Timestamp` and `Duration`.

use crate::error::{Fault, Refusal};

const NANOS_PER_SECOND: i32 = 1_000_000_000;
/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z.
const FIRST_SECOND: i64 = -62_135_596_800;
const LAST_SECOND: i64 = 253_402_300_799;
/// Ten thousand years.
const LONGEST: i64 = 315_576_000_000;

/// Seconds and nanoseconds as both messages hold them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    pub seconds: i64,
    pub nanos: i32,
}

/// Reads an RFC 3339 time with `T` and `Z` in capitals, or with an offset.
pub(crate) fn parse_timestamp(text: &str) -> Result<Parts, Refusal> {
    timestamp(text).ok_or_else(|| {
        Refusal::new(
            Fault::Value,
            "must be an RFC 3339 time of the years 1 to 9999, such as \"2030-01-31T12:00:00Z\"",
        )
    })
}

fn timestamp(text: &str) -> Option<Parts> {
    let bytes = text.as_bytes();
    let (head, mut rest) = bytes.split_at_checked(19)?;
    let year = digits(&head[0..4])?;
    let month = digits(&head[5..7])?;
    let day = digits(&head[8..10])?;
    let (hour, minute, second) = (
        digits(&head[11..13])?,
        digits(&head[14..16])?,
        digits(&head[17..19])?,
    );
    let marks = [head[4], head[7], head[10], head[13], head[16]];
    if marks != *b"--T::"
        || !(1..=12).contains(&month)
        || !(1..=days_of_month(year, month)).contains(&day)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let mut nanos = 0;
    if let Some(tail) = rest.strip_prefix(b".") {
        let length = tail.iter().take_while(|b| b.is_ascii_digit()).count();
        nanos = fraction(&tail[..length])?;
        rest = &tail[length..];
    }
    let offset = match rest {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let offset = (hours * 60 + minutes) * 60;
            if *sign == b'-' { -offset } else { offset }
        }
        _ => return None,
    };
    let seconds =
        days_before(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset;
    (FIRST_SECOND..=LAST_SECOND)
        .contains(&seconds)
        .then_some(Parts { seconds, nanos })
}

/// Writes a timestamp in UTC with 0, 3, 6 or 9 digits of fraction; gives `false` when it is outside of
/// the years 1 to 9999.
pub(crate) fn write_timestamp(parts: Parts, out: &mut Vec<u8>) -> bool {
    if !(FIRST_SECOND..=LAST_SECOND).contains(&parts.seconds)
        || !(0..NANOS_PER_SECOND).contains(&parts.nanos)
    {
        return false;
    }
    let since_first = (parts.seconds - FIRST_SECOND).unsigned_abs();
    // The year 9999 ends after 3,652,059 days.
    let (days, of_day) = (
        u32::try_from(since_first / 86_400).unwrap_or(0),
        u32::try_from(since_first % 86_400).unwrap_or(0),
    );
    let (year, month, day) = date_of(days);
    let mut text = *b"\"0000-00-00T00:00:00";
    for (at, value) in [
        (1, year / 100),
        (3, year % 100),
        (6, month),
        (9, day),
        (12, of_day / 3_600),
        (15, of_day / 60 % 60),
        (18, of_day % 60),
    ] {
        put_pair(value, &mut text[at..at + 2]);
    }
    out.extend_from_slice(&text);
    write_fraction(parts.nanos, out);
    out.extend_from_slice(b"Z\"");
    true
}

/// Reads a number of seconds with at most nine digits of fraction and an `s`.
pub(crate) fn parse_duration(text: &str) -> Result<Parts, Refusal> {
    duration(text).ok_or_else(|| {
        Refusal::new(
            Fault::Value,
            "must be a number of seconds with an \"s\", such as \"1.5s\", of at most 315576000000",
        )
    })
}

fn duration(text: &str) -> Option<Parts> {
    let number = text.strip_suffix('s')?;
    let (negative, number) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (whole, rest) = number.split_once('.').unwrap_or((number, "0"));
    let (seconds, nanos) = (digits(whole.as_bytes())?, fraction(rest.as_bytes())?);
    let sign = if negative { -1 } else { 1 };
    (seconds <= LONGEST).then_some(Parts {
        seconds: i64::from(sign) * seconds,
        nanos: sign * nanos,
    })
}

/// Writes a duration with 0, 3, 6 or 9 digits of fraction; gives `false` when it is longer than ten
/// thousand years or its parts differ in sign.
pub(crate) fn write_duration(parts: Parts, out: &mut Vec<u8>) -> bool {
    let Parts { seconds, nanos } = parts;
    let mixed = (seconds > 0 && nanos < 0) || (seconds < 0 && nanos > 0);
    if seconds.unsigned_abs() > LONGEST.unsigned_abs()
        || nanos.unsigned_abs() >= NANOS_PER_SECOND.unsigned_abs()
        || mixed
    {
        return false;
    }
    out.push(b'"');
    if seconds < 0 || nanos < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(
        itoa::Buffer::new()
            .format(seconds.unsigned_abs())
            .as_bytes(),
    );
    write_fraction(nanos.abs(), out);
    out.extend_from_slice(b"s\"");
    true
}

fn write_fraction(nanos: i32, out: &mut Vec<u8>) {
    let nanos = nanos.unsigned_abs();
    let width = match nanos {
        0 => return,
        n if n % 1_000_000 == 0 => 3,
        n if n % 1_000 == 0 => 6,
        _ => 9,
    };
    let mut text = *b".000000000";
    let (first, mut rest) = (nanos / 100_000_000, nanos % 100_000_000);
    text[1] = digit(first);
    for pair in text[2..].chunks_exact_mut(2).rev() {
        put_pair(rest % 100, pair);
        rest /= 100;
    }
    out.extend_from_slice(&text[..=width]);
}

/// Writes two digits.
#[inline]
fn put_pair(value: u32, place: &mut [u8]) {
    place.copy_from_slice(&[digit(value / 10), digit(value % 10)]);
}

/// A digit of a number below ten.
#[inline]
fn digit(value: u32) -> u8 {
    let [value, ..] = value.to_le_bytes();
    b'0' + value
}

/// One to eighteen decimal digits and nothing else.
fn digits(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    text.iter().try_fold(0, |value, byte| {
        byte.is_ascii_digit()
            .then(|| value * 10 + i64::from(byte - b'0'))
    })
}

/// One to nine digits after the point, in nanoseconds.
fn fraction(text: &[u8]) -> Option<i32> {
    if text.len() > 9 {
        return None;
    }
    let value = i32::try_from(digits(text)?).ok()?;
    let missing = u32::try_from(9 - text.len()).ok()?;
    Some(value * 10_i32.pow(missing))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar. Years start in March here, so
/// that the leap day is the last of its year.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date that many days after 0001-01-01, as year, month and day.
fn date_of(days: u32) -> (u32, u32, u32) {
    // The first of March of the year 0 lies 306 days before.
    let days = days + 306;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = (march_month + 2) % 12 + 1;
    let year = era * 400 + year + u32::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests;
