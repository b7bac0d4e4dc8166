//! The keys that the operator keeps, and what is derived from them.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf,
};

use crate::domain::Random;

/// The master keys: the first encrypts, all decrypt. Replacing one means to put the new one in front
/// and to take the old one out once nothing is encrypted under it.
#[derive(Clone)]
pub(crate) struct MasterKeys(Vec<hkdf::Prk>);

impl MasterKeys {
    /// Reads a comma-separated list of 32-byte keys in base64.
    pub(crate) fn parse(list: &str) -> Result<Self, MasterKeyError> {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"portico-auth");
        let mut keys = Vec::new();
        for (index, text) in list.split(',').map(str::trim).enumerate() {
            if text.is_empty() && index == 0 && !list.contains(',') {
                return Err(MasterKeyError::Missing);
            }
            let bytes = BASE64_STANDARD
                .decode(text)
                .map_err(|_| MasterKeyError::Malformed(index + 1))?;
            if bytes.len() != 32 {
                return Err(MasterKeyError::Malformed(index + 1));
            }
            keys.push(salt.extract(&bytes));
        }
        Ok(Self(keys))
    }

    /// One key for a purpose, from the first master key.
    pub(crate) fn derive(&self, purpose: &str) -> [u8; 32] {
        let first = self.0.first().expect("master keys are at least one");
        derive(first, purpose)
    }

    /// One key for a purpose from each master key, in their order.
    pub(crate) fn derive_all(&self, purpose: &str) -> Vec<[u8; 32]> {
        self.0.iter().map(|key| derive(key, purpose)).collect()
    }
}

fn derive(key: &hkdf::Prk, purpose: &str) -> [u8; 32] {
    let mut derived = [0; 32];
    key.expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut derived))
        .expect("HKDF-SHA256 gives 32 bytes");
    derived
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKeys({} of them)", self.0.len())
    }
}

/// Why the configured master keys cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MasterKeyError {
    #[error(
        "AUTH__MASTER_KEY is not set; give it 32 random bytes in base64, such as `openssl rand -base64 32` prints"
    )]
    Missing,
    #[error("key {0} of AUTH__MASTER_KEY is not 32 bytes in base64")]
    Malformed(usize),
}

/// Encrypts what is stored (AES-256-GCM, RFC 5116). A random nonce goes before the ciphertext.
pub(crate) struct Vault {
    keys: Vec<LessSafeKey>,
    key_id: String,
}

impl Vault {
    pub(crate) fn new(master: &MasterKeys, purpose: &str) -> Self {
        let keys = master.derive_all(purpose);
        let ids = master.derive_all(&format!("{purpose}/id"));
        let id = ids.first().expect("master keys are at least one");
        Self {
            keys: keys
                .iter()
                .map(|key| UnboundKey::new(&AES_256_GCM, key).expect("the key has 32 bytes"))
                .map(LessSafeKey::new)
                .collect(),
            key_id: BASE64_STANDARD.encode(&id[..6]),
        }
    }

    /// Tells the first key, which encrypts, from others, and nothing more of it.
    pub(crate) fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Encrypts `secret` under the first key and binds it to `name`.
    pub(crate) fn seal(&self, name: &str, secret: &[u8], random: &Random) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = random.bytes();
        let mut sealed = secret.to_vec();
        self.keys
            .first()
            .expect("master keys are at least one")
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(name.as_bytes()),
                &mut sealed,
            )
            .expect("the secret is shorter than AES-GCM's limit");
        let mut stored = nonce.to_vec();
        stored.append(&mut sealed);
        stored
    }

    /// Decrypts under whichever key fits; `None` when none does or `name` is another's.
    pub(crate) fn open(&self, name: &str, stored: &[u8]) -> Option<Vec<u8>> {
        self.keys.iter().find_map(|key| open(key, name, stored))
    }

    /// Whether the first key decrypts it, so that nothing is to be done when the others go.
    pub(crate) fn is_current(&self, name: &str, stored: &[u8]) -> bool {
        let first = self.keys.first();
        first.is_some_and(|key| open(key, name, stored).is_some())
    }
}

fn open(key: &LessSafeKey, name: &str, stored: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = stored.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut buffer = sealed.to_vec();
    let opened = key
        .open_in_place(nonce, Aad::from(name.as_bytes()), &mut buffer)
        .ok()?;
    Some(opened.to_vec())
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> String {
        BASE64_STANDARD.encode([byte; 32])
    }

    fn vault(list: &str) -> Vault {
        Vault::new(&MasterKeys::parse(list).expect("good keys"), "test")
    }

    #[test]
    fn a_missing_or_malformed_key_is_named() {
        assert_eq!(MasterKeys::parse("").err(), Some(MasterKeyError::Missing));
        assert_eq!(MasterKeys::parse(" ").err(), Some(MasterKeyError::Missing));
        let short = BASE64_STANDARD.encode([1; 16]);
        for (list, index) in [
            (short.clone(), 1),
            (format!("{},{short}", key(1)), 2),
            (format!("{},", key(1)), 2),
            ("?".to_owned(), 1),
        ] {
            let error = MasterKeys::parse(&list).err();
            assert_eq!(error, Some(MasterKeyError::Malformed(index)), "{list}");
        }
    }

    #[test]
    fn the_first_key_encrypts_and_all_decrypt() {
        let random = Random::system();
        let old = vault(&key(1)).seal("a", b"secret", &random);
        let both = vault(&format!("{},{}", key(2), key(1)));
        assert_eq!(both.open("a", &old).as_deref(), Some(&b"secret"[..]));
        assert!(!both.is_current("a", &old));
        let new = both.seal("a", b"secret", &random);
        assert!(both.is_current("a", &new) && !both.is_current("b", &new));
        assert_ne!(both.key_id(), vault(&key(1)).key_id());
        assert_eq!(both.key_id(), vault(&key(2)).key_id());
        assert_eq!(
            vault(&key(2)).open("a", &new).as_deref(),
            Some(&b"secret"[..])
        );
        assert_eq!(vault(&key(1)).open("a", &new), None);
    }

    #[test]
    fn what_is_sealed_for_one_name_does_not_open_for_another() {
        let vault = vault(&key(1));
        let mut sealed = vault.seal("a", b"secret", &Random::system());
        assert_eq!(vault.open("b", &sealed), None);
        assert_eq!(vault.open("a", &sealed[..5]), None);
        sealed[20] ^= 1;
        assert_eq!(vault.open("a", &sealed), None);
    }

    #[test]
    fn nothing_secret_is_printed() {
        let master = MasterKeys::parse(&key(7)).expect("good keys");
        assert_eq!(format!("{master:?}"), "MasterKeys(1 of them)");
        assert_eq!(format!("{:?}", vault(&key(7))), "Vault(***)");
    }
}
