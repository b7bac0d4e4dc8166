//! The tokens of JSON (RFC 8259).

use std::borrow::Cow;

use crate::{
    error::{Fault, JsonError, Refusal},
    number,
    wire::MAX_DEPTH,
};

/// Errors travel in a box, so that success stays small.
pub(crate) type Parsed<T> = Result<T, Box<JsonError>>;

/// A place in a JSON text.
#[derive(Clone)]
pub(crate) struct Lexer<'j> {
    text: &'j str,
    at: usize,
}

impl<'j> Lexer<'j> {
    /// Refuses what is not UTF-8; from here on every slice at a token's border is text.
    pub fn new(json: &'j [u8]) -> Parsed<Self> {
        match std::str::from_utf8(json) {
            Ok(text) => Ok(Self { text, at: 0 }),
            Err(error) => Err(Box::new(JsonError {
                path: String::new(),
                fault: Fault::Encoding,
                detail: "is not UTF-8".into(),
                offset: error.valid_up_to(),
            })),
        }
    }

    /// The next byte that is no white space, which is not consumed.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    /// Consumes the next byte if it is this one.
    #[inline]
    pub fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Consumes this byte or fails.
    #[inline]
    pub fn expect(&mut self, byte: u8, detail: &'static str) -> Parsed<()> {
        if self.eat(byte) {
            return Ok(());
        }
        Err(self.syntax(detail))
    }

    /// After an element: whether another one follows before `end`.
    #[inline]
    pub fn more(&mut self, end: u8) -> Parsed<bool> {
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(byte) if byte == end => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(self.syntax(match end {
                b'}' => "is not valid JSON: `,` or `}` is missing",
                _ => "is not valid JSON: `,` or `]` is missing",
            })),
        }
    }

    /// A member's name and its colon.
    #[inline]
    pub fn name(&mut self) -> Parsed<Cow<'j, str>> {
        if self.peek() != Some(b'"') {
            return Err(
                self.syntax("is not valid JSON: a member must begin with its name in quotes")
            );
        }
        let name = self.string()?;
        self.expect(b':', "is not valid JSON: `:` is missing")?;
        Ok(name)
    }

    /// Consumes `true`, `false` or `null`.
    #[inline]
    pub fn word(&mut self, word: &'static str) -> Parsed<()> {
        self.peek();
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        Err(self.syntax("is not valid JSON"))
    }

    /// A number as it is written.
    #[inline]
    pub fn number(&mut self) -> Parsed<&'j str> {
        self.peek();
        let Some(length) = number::length(&self.text.as_bytes()[self.at..]) else {
            return Err(self.syntax("is not valid JSON"));
        };
        let start = self.at;
        self.at += length;
        Ok(&self.text[start..self.at])
    }

    /// A string without its quotes and escapes.
    #[inline]
    pub fn string(&mut self) -> Parsed<Cow<'j, str>> {
        self.expect(b'"', "is not valid JSON: a string must begin with a quote")?;
        let start = self.at;
        self.run();
        if self.text.as_bytes().get(self.at) == Some(&b'"') {
            self.at += 1;
            return Ok(Cow::Borrowed(&self.text[start..self.at - 1]));
        }
        self.escaped(start).map(Cow::Owned)
    }

    /// Passes over what stands for itself in a string, eight bytes at a time.
    #[inline]
    fn run(&mut self) {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const HIGHS: u64 = 0x8080_8080_8080_8080;
        let bytes = self.text.as_bytes();
        while let Some(chunk) = bytes[self.at..].first_chunk::<8>() {
            let word = u64::from_le_bytes(*chunk);
            let zero = |x: u64| x.wrapping_sub(ONES) & !x & HIGHS;
            let controls = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
            let hits = controls | zero(word ^ (ONES * 0x22)) | zero(word ^ (ONES * 0x5c));
            if hits != 0 {
                // The lowest hit is exact: a borrow can only spoil the bytes above it.
                self.at += hits.trailing_zeros() as usize / 8;
                return;
            }
            self.at += 8;
        }
        while let Some(&byte) = bytes.get(self.at) {
            if byte < 0x20 || byte == b'"' || byte == b'\\' {
                return;
            }
            self.at += 1;
        }
    }

    #[cold]
    fn escaped(&mut self, start: usize) -> Parsed<String> {
        let mut out = self.text[start..self.at].to_owned();
        loop {
            match self.text.as_bytes().get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at += 1;
                    let c = self.escape()?;
                    out.push(c);
                }
                Some(_) => {
                    return Err(self.syntax(
                        "is not valid JSON: a control character in a string must be escaped",
                    ));
                }
                None => return Err(self.syntax("is not valid JSON: a string has no end")),
            }
            let start = self.at;
            self.run();
            out.push_str(&self.text[start..self.at]);
        }
    }

    fn escape(&mut self) -> Parsed<char> {
        let escape = self.text.as_bytes().get(self.at).copied();
        self.at += 1;
        Ok(match escape {
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => self.unicode()?,
            _ => {
                self.at -= 1;
                return Err(self.syntax("is not valid JSON: unknown escape in a string"));
            }
        })
    }

    fn unicode(&mut self) -> Parsed<char> {
        let first = self.hex4()?;
        let mut code = first;
        if (0xd800..0xdc00).contains(&first) && self.text[self.at..].starts_with("\\u") {
            self.at += 2;
            let second = self.hex4()?;
            if (0xdc00..0xe000).contains(&second) {
                code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            }
        }
        char::from_u32(code).ok_or_else(|| {
            self.fail(Refusal::new(
                Fault::Encoding,
                "has half of a surrogate pair in a string",
            ))
        })
    }

    fn hex4(&mut self) -> Parsed<u32> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let code = digits.and_then(|digits| {
            digits.iter().try_fold(0, |code, &digit| {
                Some(code << 4 | char::from(digit).to_digit(16)?)
            })
        });
        match code {
            Some(code) => {
                self.at += 4;
                Ok(code)
            }
            None => Err(self.syntax("is not valid JSON: `\\u` needs four hexadecimal digits")),
        }
    }

    /// Passes over one value of any kind. `depth` is how deep the value stands.
    pub fn skip(&mut self, depth: u32) -> Parsed<()> {
        match self.peek() {
            Some(b'{') => {
                self.deeper(depth)?;
                self.at += 1;
                if self.eat(b'}') {
                    return Ok(());
                }
                loop {
                    self.name()?;
                    self.skip(depth + 1)?;
                    if !self.more(b'}')? {
                        return Ok(());
                    }
                }
            }
            Some(b'[') => {
                self.deeper(depth)?;
                self.at += 1;
                if self.eat(b']') {
                    return Ok(());
                }
                loop {
                    self.skip(depth + 1)?;
                    if !self.more(b']')? {
                        return Ok(());
                    }
                }
            }
            Some(b'"') => self.string().map(drop),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => self.number().map(drop),
        }
    }

    /// Fails when one more level would be too many.
    #[inline]
    pub fn deeper(&self, depth: u32) -> Parsed<()> {
        if depth < MAX_DEPTH {
            return Ok(());
        }
        Err(self.fail(Refusal::new(
            Fault::Depth,
            "is nested deeper than 100 levels",
        )))
    }

    /// Fails when anything but white space is left.
    pub fn end(&mut self) -> Parsed<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.syntax("is not valid JSON: something follows its end")),
        }
    }

    #[cold]
    pub fn syntax(&self, detail: &'static str) -> Box<JsonError> {
        let detail = if self.at >= self.text.len() {
            "is not valid JSON: it ends too early"
        } else {
            detail
        };
        self.fail(Refusal::new(Fault::Syntax, detail))
    }

    /// A fault at this place.
    #[cold]
    pub fn fail(&self, refusal: Refusal) -> Box<JsonError> {
        Box::new(JsonError {
            path: String::new(),
            fault: refusal.fault,
            detail: refusal.detail,
            offset: self.at,
        })
    }
}

#[cfg(test)]
mod tests;
