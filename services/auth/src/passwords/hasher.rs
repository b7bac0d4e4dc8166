//! Making hashes, and telling whether a password belongs to one.

use std::fmt;

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, Version,
    password_hash::phc::{Output, ParamsString, Salt},
};

use super::{
    scheme::{Memory, Scheme, Unusable},
    text::Password,
};
use crate::domain::Random;

/// The length of a hash in bytes.
const HASH_LEN: usize = 32;

/// A password's hash with everything that verifying needs, as a PHC string (or as bcrypt has it).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Phc(String);

impl Phc {
    /// A hash that was stored.
    pub(crate) fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// A hash that comes from another system, if it can be verified at a bearable cost.
    pub(crate) fn import(text: &str) -> Result<Self, Unusable> {
        Scheme::parse(text, None)?;
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Hashes never reach a log.
impl fmt::Debug for Phc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phc(***)")
    }
}

/// Hashes passwords with argon2id (RFC 9106) at the configured cost, and verifies those that others
/// hashed.
#[derive(Clone, Debug)]
pub(crate) struct Hasher {
    params: Params,
}

/// Why the configured cost cannot be used.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error(
    "the argon2 parameters m = {memory_kib} KiB, t = {iterations}, p = {parallelism} are outside of RFC 9106: m is at least 8 times p, t and p are at least 1"
)]
pub(crate) struct ParameterError {
    memory_kib: u32,
    iterations: u32,
    parallelism: u32,
}

impl Hasher {
    pub(crate) fn new(
        memory_kib: u32,
        iterations: u32,
        parallelism: u32,
    ) -> Result<Self, ParameterError> {
        Params::new(memory_kib, iterations, parallelism, Some(HASH_LEN))
            .map(|params| Self { params })
            .map_err(|_| ParameterError {
                memory_kib,
                iterations,
                parallelism,
            })
    }

    /// Hashes a password under a fresh salt. Takes as long as the cost says.
    pub(crate) fn hash(&self, password: &str, salt: [u8; 16], memory: &mut Memory) -> Phc {
        let mut output = [0; HASH_LEN];
        let blocks = memory.blocks(self.params.block_count());
        Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone())
            .hash_password_into_with_memory(password.as_bytes(), &salt, &mut output, blocks)
            .expect("password, salt and output are within argon2's limits");
        self.phc(&salt, &output)
    }

    /// Whether a password belongs to a hash. Takes as long as the hash's own parameters say, once for
    /// each form of the password. A hash of an unknown kind belongs to none.
    pub(crate) fn verify(&self, password: &Password, phc: &Phc, memory: &mut Memory) -> Verdict {
        let Ok(scheme) = Scheme::parse(phc.as_str(), Some(&self.params)) else {
            return Verdict::Wrong;
        };
        let place = password
            .forms()
            .position(|form| scheme.verify(form, memory));
        match place {
            None => Verdict::Wrong,
            Some(0) if scheme.is(&self.params) => Verdict::Right,
            Some(_) => Verdict::RightAndOutdated,
        }
    }

    /// A hash of no password, at the configured cost: verifying it takes as long as verifying any,
    /// and making it takes no time.
    pub(crate) fn dummy(&self, random: &Random) -> Phc {
        self.phc(&random.bytes::<16>(), &random.bytes::<HASH_LEN>())
    }

    fn phc(&self, salt: &[u8], output: &[u8]) -> Phc {
        let hash = PasswordHash {
            algorithm: argon2::ARGON2ID_IDENT,
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&self.params).expect("three numbers make parameters"),
            salt: Some(Salt::new(salt).expect("16 bytes make a salt")),
            hash: Some(Output::new(output).expect("32 bytes make an output")),
        };
        Phc(hash.to_string())
    }
}

/// What came of verifying a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is another password.
    Wrong,
    /// It is the password.
    Right,
    /// It is the password, whose hash was made at another cost, in another way, or of another form.
    RightAndOutdated,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passwords::NewPassword;

    fn cheap() -> Hasher {
        Hasher::new(64, 1, 1).expect("good parameters")
    }

    fn hash(hasher: &Hasher, password: &str) -> Phc {
        hasher.hash(password, [1; 16], &mut Memory::default())
    }

    fn verify(hasher: &Hasher, password: &str, phc: &Phc) -> Verdict {
        let password = Password::new(password.to_owned());
        hasher.verify(&password, phc, &mut Memory::default())
    }

    #[test]
    fn a_hash_belongs_to_its_password_alone() {
        let phc = hash(&cheap(), "correct horse");
        assert_eq!(verify(&cheap(), "correct horse", &phc), Verdict::Right);
        assert_eq!(verify(&cheap(), "correct hors", &phc), Verdict::Wrong);
        assert_eq!(verify(&cheap(), "", &phc), Verdict::Wrong);
    }

    /// As many characters as are accepted, of one byte and of four, so that a cut anywhere would show.
    #[test]
    fn every_character_of_a_long_password_counts_in_its_case() {
        let long: String = ('a'..='z').chain('A'..='Z').cycle().take(96).collect();
        let long = long + &"\u{10000}".repeat(31) + "z";
        let Ok(accepted) = NewPassword::parse("password", &long) else {
            panic!("128 characters are accepted");
        };
        let phc = hash(&cheap(), accepted.as_str());
        assert_eq!(verify(&cheap(), &long, &phc), Verdict::Right);
        let characters: Vec<char> = long.chars().collect();
        for place in 0..characters.len() {
            let mut other = characters.clone();
            other[place] = match other[place] {
                letter if letter.is_ascii_lowercase() => letter.to_ascii_uppercase(),
                letter if letter.is_ascii_uppercase() => letter.to_ascii_lowercase(),
                _ => '\u{10001}',
            };
            let other = String::from_iter(other);
            assert_eq!(verify(&cheap(), &other, &phc), Verdict::Wrong, "{other}");
        }
        for other in [
            long.to_lowercase(),
            long.to_uppercase(),
            long[..long.len() - 1].to_owned(),
            format!("{long}z"),
        ] {
            assert_eq!(verify(&cheap(), &other, &phc), Verdict::Wrong, "{other}");
        }
    }

    #[test]
    fn memory_that_was_used_before_changes_nothing() {
        let mut memory = Memory::default();
        let large = Hasher::new(256, 2, 1).expect("good parameters");
        let first = large.hash("correct horse", [1; 16], &mut memory);
        cheap().hash("another one", [2; 16], &mut memory);
        assert_eq!(large.hash("correct horse", [1; 16], &mut memory), first);
        memory.release();
        assert_eq!(large.hash("correct horse", [1; 16], &mut memory), first);
    }

    #[test]
    fn a_dummy_has_the_same_cost_and_belongs_to_no_password() {
        let dummy = cheap().dummy(&Random::system());
        let scheme = Scheme::parse(dummy.as_str(), None).expect("is a hash");
        assert!(scheme.is(&cheap().params));
        assert_eq!(verify(&cheap(), "", &dummy), Verdict::Wrong);
        assert_eq!(
            hash(&cheap(), "password").as_str().len(),
            dummy.as_str().len()
        );
    }

    #[test]
    fn a_hash_of_another_cost_kind_or_form_is_outdated() {
        let phc = hash(&cheap(), "correct horse");
        for other in [(128, 1, 1), (64, 2, 1), (64, 1, 2)] {
            let hasher = Hasher::new(other.0, other.1, other.2).expect("good parameters");
            assert_eq!(
                verify(&hasher, "correct horse", &phc),
                Verdict::RightAndOutdated,
                "{other:?}"
            );
        }
        let foreign = "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e";
        let foreign = Phc::import(foreign).expect("can be verified");
        assert_eq!(
            verify(&cheap(), "correct horse", &foreign),
            Verdict::RightAndOutdated
        );
        // Hashed as it was typed, before passwords were normalised.
        let typed = "o\u{fb03}ce of Ada";
        let phc = hash(&cheap(), typed);
        assert_eq!(verify(&cheap(), typed, &phc), Verdict::RightAndOutdated);
        let phc = hash(&cheap(), "office of Ada");
        assert_eq!(verify(&cheap(), typed, &phc), Verdict::Right);
    }

    #[test]
    fn parameters_outside_of_the_standard_are_refused_with_a_reason() {
        let error = Hasher::new(7, 1, 1).expect_err("too little memory");
        assert!(error.to_string().contains("m = 7 KiB"), "{error}");
        assert!(Hasher::new(64, 0, 1).is_err() && Hasher::new(64, 1, 0).is_err());
    }

    #[test]
    fn what_is_no_hash_belongs_to_no_password() {
        for text in [
            "",
            "x",
            "$argon2id$",
            "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ",
        ] {
            let phc = Phc::from_stored(text.to_owned());
            assert_eq!(verify(&cheap(), "password", &phc), Verdict::Wrong, "{text}");
        }
    }
}
