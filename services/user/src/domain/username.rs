use std::fmt;

use super::Invalid;

/// A name that an account is known by: 3 to 64 letters, digits, `.`, `_` and `-` of ASCII, a letter or a
/// digit at both ends. It has no `@`, so it never passes for an address.
#[derive(Clone, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    /// Reads a name; nothing is none.
    pub fn parse(text: &str) -> Result<Option<Self>, Invalid> {
        let bytes = text.as_bytes();
        let plain = |b: &u8| b.is_ascii_alphanumeric();
        let whole = (3..=64).contains(&bytes.len())
            && bytes.first().is_some_and(plain)
            && bytes.last().is_some_and(plain)
            && bytes.iter().all(|b| plain(b) || b"._-".contains(b));
        match text {
            "" => Ok(None),
            _ if whole => Ok(Some(Self(text.to_owned()))),
            _ => Err(Invalid(
                "must be 3 to 64 letters, digits, `.`, `_` and `-`, with a letter or a digit at both ends",
            )),
        }
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What two spellings of one name have in common.
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

/// Names are personal data, and `Debug` ends up in logs.
impl fmt::Debug for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Username(***)")
    }
}
