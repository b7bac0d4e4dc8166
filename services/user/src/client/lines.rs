//! A file of lines, and lines out of an answer.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

/// What a file is made of. Lines without anything on them stand for no account.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// The lines with something on them.
    pub records: u64,
    /// For each line with nothing on it, how many records come before.
    blanks: Vec<u64>,
}

impl Count {
    /// The number of the line on which a record stands; both are counted from 1.
    pub fn line(&self, record: u64) -> u64 {
        record + self.blanks.partition_point(|&before| before < record) as u64
    }
}

/// Where a record begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spot {
    /// In bytes.
    pub offset: u64,
    /// How many lines, with something on them or not, come before.
    pub lines: u64,
}

/// Counts the records of a file.
pub fn count(path: &Path) -> io::Result<Count> {
    let mut count = Count::default();
    each(path, |line| {
        if is_blank(line) {
            count.blanks.push(count.records);
        } else {
            count.records += 1;
        }
        true
    })?;
    Ok(count)
}

/// Where the record behind so many others begins.
pub fn behind(path: &Path, records: u64) -> io::Result<Spot> {
    let (mut spot, mut seen) = (Spot::default(), 0);
    each(path, |line| {
        if seen == records {
            return false;
        }
        seen += u64::from(!is_blank(line));
        spot.offset += line.len() as u64;
        spot.lines += 1;
        true
    })?;
    Ok(spot)
}

fn each(path: &Path, mut take: impl FnMut(&[u8]) -> bool) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(1 << 18, File::open(path)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 || !take(&line) {
            return Ok(());
        }
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

/// Cuts what arrives into lines. Holds the last one until it is whole.
#[derive(Debug, Default)]
pub struct Cutter(Vec<u8>);

impl Cutter {
    /// Takes a piece, and gives each line that it makes whole, without its end.
    pub fn feed<E>(
        &mut self,
        piece: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = piece;
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let (line, behind) = (&rest[..end], &rest[end + 1..]);
            if self.0.is_empty() {
                take(line)?;
            } else {
                self.0.extend_from_slice(line);
                let whole = std::mem::take(&mut self.0);
                take(&whole)?;
            }
            rest = behind;
        }
        self.0.extend_from_slice(rest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn empty_lines_stand_for_nothing_and_are_numbered() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x");
        std::fs::write(&path, "a\n\n \nbb\r\n\ncc").expect("a file");
        let count = count(&path).unwrap();
        assert_eq!(count.records, 3);
        let numbers = [1, 2, 3].map(|record| count.line(record));
        assert_eq!(numbers, [1, 4, 6]);
        let spot = |records| {
            let Spot { offset, lines } = behind(&path, records).unwrap();
            (offset, lines)
        };
        assert_eq!([spot(0), spot(1)], [(0, 0), (2, 1)]);
        assert_eq!([spot(2), spot(3)], [(9, 4), (12, 6)]);
    }

    #[test]
    fn pieces_do_not_matter() {
        for pieces in [vec!["a\nbc\n"], vec!["a", "\nb", "c", "\n"]] {
            let (mut cutter, mut found) = (Cutter::default(), Vec::new());
            for piece in pieces {
                let done = cutter.feed::<Infallible>(piece.as_bytes(), |line| {
                    found.push(String::from_utf8_lossy(line).into_owned());
                    Ok(())
                });
                done.unwrap();
            }
            assert_eq!(found, ["a", "bc"]);
        }
    }
}
