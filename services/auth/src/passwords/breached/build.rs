//! Making the file from a published list.

use std::io::{self, BufRead, Write};

use super::{LENGTHS, MAGIC};

/// What was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Built {
    /// Lines that were read.
    pub lines: u64,
    /// Records that were written.
    pub records: u64,
}

/// Why a file could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A line is not of the form that is read.
    #[error("line {0} is not 40 hexadecimal digits, or those with `:` and a number behind them")]
    Line(u64),
    /// The list is not sorted.
    #[error("line {0} does not come after the one before; take the list that is ordered by hash")]
    Order(u64),
    /// The length of a record cannot be used.
    #[error("a record cannot have {0} bytes; accepted: 6 to 20")]
    Length(usize),
}

/// Reads a list of SHA-1 hashes in hexadecimal, one to a line and in ascending order, each with or
/// without `:` and how often it was seen, as Have I Been Pwned publishes it. Writes the first `length`
/// bytes of those that were seen at least `least` times.
///
/// # Errors
///
/// When the list is not what it should be, or reading or writing fails.
pub fn build(
    mut list: impl BufRead,
    mut file: impl Write,
    length: usize,
    least: u64,
) -> Result<Built, BuildError> {
    if !LENGTHS.contains(&length) {
        return Err(BuildError::Length(length));
    }
    file.write_all(&MAGIC)?;
    let written = u32::try_from(length).expect("is at most 20");
    file.write_all(&written.to_le_bytes())?;
    let (mut lines, mut records) = (0, 0);
    let mut line = Vec::new();
    let mut previous: Option<[u8; 20]> = None;
    let mut newest: Option<[u8; 20]> = None;
    loop {
        line.clear();
        // No line of such a list is longer; a file of something else must not fill the memory.
        if io::Read::take(&mut list, 100).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        lines += 1;
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let (hash, seen) = parse(text).ok_or(BuildError::Line(lines))?;
        if previous.is_some_and(|previous| previous >= hash) {
            return Err(BuildError::Order(lines));
        }
        previous = Some(hash);
        if seen.is_some_and(|seen| seen < least) {
            continue;
        }
        if newest.is_some_and(|newest| newest[..length] == hash[..length]) {
            continue;
        }
        file.write_all(&hash[..length])?;
        newest = Some(hash);
        records += 1;
    }
    file.flush()?;
    Ok(Built { lines, records })
}

fn parse(text: &[u8]) -> Option<([u8; 20], Option<u64>)> {
    let (digits, rest) = text.split_at_checked(40)?;
    let seen = match rest.split_first() {
        None => None,
        Some((b':', count)) => Some(std::str::from_utf8(count).ok()?.trim().parse().ok()?),
        Some(_) => return None,
    };
    let mut hash = [0; 20];
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |c: u8| char::from(c).to_digit(16);
        let value = digit(pair[0])? << 4 | digit(pair[1])?;
        *byte = u8::try_from(value).ok()?;
    }
    Some((hash, seen))
}
