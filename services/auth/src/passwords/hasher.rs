//! argon2id (RFC 9106) in PHC form.

use std::fmt;

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordVerifier, Version,
    password_hash::phc::{Output, ParamsString, Salt},
};

use crate::domain::Random;

/// The length of a hash in bytes.
const HASH_LEN: usize = 32;

/// A password's hash with everything that verifying needs, as a PHC string.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Phc(String);

impl Phc {
    /// A hash that was stored.
    pub(crate) fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// A hash that comes from elsewhere: argon2 at a cost that a sign-in can pay.
    pub(crate) fn import(text: &str) -> Result<Self, &'static str> {
        const ACCEPTED: &str = "must be an argon2 hash in PHC form, with m up to 262144 KiB, t up to 16 and p up to 16";
        let hash = PasswordHash::new(text).map_err(|_| ACCEPTED)?;
        let argon2 = Algorithm::try_from(hash.algorithm.as_str()).is_ok() && hash.hash.is_some();
        let params = Params::try_from(&hash).map_err(|_| ACCEPTED)?;
        let payable = params.m_cost() <= 1 << 18 && params.t_cost() <= 16 && params.p_cost() <= 16;
        if argon2 && payable {
            Ok(Self(text.to_owned()))
        } else {
            Err(ACCEPTED)
        }
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

/// Hashes and verifies passwords at the configured cost.
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
    pub(crate) fn hash(&self, password: &str, salt: [u8; 16]) -> Phc {
        let mut output = [0; HASH_LEN];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone())
            .hash_password_into(password.as_bytes(), &salt, &mut output)
            .expect("password, salt and output are within argon2's limits");
        self.phc(&salt, &output)
    }

    /// Whether a password belongs to a hash. Takes as long as the hash's own parameters say. A hash
    /// of an unknown kind belongs to none.
    pub(crate) fn verify(password: &str, phc: &Phc) -> bool {
        let Ok(hash) = PasswordHash::new(phc.as_str()) else {
            return false;
        };
        Argon2::default()
            .verify_password(password.as_bytes(), &hash)
            .is_ok()
    }

    /// A hash of no password, at the configured cost: verifying it takes as long as verifying any,
    /// and making it takes no time.
    pub(crate) fn dummy(&self, random: &Random) -> Phc {
        self.phc(&random.bytes::<16>(), &random.bytes::<HASH_LEN>())
    }

    /// Whether a hash was made at another cost than the configured one.
    pub(crate) fn is_outdated(&self, phc: &Phc) -> bool {
        let Ok(hash) = PasswordHash::new(phc.as_str()) else {
            return true;
        };
        let is = |name: &str, value: u32| hash.params.get_decimal(name) == Some(value);
        !(hash.algorithm == argon2::ARGON2ID_IDENT
            && hash.version == Some(Version::V0x13.into())
            && is("m", self.params.m_cost())
            && is("t", self.params.t_cost())
            && is("p", self.params.p_cost()))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn cheap() -> Hasher {
        Hasher::new(64, 1, 1).expect("good parameters")
    }

    #[test]
    fn a_hash_belongs_to_its_password_alone() {
        let phc = cheap().hash("correct horse", [1; 16]);
        assert!(Hasher::verify("correct horse", &phc));
        assert!(!Hasher::verify("correct hors", &phc));
        assert!(!Hasher::verify("", &phc));
    }

    /// A vector made by the reference implementation (`argon2 -id -t 2 -k 65536 -p 1`).
    #[test]
    fn the_reference_implementation_agrees() {
        let phc = Phc::from_stored(
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
                .to_owned(),
        );
        assert!(Hasher::verify("password", &phc));
        assert!(!Hasher::verify("Password", &phc));
    }

    #[test]
    fn a_dummy_has_the_same_cost_and_belongs_to_no_password() {
        let dummy = cheap().dummy(&Random::system());
        assert!(!cheap().is_outdated(&dummy));
        assert!(!Hasher::verify("", &dummy));
        let real = cheap().hash("password", [1; 16]);
        assert_eq!(real.as_str().len(), dummy.as_str().len());
    }

    #[test]
    fn a_hash_of_another_cost_is_outdated() {
        let phc = cheap().hash("password", [1; 16]);
        assert!(!cheap().is_outdated(&phc));
        for other in [(128, 1, 1), (64, 2, 1), (64, 1, 2)] {
            let hasher = Hasher::new(other.0, other.1, other.2).expect("good parameters");
            assert!(hasher.is_outdated(&phc), "{other:?}");
        }
        assert!(cheap().is_outdated(&Phc::from_stored("$2b$10$abc".to_owned())));
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
            assert!(
                !Hasher::verify("password", &Phc::from_stored(text.to_owned())),
                "{text}"
            );
        }
    }
}
