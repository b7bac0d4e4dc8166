//! Rules for strings and bytes.

use std::sync::LazyLock;

use regex::Regex;

use super::report::{Path, Report};

/// What HTML takes for an e-mail address (WHATWG HTML, "valid e-mail address"), as protovalidate does.
static EMAIL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$",
    )
    .expect("the pattern is constant")
});

impl Report {
    /// At least so many characters.
    pub fn min_len(&mut self, path: &Path<'_>, value: &str, least: usize) {
        self.at_least(path, value.chars().count(), least, CHARACTERS);
    }

    /// At most so many characters.
    pub fn max_len(&mut self, path: &Path<'_>, value: &str, most: usize) {
        self.at_most(path, value.chars().count(), most, CHARACTERS);
    }

    /// Exactly so many characters.
    pub fn len(&mut self, path: &Path<'_>, value: &str, exact: usize) {
        self.exactly(path, value.chars().count(), exact, CHARACTERS);
    }

    /// At least so many bytes.
    pub fn min_bytes(&mut self, path: &Path<'_>, value: &[u8], least: usize) {
        self.at_least(path, value.len(), least, BYTES);
    }

    /// At most so many bytes.
    pub fn max_bytes(&mut self, path: &Path<'_>, value: &[u8], most: usize) {
        self.at_most(path, value.len(), most, BYTES);
    }

    /// Exactly so many bytes.
    pub fn len_bytes(&mut self, path: &Path<'_>, value: &[u8], exact: usize) {
        self.exactly(path, value.len(), exact, BYTES);
    }

    /// A match of the pattern somewhere in the value.
    pub fn pattern(&mut self, path: &Path<'_>, value: &str, pattern: &Regex) {
        if !pattern.is_match(value) {
            self.add(path, || format!("does not match the pattern {pattern}"));
        }
    }

    /// An e-mail address as HTML has it.
    pub fn email(&mut self, path: &Path<'_>, value: &str) {
        if !EMAIL.is_match(value) {
            self.add(path, || {
                "is no e-mail address; one such as name@example.com is accepted".to_owned()
            });
        }
    }

    /// A UUID in hexadecimal digits with dashes.
    pub fn uuid(&mut self, path: &Path<'_>, value: &str) {
        if !is_uuid(value) {
            self.add(path, || {
                "is no UUID; one such as 0192d3a0-5f7c-7d1e-8a4b-3c2d1e0f9a8b is accepted"
                    .to_owned()
            });
        }
    }

    /// A value that begins so.
    pub fn prefix(&mut self, path: &Path<'_>, value: &str, prefix: &str) {
        if !value.starts_with(prefix) {
            self.add(path, || format!("does not start with {prefix:?}"));
        }
    }

    /// A value that ends so.
    pub fn suffix(&mut self, path: &Path<'_>, value: &str, suffix: &str) {
        if !value.ends_with(suffix) {
            self.add(path, || format!("does not end with {suffix:?}"));
        }
    }

    /// A value with that part.
    pub fn contains(&mut self, path: &Path<'_>, value: &str, part: &str) {
        if !value.contains(part) {
            self.add(path, || format!("does not contain {part:?}"));
        }
    }

    /// A value without that part.
    pub fn not_contains(&mut self, path: &Path<'_>, value: &str, part: &str) {
        if value.contains(part) {
            self.add(path, || format!("contains {part:?}, which is not accepted"));
        }
    }

    fn at_least(&mut self, path: &Path<'_>, length: usize, least: usize, unit: Unit) {
        if length < least {
            self.add(path, || {
                format!(
                    "{} where at least {} accepted",
                    is(length, unit),
                    are(least)
                )
            });
        }
    }

    fn at_most(&mut self, path: &Path<'_>, length: usize, most: usize, unit: Unit) {
        if length > most {
            self.add(path, || {
                format!("{} where at most {} accepted", is(length, unit), are(most))
            });
        }
    }

    fn exactly(&mut self, path: &Path<'_>, length: usize, exact: usize, unit: Unit) {
        if length != exact {
            self.add(path, || {
                format!("{} where exactly {} accepted", is(length, unit), are(exact))
            });
        }
    }
}

/// What a length counts: one of it, and several.
type Unit = [&'static str; 2];
const CHARACTERS: Unit = ["character", "characters"];
const BYTES: Unit = ["byte", "bytes"];

fn is(length: usize, [one, several]: Unit) -> String {
    match length {
        0 => "is empty".to_owned(),
        1 => format!("is 1 {one} long"),
        _ => format!("is {length} {several} long"),
    }
}

fn are(length: usize) -> String {
    match length {
        1 => "1 is".to_owned(),
        _ => format!("{length} are"),
    }
}

fn is_uuid(value: &str) -> bool {
    let bytes = value.as_bytes();
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
