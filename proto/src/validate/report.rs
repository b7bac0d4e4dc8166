//! Where a value is found, and what was found wrong.

use std::fmt;

use crate::error::Violation;

/// A limit on what is reported, so that a status fits into the head of a response, which peers limit
/// to 16 KiB and more.
const MOST: usize = 32;
/// Longer keys of maps are not repeated in a path.
const LONGEST_KEY: usize = 64;

/// The place of a value in a message, kept on the stack while the message is walked through.
pub enum Path<'a> {
    /// The message itself.
    Root,
    /// A field of what the path before leads to.
    Field(&'a Path<'a>, &'static str),
    /// An item of a repeated field.
    Index(&'a Path<'a>, usize),
    /// A value of a map, by its key.
    Key(&'a Path<'a>, &'a dyn fmt::Display),
}

impl Path<'_> {
    pub fn field(&self, name: &'static str) -> Path<'_> {
        Path::Field(self, name)
    }

    pub fn index(&self, index: usize) -> Path<'_> {
        Path::Index(self, index)
    }

    pub fn key<'k>(&'k self, key: &'k dyn fmt::Display) -> Path<'k> {
        Path::Key(self, key)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Path::Root, name) => f.write_str(name),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
            Self::Key(parent, key) => {
                let key = key.to_string();
                // A key comes from outside as values do, and is repeated only where it looks like a name.
                let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
                if key.len() <= LONGEST_KEY && key.chars().all(plain) {
                    write!(f, "{parent}[{key}]")
                } else {
                    write!(f, "{parent}[…]")
                }
            }
        }
    }
}

/// The violations found so far.
#[derive(Default)]
pub struct Report {
    violations: Vec<Violation>,
}

impl Report {
    pub fn into_violations(self) -> Vec<Violation> {
        self.violations
    }

    /// Notes a violation, unless there are enough of them. The sentence is only made when it is noted.
    pub fn add(&mut self, path: &Path<'_>, description: impl FnOnce() -> String) {
        if self.violations.len() < MOST {
            self.violations
                .push(Violation::new(path.to_string(), description()));
        }
    }

    /// A field that must be there is not.
    pub fn missing(&mut self, path: &Path<'_>) {
        self.add(path, || "is missing, and must be given".to_owned());
    }

    /// None of a oneof's fields is there.
    pub fn missing_one_of(&mut self, path: &Path<'_>, fields: &[&str]) {
        self.add(path, || {
            format!("is missing: one of {} must be given", fields.join(", "))
        });
    }
}
