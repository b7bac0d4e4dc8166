//! Codes for whoever has lost the authenticator application.

use std::fmt;

use ring::digest;
use uuid::Uuid;

use super::base32;
use crate::{domain::Random, tokens::Hash};

/// How many an account is given.
pub(crate) const COUNT: usize = 10;

const BYTES: usize = 15;

/// A recovery code: 120 random bits, enough for a plain hash (NIST SP 800-63B, section 5.1.2.2, asks
/// for a slow one below 112).
pub(crate) struct RecoveryCode([u8; BYTES]);

impl RecoveryCode {
    pub(crate) fn new(random: &Random) -> Self {
        Self(random.bytes())
    }

    /// The codes that an account is given.
    pub(crate) fn set(random: &Random) -> [Self; COUNT] {
        std::array::from_fn(|_| Self::new(random))
    }

    /// Reads a code without its grouping.
    pub(super) fn parse(text: &str) -> Option<Self> {
        base32::decode(text)?.try_into().ok().map(Self)
    }

    /// What is stored: bound to the account, so that one table of hashes serves no two accounts.
    pub(crate) fn hash(&self, user_id: Uuid) -> Hash {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(user_id.as_bytes());
        context.update(&self.0);
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        hash
    }
}

/// In four groups of six letters, for the person whose it is.
impl fmt::Display for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = base32::encode(&self.0);
        for (index, letter) in letters.chars().enumerate() {
            if index > 0 && index % 6 == 0 {
                f.write_str("-")?;
            }
            write!(f, "{letter}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_it_is_shown_and_belongs_to_one_account() {
        let code = RecoveryCode([7; BYTES]);
        let shown = code.to_string();
        assert_eq!(shown.len(), 27);
        let read = RecoveryCode::parse(&shown.replace('-', "")).expect("a code");
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(read.hash(one), code.hash(one));
        assert_ne!(read.hash(one), code.hash(two));
    }

    #[test]
    fn what_is_too_short_or_too_long_is_no_code() {
        for text in [
            "",
            "ABCDEFGH",
            &"A".repeat(23),
            &"A".repeat(25),
            &"A".repeat(32),
        ] {
            assert!(RecoveryCode::parse(text).is_none(), "{text}");
        }
    }
}
