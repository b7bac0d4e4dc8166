//! Strings as JSON writes them.

use crate::wire::{Read, utf8};

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Writes bytes that must be UTF-8 as [`quote`] does. Most texts need one look at each byte: while all
/// are ASCII and none wants an escape, nothing is left to validate.
#[inline]
pub(crate) fn quote_bytes(bytes: &[u8], out: &mut Vec<u8>) -> Read<()> {
    if !is_plain_ascii(bytes) {
        quote(utf8(bytes)?, out);
        return Ok(());
    }
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    out.extend_from_slice(bytes);
    out.push(b'"');
    Ok(())
}

/// Whether every byte is ASCII and stands for itself in a JSON string.
#[inline]
fn is_plain_ascii(bytes: &[u8]) -> bool {
    let hits = |word| word | escapes(word);
    // What is left over at the end is looked at together with bytes before it, which is quicker than byte by
    // byte.
    let all = if let Some(last) = bytes.last_chunk::<8>() {
        let (chunks, _) = bytes.as_chunks::<8>();
        let chunks = chunks.iter().map(|chunk| hits(u64::from_le_bytes(*chunk)));
        chunks.fold(hits(u64::from_le_bytes(*last)), |all, hits| all | hits)
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let word = |half: &[u8; 4]| u64::from(u32::from_le_bytes(*half));
        hits(word(first) | word(last) << 32)
    } else {
        let short = |word, &byte| word << 8 | u64::from(byte);
        hits(bytes.iter().fold(ONES * 0x20, short))
    };
    all & HIGHS == 0
}

/// Writes a text in quotes. Only what JSON wants escaped is escaped.
#[inline]
pub(crate) fn quote(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    out.push(b'"');
    let mut start = 0;
    while let Some(length) = plain(&bytes[start..]) {
        out.extend_from_slice(&bytes[start..start + length]);
        escape(bytes[start + length], out);
        start += length + 1;
    }
    out.extend_from_slice(&bytes[start..]);
    out.push(b'"');
}

/// How many bytes stand before the first that needs an escape; `None` when none does.
#[inline]
fn plain(bytes: &[u8]) -> Option<usize> {
    let (chunks, rest) = bytes.as_chunks::<8>();
    for (place, chunk) in chunks.iter().enumerate() {
        let word = u64::from_le_bytes(*chunk);
        let hits = escapes(word) & HIGHS;
        if hits != 0 {
            return Some(place * 8 + hits.trailing_zeros() as usize / 8);
        }
    }
    let at = rest
        .iter()
        .position(|&b| b < 0x20 || b == b'"' || b == b'\\')?;
    Some(chunks.len() * 8 + at)
}

/// Sets the highest bit of the first byte that is a control, a quote or a backslash, and perhaps of
/// bytes behind it. Other bits mean nothing.
#[inline]
fn escapes(word: u64) -> u64 {
    let zero = |x: u64| x.wrapping_sub(ONES) & !x;
    let controls = word.wrapping_sub(ONES * 0x20) & !word;
    controls | zero(word ^ (ONES * 0x22)) | zero(word ^ (ONES * 0x5c))
}

#[cold]
fn escape(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_is_read_back_at_every_alignment() {
        let all: String = (0..0x80_u8).map(char::from).chain("é€😀".chars()).collect();
        for start in 0..0x80 {
            let text = &all[start..];
            let mut out = Vec::new();
            quote(text, &mut out);
            let back: String = serde_json::from_slice(&out).expect("JSON");
            assert_eq!(back, text);
            let mut same = Vec::new();
            quote_bytes(text.as_bytes(), &mut same).expect("UTF-8");
            assert_eq!(same, out);
        }
    }

    #[test]
    fn every_byte_is_looked_at_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            for place in 0..20 {
                let mut bytes = [b'a'; 20];
                bytes[place] = byte;
                let mut out = Vec::new();
                let quoted = quote_bytes(&bytes, &mut out);
                let text = std::str::from_utf8(&bytes);
                assert_eq!(quoted.is_ok(), text.is_ok(), "{byte:#x}");
                if let Ok(text) = text {
                    let back: String = serde_json::from_slice(&out).expect("JSON");
                    assert_eq!(back, text);
                }
            }
        }
    }

    #[test]
    fn only_what_must_be_is_escaped() {
        let mut out = Vec::new();
        quote("a\"\\/<\u{7f}\u{1}\n", &mut out);
        assert_eq!(out, "\"a\\\"\\\\/<\u{7f}\\u0001\\n\"".as_bytes());
    }
}
