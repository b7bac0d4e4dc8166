//! Passwords that are known from breaches, looked up in a file on this machine.
//!
//! The file is 16 bytes of header (`ptcbreached` and a zero, then the length of a record as a
//! little-endian `u32`) and then records: the first 6 to 20 bytes of SHA-1 of each password in UTF-8, in
//! ascending order, each once. SHA-1 is how such lists are published; it protects nothing here.

mod build;

use std::{
    fmt,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
    sync::{Mutex, PoisonError},
};

use ring::digest;

pub use build::{BuildError, Built, build};

const MAGIC: [u8; 12] = *b"ptcbreached\0";
const HEADER: u64 = 16;

/// The lengths that a record may have.
const LENGTHS: std::ops::RangeInclusive<usize> = 6..=20;

/// How much of the file is read at a time.
const WINDOW: u64 = 4096;

/// After so many looks at likely places the rest is halved instead, so that no file makes a look-up long.
const GUESSES: usize = 8;

/// An open file of breached passwords. Nothing of it is kept in memory.
pub(crate) struct Breached {
    file: Mutex<File>,
    length: usize,
    records: u64,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("is no file of breached passwords; `portico-breached` makes one")]
    Foreign,
    #[error("is cut off, or was not written to its end")]
    Cut,
}

impl Breached {
    pub(crate) fn open(path: &Path) -> Result<Self, FileError> {
        let mut file = File::open(path)?;
        let mut header = [0; 16];
        file.read_exact(&mut header)
            .map_err(|_| FileError::Foreign)?;
        let (magic, length) = header.split_at(MAGIC.len());
        let length = u32::from_le_bytes(length.try_into().expect("four bytes are left"));
        let length = usize::try_from(length).map_err(|_| FileError::Foreign)?;
        if magic != MAGIC || !LENGTHS.contains(&length) {
            return Err(FileError::Foreign);
        }
        let body = file.metadata()?.len().saturating_sub(HEADER);
        if body % length as u64 != 0 {
            return Err(FileError::Cut);
        }
        Ok(Self {
            file: Mutex::new(file),
            length,
            records: body / length as u64,
        })
    }

    /// Whether a password is in the file. Reads a few pages; blocks meanwhile.
    pub(crate) fn contains(&self, password: &str) -> io::Result<bool> {
        let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
        let wanted = &hash.as_ref()[..self.length];
        let most = WINDOW / self.length as u64;
        // What is left to look at: places, and the numbers between which their records lie.
        let (mut low, mut high) = (0, self.records);
        let (mut least, mut greatest) = (0, u64::MAX);
        let mut guesses = 0;
        while low < high {
            let span = high - low;
            let middle = if guesses < GUESSES {
                low + interpolate(number(wanted), least, greatest, span)
            } else {
                low + span / 2
            };
            guesses += 1;
            let start = middle.saturating_sub(most / 2).max(low);
            let count = most.min(high - start);
            let window = self.read(start, count)?;
            let records: Vec<&[u8]> = window.chunks_exact(self.length).collect();
            let [first, .., end] = records.as_slice() else {
                return Ok(records.contains(&wanted));
            };
            if wanted < *first {
                (high, greatest) = (start, number(first));
            } else if wanted > *end {
                (low, least) = (start + count, number(end));
            } else {
                return Ok(records.binary_search(&wanted).is_ok());
            }
        }
        Ok(false)
    }

    fn read(&self, start: u64, count: u64) -> io::Result<Vec<u8>> {
        let length = self.length as u64;
        let bytes = usize::try_from(count * length).expect("a window is small");
        let mut window = vec![0; bytes];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(HEADER + start * length))?;
        file.read_exact(&mut window)?;
        Ok(window)
    }
}

impl fmt::Debug for Breached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Breached({} records)", self.records)
    }
}

/// The first eight bytes of a record as a number; shorter ones as if zeros followed.
fn number(record: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let length = record.len().min(8);
    bytes[..length].copy_from_slice(&record[..length]);
    u64::from_be_bytes(bytes)
}

/// Where among `span` places a number should stand, if those between `least` and `greatest` are spread
/// evenly, as hashes are.
fn interpolate(wanted: u64, least: u64, greatest: u64, span: u64) -> u64 {
    let range = u128::from(greatest.saturating_sub(least)).max(1);
    let offset = u128::from(wanted.saturating_sub(least));
    let place = offset * u128::from(span) / range;
    u64::try_from(place).unwrap_or(span).min(span - 1)
}

#[cfg(test)]
mod tests;
