//! Secrets of machines: client secrets and API keys.

use std::fmt;

use ring::digest;
use subtle::ConstantTimeEq;

use super::Random;

/// The hash under which a secret is stored. A secret is 256 random bits, so a plain SHA-256 cannot be
/// turned back.
pub(crate) type SecretHash = [u8; 32];

/// What every secret starts with, so that scanners of source code find it.
const PREFIX: &str = "ptc_";
/// 256 bits in base 62.
const DIGITS: usize = 43;
/// 32 bits in base 62.
const CHECK_DIGITS: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A secret in writing: `ptc_`, 43 digits in base 62, and six more that are the CRC-32 of what stands
/// before them, so that a typo, or a scanner's find, can be told from a secret without asking anybody.
pub(crate) struct MachineSecret(String);

impl MachineSecret {
    /// A new one.
    pub(crate) fn new(random: &Random) -> Self {
        let mut text = String::with_capacity(PREFIX.len() + DIGITS + CHECK_DIGITS);
        text.push_str(PREFIX);
        push_base62(random.bytes::<32>().to_vec(), DIGITS, &mut text);
        let check = crc32(text.as_bytes()).to_be_bytes().to_vec();
        push_base62(check, CHECK_DIGITS, &mut text);
        Self(text)
    }

    /// The hash of what somebody presents; `None` when it cannot be a secret.
    pub(crate) fn hash_of(presented: &str) -> Option<SecretHash> {
        if presented.len() != PREFIX.len() + DIGITS + CHECK_DIGITS
            || !presented.starts_with(PREFIX)
            || !presented.is_ascii()
        {
            return None;
        }
        let (text, check) = presented.split_at(PREFIX.len() + DIGITS);
        let mut expected = String::with_capacity(CHECK_DIGITS);
        let crc = crc32(text.as_bytes()).to_be_bytes().to_vec();
        push_base62(crc, CHECK_DIGITS, &mut expected);
        (check == expected).then(|| sha256(presented.as_bytes()))
    }

    /// The hash to store.
    pub(crate) fn hash(&self) -> SecretHash {
        sha256(self.0.as_bytes())
    }

    /// As much of it as its owner needs to know it again.
    pub(crate) fn hint(&self) -> String {
        self.0.chars().take(PREFIX.len() + 4).collect()
    }

    /// The text, to be shown once.
    pub(crate) fn reveal(self) -> String {
        self.0
    }
}

/// Secrets never reach a log.
impl fmt::Debug for MachineSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MachineSecret(***)")
    }
}

/// Whether two hashes are the same, in a time that does not tell where they differ.
pub(crate) fn same(a: &SecretHash, b: &SecretHash) -> bool {
    a.ct_eq(b).into()
}

fn sha256(bytes: &[u8]) -> SecretHash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

/// Appends a number, big end first, as so many digits.
fn push_base62(mut number: Vec<u8>, digits: usize, out: &mut String) {
    let mut written = vec![0; digits];
    for digit in written.iter_mut().rev() {
        let mut remainder = 0_u32;
        for byte in &mut number {
            let value = remainder << 8 | u32::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            remainder = value % 62;
        }
        *digit = ALPHABET[remainder as usize];
    }
    out.extend(written.into_iter().map(char::from));
}

/// CRC-32 as in IEEE 802.3.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_that_everybody_knows() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn a_number_keeps_its_zeros() {
        let base62 = |number: &[u8], digits| {
            let mut text = String::new();
            push_base62(number.to_vec(), digits, &mut text);
            text
        };
        assert_eq!(base62(&[0, 61], 3), "00z");
        assert_eq!(base62(&[0, 62], 3), "010");
        let most = base62(&[255; 32], DIGITS);
        assert!(!most.starts_with('0'), "256 bits need every digit: {most}");
        assert_eq!(base62(&[255; 4], CHECK_DIGITS), "4gfFC3");
    }

    #[test]
    fn a_secret_is_known_by_its_hash_and_a_typo_by_its_checksum() {
        let random = Random::system();
        let secret = MachineSecret::new(&random);
        let hash = secret.hash();
        assert_eq!(format!("{secret:?}"), "MachineSecret(***)");
        assert_eq!(secret.hint().len(), 8);
        let text = secret.reveal();
        assert_eq!(MachineSecret::hash_of(&text), Some(hash));
        assert_ne!(MachineSecret::new(&random).hash(), hash);
        for at in 0..text.len() {
            let mut typo = text.clone().into_bytes();
            typo[at] = if typo[at] == b'x' { b'y' } else { b'x' };
            let typo = String::from_utf8(typo).expect("ASCII");
            assert_eq!(MachineSecret::hash_of(&typo), None, "{typo}");
        }
        for other in ["", "ptc_", "ü", &text[1..], &format!("{text}0")] {
            assert_eq!(MachineSecret::hash_of(other), None, "{other}");
        }
    }
}
