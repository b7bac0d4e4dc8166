use std::fmt;

use super::Invalid;

const MAX_BYTES: usize = 254;
const MAX_LABEL_BYTES: usize = 63;
const RULE: Invalid = Invalid("must be an e-mail address such as `ada@example.org`");

/// An e-mail address, as its owner wrote it.
///
/// It follows the rule of the contract (`buf.validate`, which is HTML's): ASCII on both sides of the
/// `@`. So lower case is all that it takes to compare two of them, and a domain of another script comes
/// in its `xn--` form.
#[derive(Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// Reads an address of at most 254 bytes.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() {
            return Err(Invalid("is required"));
        }
        if text.len() > MAX_BYTES {
            return Err(Invalid("must have at most 254 bytes"));
        }
        let (local, domain) = text.split_once('@').ok_or(RULE)?;
        let whole = is_local(local) && domain.split('.').all(is_label);
        whole.then(|| Self(text.to_owned())).ok_or(RULE)
    }

    /// The address as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What two spellings of one address have in common.
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

/// Addresses are personal data, and `Debug` ends up in logs.
impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(***)")
    }
}

fn is_local(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&b);
    !text.is_empty() && text.bytes().all(allowed)
}

fn is_label(text: &str) -> bool {
    (1..=MAX_LABEL_BYTES).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}
