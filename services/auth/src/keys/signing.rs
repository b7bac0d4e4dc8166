//! One key pair.

use std::{convert::Infallible, fmt};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use portico_caller::TOKEN_TYPE;
use ring::{
    rand::{SecureRandom, SystemRandom},
    rsa::PublicKeyComponents,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
        RsaKeyPair,
    },
};
use rsa::{
    PrivateKey,
    pkcs8::EncodePrivateKey,
    rand_core::{TryCryptoRng, TryRng},
};

use super::{Algorithm, PublicKey, Vault};
use crate::domain::Random;

/// NIST SP 800-57 gives 3072 bits the strength of P-256.
const RSA_BITS: usize = 3072;

const NO_RANDOMNESS: &str =
    "an operating system that gives no random bytes cannot run this service";

/// A key that signs, from some moment on.
pub(crate) struct SigningKey {
    pub(crate) public: PublicKey,
    pub(crate) activate_time: DateTime<Utc>,
    /// The first part of each token that it signs.
    header: String,
    pair: Pair,
    random: SystemRandom,
}

enum Pair {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
}

/// A key pair that was made just now and serves nobody yet.
pub(crate) struct NewKey {
    public: PublicKey,
    /// The PKCS#8 document (RFC 5958).
    document: Vec<u8>,
}

/// A key pair as it is stored.
pub(crate) struct StoredKey {
    pub(crate) kid: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) activate_time: DateTime<Utc>,
    /// When the last token that it may have signed is dead; unknown until a successor is planned.
    pub(crate) retire_time: Option<DateTime<Utc>>,
    /// The PKCS#8 document, encrypted and bound to `kid`.
    pub(crate) sealed: Vec<u8>,
}

impl NewKey {
    /// A fresh key. For RSA that takes a good part of a second.
    pub(crate) fn generate(algorithm: Algorithm) -> Self {
        let random = SystemRandom::new();
        let document = match algorithm {
            Algorithm::Es256 => {
                let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
                let made = EcdsaKeyPair::generate_pkcs8(kind, &random);
                made.expect(NO_RANDOMNESS).as_ref().to_vec()
            }
            Algorithm::EdDsa => {
                let made = Ed25519KeyPair::generate_pkcs8(&random);
                made.expect(NO_RANDOMNESS).as_ref().to_vec()
            }
            Algorithm::Rs256 => {
                let made = PrivateKey::new(&mut Source(random), RSA_BITS);
                let document = made.ok().and_then(|key| key.to_pkcs8_der().ok());
                let document = document.expect("3072 bits and the usual exponent make a key");
                document.as_bytes().to_vec()
            }
        };
        let key = read(algorithm, &document).expect("a document that was just made can be read");
        Self {
            public: key.0,
            document,
        }
    }

    /// The key in its stored form.
    pub(crate) fn seal(
        &self,
        vault: &Vault,
        random: &Random,
        activate_time: DateTime<Utc>,
    ) -> StoredKey {
        StoredKey {
            sealed: vault.seal(&self.public.kid, &self.document, random),
            kid: self.public.kid.clone(),
            algorithm: self.public.algorithm,
            activate_time,
            retire_time: None,
        }
    }
}

impl SigningKey {
    /// Decrypts a stored key; `None` when no master key fits or the row was tampered with.
    pub(crate) fn open(stored: &StoredKey, vault: &Vault) -> Option<Self> {
        let document = vault.open(&stored.kid, &stored.sealed)?;
        let (public, pair) = read(stored.algorithm, &document)?;
        let header = format!(
            r#"{{"typ":"{TOKEN_TYPE}","alg":"{}","kid":"{}"}}"#,
            public.algorithm.as_str(),
            public.kid
        );
        (public.kid == stored.kid).then(|| Self {
            public,
            activate_time: stored.activate_time,
            header: BASE64_URL_SAFE_NO_PAD.encode(header),
            pair,
            random: SystemRandom::new(),
        })
    }

    /// A token with this payload in the compact serialization (RFC 7515, section 3.1).
    pub(crate) fn token(&self, payload: &[u8]) -> String {
        let mut token = String::with_capacity(self.header.len() + payload.len() * 3 / 2 + 96);
        token.push_str(&self.header);
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = self.sign(token.as_bytes());
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.pair {
            Pair::P256(pair) => {
                let signature = pair.sign(&self.random, message);
                signature.expect(NO_RANDOMNESS).as_ref().to_vec()
            }
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &self.random, message, &mut signature)
                    .expect(NO_RANDOMNESS);
                signature
            }
        }
    }
}

fn read(algorithm: Algorithm, document: &[u8]) -> Option<(PublicKey, Pair)> {
    Some(match algorithm {
        Algorithm::Es256 => {
            let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let pair = EcdsaKeyPair::from_pkcs8(kind, document, &SystemRandom::new()).ok()?;
            (
                PublicKey::p256(pair.public_key().as_ref())?,
                Pair::P256(pair),
            )
        }
        Algorithm::EdDsa => {
            let pair = Ed25519KeyPair::from_pkcs8(document).ok()?;
            let public = PublicKey::ed25519(pair.public_key().as_ref());
            (public, Pair::Ed25519(pair))
        }
        Algorithm::Rs256 => {
            let pair = RsaKeyPair::from_pkcs8(document).ok()?;
            let public = PublicKeyComponents::<Vec<u8>>::from(pair.public());
            (
                PublicKey::rsa(&public.n, &public.e),
                Pair::Rsa(Box::new(pair)),
            )
        }
    })
}

/// The operating system's randomness for the one crate that wants it in another shape.
struct Source(SystemRandom);

impl TryRng for Source {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_ne_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes).expect(NO_RANDOMNESS);
        Ok(())
    }
}

impl TryCryptoRng for Source {}

/// The private half never reaches a log.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.public.kid)
            .field("algorithm", &self.public.algorithm)
            .field("activate_time", &self.activate_time)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_STANDARD;
    use portico_proto::auth::v1::JsonWebKey;
    use ring::signature::{
        ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
        UnparsedPublicKey,
    };

    use super::{super::MasterKeys, *};

    const ALL: [Algorithm; 3] = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256];

    fn vault(byte: u8) -> Vault {
        let master = MasterKeys::parse(&BASE64_STANDARD.encode([byte; 32])).expect("good key");
        Vault::new(&master, "signing-key")
    }

    fn stored(algorithm: Algorithm) -> StoredKey {
        NewKey::generate(algorithm).seal(&vault(1), &Random::system(), DateTime::UNIX_EPOCH)
    }

    fn bytes(text: &str) -> Vec<u8> {
        BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64url")
    }

    fn verifies(jwk: &JsonWebKey, message: &[u8], signature: &[u8]) -> bool {
        match jwk.alg.as_str() {
            "ES256" => {
                let point = [&[4][..], &bytes(&jwk.x), &bytes(&jwk.y)].concat();
                let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
                key.verify(message, signature).is_ok()
            }
            "EdDSA" => {
                let key = UnparsedPublicKey::new(&ED25519, bytes(&jwk.x));
                key.verify(message, signature).is_ok()
            }
            _ => {
                let (n, e) = (bytes(&jwk.n), bytes(&jwk.e));
                assert_eq!(n.len(), RSA_BITS / 8);
                let key = RsaPublicKeyComponents { n, e };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                    .is_ok()
            }
        }
    }

    #[test]
    fn a_stored_key_signs_what_its_public_half_verifies() {
        for algorithm in ALL {
            let key = SigningKey::open(&stored(algorithm), &vault(1)).expect("opens");
            let token = key.token(b"{}");
            let (signed, signature) = token.rsplit_once('.').expect("three parts");
            let jwk = JsonWebKey::from(key.public.clone());
            assert!(verifies(&jwk, signed.as_bytes(), &bytes(signature)));
            assert!(!verifies(&jwk, b"another", &bytes(signature)));
            let header = String::from_utf8(bytes(signed.split('.').next().expect("a part")));
            let header = header.expect("text");
            assert!(
                header.contains(&format!(r#""alg":"{}""#, algorithm.as_str())),
                "{header}"
            );
        }
    }

    #[test]
    fn another_master_key_or_another_row_or_another_algorithm_does_not_open_it() {
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
            let mut row = stored(algorithm);
            assert!(SigningKey::open(&row, &vault(2)).is_none());
            for other in ALL.into_iter().filter(|other| *other != algorithm) {
                row.algorithm = other;
                assert!(SigningKey::open(&row, &vault(1)).is_none());
            }
            row.algorithm = algorithm;
            row.kid = stored(algorithm).kid;
            assert!(SigningKey::open(&row, &vault(1)).is_none());
        }
    }
}
