//! One key pair.

use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use ring::{
    digest,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};

use super::Vault;
use crate::domain::Random;

/// The one algorithm that keys are made for (RFC 7518, section 3.4).
pub(crate) const ALGORITHM: &str = "ES256";

/// The public half of a P-256 key, as coordinates in base64url (RFC 7518, section 6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicKey {
    pub(crate) kid: String,
    pub(crate) x: String,
    pub(crate) y: String,
}

impl PublicKey {
    /// From an uncompressed point. The key's id is its thumbprint (RFC 7638).
    fn new(point: &[u8]) -> Option<Self> {
        let coordinates = point.strip_prefix(&[4])?;
        let (x, y) = coordinates.split_at_checked(32)?;
        let (x, y) = (
            BASE64_URL_SAFE_NO_PAD.encode(x),
            BASE64_URL_SAFE_NO_PAD.encode(y),
        );
        let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let thumbprint = digest::digest(&digest::SHA256, members.as_bytes());
        Some(Self {
            kid: BASE64_URL_SAFE_NO_PAD.encode(thumbprint),
            x,
            y,
        })
    }
}

/// A key pair that signs, and from when on it does.
pub(crate) struct SigningKey {
    pub(crate) public: PublicKey,
    pub(crate) activate_time: DateTime<Utc>,
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

/// A key pair as it is stored.
pub(crate) struct StoredKey {
    pub(crate) kid: String,
    pub(crate) activate_time: DateTime<Utc>,
    /// When the last token that it may have signed is dead; unknown until a successor is planned.
    pub(crate) retire_time: Option<DateTime<Utc>>,
    /// The PKCS#8 document, encrypted and bound to `kid`.
    pub(crate) sealed: Vec<u8>,
}

impl SigningKey {
    /// A fresh key, in its stored form.
    pub(crate) fn generate(
        vault: &Vault,
        random: &Random,
        activate_time: DateTime<Utc>,
    ) -> StoredKey {
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
                .expect("an operating system that gives no random bytes cannot run this service");
        let key = Self::from_pkcs8(document.as_ref(), activate_time)
            .expect("a document that was just made can be read");
        StoredKey {
            sealed: vault.seal(&key.public.kid, document.as_ref(), random),
            kid: key.public.kid,
            activate_time,
            retire_time: None,
        }
    }

    /// Decrypts a stored key; `None` when no master key fits or the row was tampered with.
    pub(crate) fn open(stored: &StoredKey, vault: &Vault) -> Option<Self> {
        let document = vault.open(&stored.kid, &stored.sealed)?;
        let key = Self::from_pkcs8(&document, stored.activate_time)?;
        (key.public.kid == stored.kid).then_some(key)
    }

    fn from_pkcs8(document: &[u8], activate_time: DateTime<Utc>) -> Option<Self> {
        let random = SystemRandom::new();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document, &random).ok()?;
        Some(Self {
            public: PublicKey::new(pair.public_key().as_ref())?,
            activate_time,
            pair,
            random,
        })
    }

    /// Signs with ECDSA on P-256 and SHA-256, in the fixed form of JWS (RFC 7518, section 3.4).
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair
            .sign(&self.random, message)
            .expect("an operating system that gives no random bytes cannot run this service")
            .as_ref()
            .to_vec()
    }
}

/// The private half never reaches a log.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.public.kid)
            .field("activate_time", &self.activate_time)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_STANDARD;
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::{super::MasterKeys, *};

    fn vault(byte: u8) -> Vault {
        let master = MasterKeys::parse(&BASE64_STANDARD.encode([byte; 32])).expect("good key");
        Vault::new(&master, "signing-key")
    }

    #[test]
    fn a_stored_key_signs_what_its_public_half_verifies() {
        let stored = SigningKey::generate(&vault(1), &Random::system(), DateTime::UNIX_EPOCH);
        let key = SigningKey::open(&stored, &vault(1)).expect("opens");
        let mut point = vec![4];
        for part in [&key.public.x, &key.public.y] {
            point.extend(BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64"));
        }
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(b"message", &key.sign(b"message"))
            .expect("verifies");
    }

    #[test]
    fn another_master_key_or_another_row_does_not_open_it() {
        let random = Random::system();
        let mut stored = SigningKey::generate(&vault(1), &random, DateTime::UNIX_EPOCH);
        assert!(SigningKey::open(&stored, &vault(2)).is_none());
        stored.kid = SigningKey::generate(&vault(1), &random, DateTime::UNIX_EPOCH).kid;
        assert!(SigningKey::open(&stored, &vault(1)).is_none());
    }

    /// The example of RFC 7638 is an RSA key; this is the EC key of RFC 7517, appendix A.1, whose
    /// thumbprint other libraries print too.
    #[test]
    fn the_key_id_is_the_thumbprint() {
        let mut point = vec![4];
        for part in [
            "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        ] {
            point.extend(BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64"));
        }
        let key = PublicKey::new(&point).expect("a point");
        assert_eq!(key.kid, "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s");
    }
}
