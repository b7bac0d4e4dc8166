//! Lines out of chunks.

use bytes::{Bytes, BytesMut};

/// Cuts a body into lines, whatever its chunks are. Holds one line at most.
#[derive(Debug)]
pub struct Lines {
    chunk: Bytes,
    /// What earlier chunks had of the line.
    begun: BytesMut,
    limit: usize,
    number: u64,
}

/// A line is longer than the limit.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong;

impl Lines {
    /// Lines of `limit` bytes at most.
    pub fn new(limit: usize) -> Self {
        Self {
            chunk: Bytes::new(),
            begun: BytesMut::new(),
            limit,
            number: 0,
        }
    }

    /// Which line the last one was, or, after an error, is; the first is 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Takes the next chunk, after the one before gave its last line.
    pub fn feed(&mut self, chunk: Bytes) {
        self.chunk = chunk;
    }

    /// The next line that is whole, without its end (`\n` or `\r\n`). Empty lines are counted and left
    /// out.
    pub fn next(&mut self) -> Result<Option<Bytes>, TooLong> {
        while !self.chunk.is_empty() {
            let Some(end) = self.chunk.iter().position(|&byte| byte == b'\n') else {
                if self.begun.len() + self.chunk.len() > self.limit {
                    self.number += 1;
                    return Err(TooLong);
                }
                self.begun
                    .extend_from_slice(&std::mem::take(&mut self.chunk));
                break;
            };
            let rest = self.chunk.split_off(end + 1);
            let piece = std::mem::replace(&mut self.chunk, rest).slice(..end);
            if let Some(line) = self.whole(piece)? {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }

    /// The last line, which needs no end.
    pub fn last(&mut self) -> Result<Option<Bytes>, TooLong> {
        self.whole(Bytes::new())
    }

    fn whole(&mut self, piece: Bytes) -> Result<Option<Bytes>, TooLong> {
        self.number += 1;
        if self.begun.len() + piece.len() > self.limit {
            return Err(TooLong);
        }
        let mut line = if self.begun.is_empty() {
            piece
        } else {
            self.begun.extend_from_slice(&piece);
            self.begun.split().freeze()
        };
        if line.ends_with(b"\r") {
            line.truncate(line.len() - 1);
        }
        let blank = line.iter().all(u8::is_ascii_whitespace);
        Ok((!blank).then_some(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(chunks: &[&'static str]) -> Vec<(u64, String)> {
        let mut lines = Lines::new(8);
        let mut found = Vec::new();
        let mut keep = |number, line: Bytes| {
            found.push((number, String::from_utf8(line.to_vec()).unwrap()));
        };
        for chunk in chunks {
            lines.feed(Bytes::from_static(chunk.as_bytes()));
            while let Some(line) = lines.next().unwrap() {
                keep(lines.number(), line);
            }
        }
        if let Some(line) = lines.last().unwrap() {
            keep(lines.number(), line);
        }
        found
    }

    #[test]
    fn chunks_do_not_matter() {
        let expected = [
            (1, "one".to_owned()),
            (3, "two".to_owned()),
            (4, "3".to_owned()),
        ];
        assert_eq!(all(&["one\n\ntwo\r\n3"]), expected);
        assert_eq!(
            all(&["o", "ne", "\n", "\nt", "wo\r", "\n3", "\n"]),
            expected
        );
        assert_eq!(all(&[]), []);
        assert_eq!(all(&["\n", " \n"]), []);
    }

    #[test]
    fn the_limit_is_a_lines_own() {
        assert_eq!(all(&["12345678\n12345678\n"]).len(), 2);
        let mut lines = Lines::new(8);
        lines.feed(Bytes::from_static(b"1\n123456789\n"));
        assert!(lines.next().unwrap().is_some());
        assert_eq!(lines.next(), Err(TooLong));
        assert_eq!(lines.number(), 2);
        let mut lines = Lines::new(8);
        lines.feed(Bytes::from_static(b"12345"));
        assert_eq!(lines.next(), Ok(None));
        lines.feed(Bytes::from_static(b"6789"));
        assert_eq!(lines.next(), Err(TooLong));
        assert_eq!(lines.number(), 1);
    }
}
