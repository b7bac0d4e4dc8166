//! The protobuf wire format: reading and writing single fields.
//!
//! See <https://protobuf.dev/programming-guides/encoding/>.

use crate::error::WireFault;

/// One field's value as it stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'w> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'w [u8]),
    /// The bytes between the start and the end of a group.
    Group(&'w [u8]),
    Fixed32(u32),
}

impl Value<'_> {
    /// Its wire type.
    #[inline]
    pub fn wire_type(self) -> u32 {
        match self {
            Self::Varint(_) => VARINT,
            Self::Fixed64(_) => FIXED64,
            Self::Bytes(_) => BYTES,
            Self::Group(_) => START_GROUP,
            Self::Fixed32(_) => FIXED32,
        }
    }
}

pub(crate) const VARINT: u32 = 0;
pub(crate) const FIXED64: u32 = 1;
pub(crate) const BYTES: u32 = 2;
pub(crate) const START_GROUP: u32 = 3;
pub(crate) const END_GROUP: u32 = 4;
pub(crate) const FIXED32: u32 = 5;

/// How deep messages and groups may nest.
pub(crate) const MAX_DEPTH: u32 = 100;

const MAX_FIELD_NUMBER: u64 = (1 << 29) - 1;

pub(crate) type Read<T> = Result<T, WireFault>;

/// Reads the fields of one message from front to back.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'w> {
    bytes: &'w [u8],
}

impl<'w> Reader<'w> {
    pub fn new(bytes: &'w [u8]) -> Self {
        Self { bytes }
    }

    /// The next field's number and value; `None` at the end.
    #[expect(
        clippy::inline_always,
        reason = "a call for each field, whose answer goes through memory, costs as much as the field"
    )]
    #[inline(always)]
    pub fn next(&mut self) -> Read<Option<(u32, Value<'w>)>> {
        let [first, rest @ ..] = self.bytes else {
            return Ok(None);
        };
        // Nearly all tags take one byte, and nearly all fields are of two types.
        let (number, wire_type) = (u32::from(first >> 3), u32::from(first & 7));
        let value = match wire_type {
            VARINT if (8..0x80).contains(first) => {
                self.bytes = rest;
                Value::Varint(self.varint()?)
            }
            BYTES if (8..0x80).contains(first) => {
                self.bytes = rest;
                Value::Bytes(self.bytes()?)
            }
            _ => return self.next_of_any().map(Some),
        };
        Ok(Some((number, value)))
    }

    fn next_of_any(&mut self) -> Read<(u32, Value<'w>)> {
        let (number, wire_type) = self.tag()?;
        Ok((number, self.value(number, wire_type, 0)?))
    }

    #[inline]
    fn tag(&mut self) -> Read<(u32, u32)> {
        let tag = self.varint()?;
        let number = tag >> 3;
        if number == 0 || number > MAX_FIELD_NUMBER {
            return Err(WireFault::Malformed);
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the number was checked, and the type has three bits"
        )]
        Ok((number as u32, (tag & 7) as u32))
    }

    #[inline]
    fn value(&mut self, number: u32, wire_type: u32, depth: u32) -> Read<Value<'w>> {
        Ok(match wire_type {
            VARINT => Value::Varint(self.varint()?),
            BYTES => Value::Bytes(self.bytes()?),
            FIXED64 => Value::Fixed64(self.fixed64()?),
            FIXED32 => Value::Fixed32(self.fixed32()?),
            START_GROUP => Value::Group(self.group(number, depth)?),
            _ => return Err(WireFault::Malformed),
        })
    }

    /// Reads up to the end of a group whose start was read. Groups are rare, and kept apart so that
    /// reading anything else is inlined.
    #[cold]
    fn group(&mut self, number: u32, depth: u32) -> Read<&'w [u8]> {
        if depth >= MAX_DEPTH {
            return Err(WireFault::Depth);
        }
        let whole = self.bytes;
        loop {
            let before = self.bytes.len();
            let (inner, wire_type) = self.tag()?;
            if wire_type == END_GROUP {
                if inner != number {
                    return Err(WireFault::Malformed);
                }
                return Ok(&whole[..whole.len() - before]);
            }
            self.value(inner, wire_type, depth + 1)?;
        }
    }

    /// A base 128 number of at most ten bytes; bits above the 64th are lost, as in every decoder.
    #[inline]
    pub fn varint(&mut self) -> Read<u64> {
        let (&first, rest) = self.bytes.split_first().ok_or(WireFault::Malformed)?;
        if first < 0x80 {
            self.bytes = rest;
            return Ok(u64::from(first));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Read<u64> {
        if let Some((chunk, _)) = self.bytes.split_first_chunk()
            && let Some((value, length)) = varint_of(u64::from_le_bytes(*chunk))
        {
            self.bytes = &self.bytes[length..];
            return Ok(value);
        }
        let mut value = 0;
        for (i, &byte) in self.bytes.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                self.bytes = &self.bytes[i + 1..];
                return Ok(value);
            }
        }
        Err(WireFault::Malformed)
    }

    #[inline]
    fn bytes(&mut self) -> Read<&'w [u8]> {
        let length = usize::try_from(self.varint()?).map_err(|_| WireFault::Malformed)?;
        let (value, rest) = self
            .bytes
            .split_at_checked(length)
            .ok_or(WireFault::Malformed)?;
        self.bytes = rest;
        Ok(value)
    }

    #[inline]
    pub fn fixed64(&mut self) -> Read<u64> {
        let (value, rest) = self.bytes.split_first_chunk().ok_or(WireFault::Malformed)?;
        self.bytes = rest;
        Ok(u64::from_le_bytes(*value))
    }

    #[inline]
    pub fn fixed32(&mut self) -> Read<u32> {
        let (value, rest) = self.bytes.split_first_chunk().ok_or(WireFault::Malformed)?;
        self.bytes = rest;
        Ok(u32::from_le_bytes(*value))
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// The number that the first of eight bytes make, and how many they are; none when it is longer.
#[inline]
fn varint_of(bytes: u64) -> Option<(u64, usize)> {
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    // The highest bit of the number's last byte.
    let stops = !bytes & HIGHS;
    if stops == 0 {
        return None;
    }
    // Sevens of bits are pushed together in pairs, then pairs of pairs, then the halves.
    let own = bytes & (stops ^ (stops - 1)) & !HIGHS;
    let pairs = own & 0x007f_007f_007f_007f | (own & 0x7f00_7f00_7f00_7f00) >> 1;
    let fours = pairs & 0x0000_3fff_0000_3fff | (pairs & 0x3fff_0000_3fff_0000) >> 2;
    let value = fours & 0x0fff_ffff | (fours & 0x0fff_ffff_0000_0000) >> 4;
    Some((value, stops.trailing_zeros() as usize / 8 + 1))
}

/// The fields of a message, each with its number; ends after the first fault.
pub(crate) fn fields(bytes: &[u8]) -> impl Iterator<Item = Read<(u32, Value<'_>)>> {
    let mut reader = Some(Reader::new(bytes));
    std::iter::from_fn(move || match reader.as_mut()?.next() {
        Ok(Some(field)) => Some(Ok(field)),
        Ok(None) => None,
        Err(fault) => {
            reader = None;
            Some(Err(fault))
        }
    })
}

/// Text that must be UTF-8.
pub(crate) fn utf8(bytes: &[u8]) -> Read<&str> {
    std::str::from_utf8(bytes).map_err(|_| WireFault::Encoding)
}

#[inline]
pub(crate) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        #[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    #[expect(clippy::cast_possible_truncation, reason = "less than 128")]
    out.push(value as u8);
}

#[inline]
pub(crate) fn put_tag(number: u32, wire_type: u32, out: &mut Vec<u8>) {
    put_varint(u64::from(number) << 3 | u64::from(wire_type), out);
}

pub(crate) fn put_bytes(number: u32, value: &[u8], out: &mut Vec<u8>) {
    put_tag(number, BYTES, out);
    put_varint(value.len() as u64, out);
    out.extend_from_slice(value);
}

pub(crate) fn put_str(number: u32, value: &str, out: &mut Vec<u8>) {
    put_bytes(number, value.as_bytes(), out);
}

/// Writes a field as it was read.
pub(crate) fn put(number: u32, value: Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Varint(v) => {
            put_tag(number, VARINT, out);
            put_varint(v, out);
        }
        Value::Fixed64(v) => {
            put_tag(number, FIXED64, out);
            out.extend_from_slice(&v.to_le_bytes());
        }
        Value::Fixed32(v) => {
            put_tag(number, FIXED32, out);
            out.extend_from_slice(&v.to_le_bytes());
        }
        Value::Bytes(v) => put_bytes(number, v, out),
        Value::Group(v) => {
            put_tag(number, START_GROUP, out);
            out.extend_from_slice(v);
            put_tag(number, END_GROUP, out);
        }
    }
}

/// Begins a value whose length is not known yet; [`close`] with what this gives ends it.
#[inline]
pub(crate) fn open(out: &mut Vec<u8>) -> usize {
    out.push(0);
    out.len()
}

/// Writes the length of what was written since [`open`]. Lengths under 128 cost nothing, longer ones
/// move what was written by the length's further bytes.
#[inline]
pub(crate) fn close(start: usize, out: &mut Vec<u8>) {
    let length = out.len() - start;
    if length < 0x80 {
        #[expect(clippy::cast_possible_truncation, reason = "less than 128")]
        let short = length as u8;
        out[start - 1] = short;
        return;
    }
    close_long(start, length, out);
}

fn close_long(start: usize, length: usize, out: &mut Vec<u8>) {
    let mut prefix = [0; 10];
    let (mut rest, mut size) = (length, 0);
    while rest >= 0x80 {
        #[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
        let low = rest as u8 | 0x80;
        prefix[size] = low;
        rest >>= 7;
        size += 1;
    }
    #[expect(clippy::cast_possible_truncation, reason = "less than 128")]
    let last = rest as u8;
    prefix[size] = last;
    out.extend_from_slice(&prefix[..size]);
    out.copy_within(start..start + length, start + size);
    out[start - 1..start + size].copy_from_slice(&prefix[..=size]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_every_size_are_back_patched() {
        for length in [0, 1, 127, 128, 300, 16_383, 16_384, 70_000] {
            let mut out = vec![7];
            let start = open(&mut out);
            out.extend((0..length).map(|i| u8::try_from(i % 251).expect("less than 251")));
            close(start, &mut out);
            let mut reader = Reader::new(&out[1..]);
            let value = reader.bytes().expect("a length and as many bytes");
            assert_eq!(value.len(), length);
            assert!(
                value
                    .iter()
                    .enumerate()
                    .all(|(i, &b)| usize::from(b) == i % 251)
            );
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn numbers_of_every_length_are_read_wherever_they_end() {
        for shift in 0..64 {
            for number in [
                1 << shift,
                u64::MAX >> shift,
                0x5555_5555_5555_5555 >> shift,
            ] {
                let mut written = Vec::new();
                put_varint(number, &mut written);
                for behind in 0..10 {
                    let mut bytes = written.clone();
                    bytes.resize(written.len() + behind, 0xff);
                    let mut reader = Reader::new(&bytes);
                    assert_eq!(reader.varint(), Ok(number));
                    assert_eq!(reader.bytes.len(), behind);
                }
            }
        }
    }

    #[test]
    fn every_fault_of_the_wire_is_found() {
        for bytes in [
            &[0x08][..],      // a tag without a value
            &[0x00, 0x00],    // field number 0
            &[0x0a, 0x05, 1], // a length beyond the end
            &[0x0b, 0x08, 1], // a group without an end
            &[0x0b, 0x14],    // a group with another's end
            &[0x0c],          // an end without a start
            &[0x0f, 0x00],    // wire type 7
            &[0x09, 1, 2, 3], // half a fixed64
            &[
                0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
            ],
        ] {
            assert_eq!(
                fields(bytes).last(),
                Some(Err(WireFault::Malformed)),
                "{bytes:?}"
            );
        }
        let nested = vec![0x0b; 101];
        assert_eq!(fields(&nested).last(), Some(Err(WireFault::Depth)));
    }

    #[test]
    fn fields_are_written_as_they_were_read() {
        let bytes = [
            0x08, 0x96, 0x01, 0x13, 0x08, 1, 0x14, 0x1a, 1, 9, 0x25, 1, 2, 3, 4,
        ];
        let mut again = Vec::new();
        for field in fields(&bytes) {
            let (number, value) = field.expect("well-formed");
            put(number, value, &mut again);
        }
        assert_eq!(again, bytes);
    }
}
