//! A filter, word by word.

use super::FilterError;

/// A word of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    Open,
    Close,
    Minus,
    And,
    Or,
    Not,
    Comparator(&'static str),
    /// A field, or a value without quotes.
    Word(String),
    /// A value in quotes.
    Quoted(String),
}

/// Words with their columns, in characters from 1.
pub struct Lexer<'t> {
    rest: &'t str,
    column: usize,
    /// Values may have characters that words elsewhere have not, such as the colons of a time.
    value_follows: bool,
}

const COMPARATORS: [&str; 7] = ["<=", ">=", "!=", "<", ">", "=", ":"];

impl<'t> Lexer<'t> {
    pub fn new(text: &'t str) -> Self {
        Self {
            rest: text,
            column: 1,
            value_follows: false,
        }
    }

    /// The next word and its column; at the end, no word and the column behind the text.
    pub fn next(&mut self) -> Result<(usize, Option<Token>), FilterError> {
        self.skip(char::is_whitespace);
        let column = self.column;
        let Some(first) = self.rest.chars().next() else {
            return Ok((column, None));
        };
        let value = std::mem::take(&mut self.value_follows);
        if let Some(comparator) = COMPARATORS.into_iter().find(|it| self.rest.starts_with(it)) {
            self.advance(comparator.len());
            self.value_follows = true;
            return Ok((column, Some(Token::Comparator(comparator))));
        }
        let token = match first {
            '(' | ')' => {
                self.advance(1);
                if first == '(' {
                    Token::Open
                } else {
                    Token::Close
                }
            }
            '"' | '\'' => self.quoted(first, column)?,
            '-' if !value => {
                self.advance(1);
                Token::Minus
            }
            _ => self.word(value, column)?,
        };
        Ok((column, Some(token)))
    }

    fn word(&mut self, value: bool, column: usize) -> Result<Token, FilterError> {
        let belongs = |c: char| c.is_alphanumeric() || "_.*@+-/%".contains(c) || value && c == ':';
        let word = self.skip(belongs);
        Ok(match word {
            "" => {
                return Err(FilterError {
                    column,
                    fault: "this character cannot stand here; put values into double quotes".into(),
                });
            }
            "AND" if !value => Token::And,
            "OR" if !value => Token::Or,
            "NOT" if !value => Token::Not,
            word => Token::Word(word.to_owned()),
        })
    }

    /// Behind a backslash any character stands for itself.
    fn quoted(&mut self, quote: char, column: usize) -> Result<Token, FilterError> {
        let mut text = String::new();
        let mut escaped = false;
        for (at, c) in self.rest.char_indices().skip(1) {
            if c.is_control() {
                let fault = "a value cannot have control characters".into();
                return Err(FilterError { column, fault });
            }
            match c {
                _ if escaped => {
                    text.push(c);
                    escaped = false;
                }
                '\\' => escaped = true,
                c if c == quote => {
                    self.advance(at + 1);
                    return Ok(Token::Quoted(text));
                }
                c => text.push(c),
            }
        }
        let fault = format!("the quote {quote} is not closed");
        Err(FilterError { column, fault })
    }

    fn skip(&mut self, belongs: impl Fn(char) -> bool) -> &'t str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let skipped = &self.rest[..end];
        self.advance(end);
        skipped
    }

    fn advance(&mut self, bytes: usize) {
        let (passed, rest) = self.rest.split_at(bytes);
        self.column += passed.chars().count();
        self.rest = rest;
    }
}
