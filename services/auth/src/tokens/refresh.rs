//! Refresh tokens: a family that stays and a secret that changes with each use.

use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{digest, hmac};

use crate::{domain::Random, keys::MasterKeys};

/// The hash under which a part of a token is stored. The parts are 256 random bits, so a plain
/// SHA-256 cannot be turned back.
pub(crate) type Hash = [u8; 32];

/// A refresh token. In writing it is base64url of both parts.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RefreshToken {
    family: [u8; 32],
    secret: [u8; 32],
}

impl RefreshToken {
    /// The first token of a new family.
    pub(crate) fn new(random: &Random) -> Self {
        Self {
            family: random.bytes(),
            secret: random.bytes(),
        }
    }

    /// Reads a token; `None` when it is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let (family, secret) = bytes.split_at_checked(32)?;
        Some(Self {
            family: family.try_into().ok()?,
            secret: secret.try_into().ok()?,
        })
    }

    /// The token as the client keeps it.
    pub(crate) fn encode(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.bytes())
    }

    /// Finds the family.
    pub(crate) fn family_hash(&self) -> Hash {
        sha256(&self.family)
    }

    /// Tells which of the family's tokens it is.
    pub(crate) fn hash(&self) -> Hash {
        sha256(&self.secret)
    }

    fn bytes(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&self.family);
        bytes[32..].copy_from_slice(&self.secret);
        bytes
    }
}

/// Tokens never reach a log.
impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken(***)")
    }
}

/// The hash of what has at least 112 random bits.
pub(crate) fn sha256(bytes: &[u8]) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

/// Computes which token follows another.
///
/// The successor hangs on the token and a key alone, so racing clients get the same one and nothing
/// has to be stored in plain.
#[derive(Clone)]
pub(crate) struct Successors(Vec<hmac::Key>);

impl Successors {
    /// From the master keys: the first computes, all are tried when looking back.
    pub(crate) fn new(master: &MasterKeys) -> Self {
        let keys = master.derive_all("refresh-successor");
        Self(
            keys.iter()
                .map(|key| hmac::Key::new(hmac::HMAC_SHA256, key))
                .collect(),
        )
    }

    /// The token that follows.
    pub(crate) fn next(&self, token: &RefreshToken) -> RefreshToken {
        let first = self.0.first().expect("master keys are at least one");
        follow(first, token)
    }

    /// The successor of `token`, at most `steps` away, whose hash is `current`.
    pub(crate) fn find(
        &self,
        token: &RefreshToken,
        current: &[u8],
        steps: usize,
    ) -> Option<RefreshToken> {
        self.0.iter().find_map(|key| {
            let mut candidate = token.clone();
            (0..steps).find_map(|_| {
                candidate = follow(key, &candidate);
                (candidate.hash() == current).then(|| candidate.clone())
            })
        })
    }
}

fn follow(key: &hmac::Key, token: &RefreshToken) -> RefreshToken {
    let tag = hmac::sign(key, &token.bytes());
    let mut secret = [0; 32];
    secret.copy_from_slice(tag.as_ref());
    RefreshToken {
        family: token.family,
        secret,
    }
}

impl fmt::Debug for Successors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Successors(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn master(bytes: &[u8]) -> MasterKeys {
        let list: Vec<String> = bytes
            .iter()
            .map(|b| base64::prelude::BASE64_STANDARD.encode([*b; 32]))
            .collect();
        MasterKeys::parse(&list.join(",")).expect("good keys")
    }

    #[test]
    fn a_token_survives_writing_and_reading() {
        let token = RefreshToken::new(&Random::system());
        assert_eq!(token.encode().len(), 86);
        assert_eq!(RefreshToken::parse(&token.encode()), Some(token));
    }

    /// A token of a session is random from its first bit to its last, and each part of it has more than the
    /// 128 bits that ASVS 7.2.3 asks for.
    #[test]
    fn no_bit_of_a_token_is_the_same_in_all() {
        let random = Random::system();
        let tokens: Vec<_> = (0..64).map(|_| RefreshToken::new(&random)).collect();
        for (index, token) in tokens.iter().enumerate() {
            for other in &tokens[index + 1..] {
                assert_ne!(token.family_hash(), other.family_hash());
                assert_ne!(token.hash(), other.hash());
            }
        }
        let all = |start, join: fn(u8, u8) -> u8| {
            let bytes = tokens.iter().map(RefreshToken::bytes);
            bytes.fold([start; 64], |all, one| {
                std::array::from_fn(|at| join(all[at], one[at]))
            })
        };
        // That a random bit is the same in 64 tokens happens once in 2^63.
        assert_eq!(all(0, |a, b| a | b), [u8::MAX; 64]);
        assert_eq!(all(u8::MAX, |a, b| a & b), [0; 64]);
    }

    #[test]
    fn what_is_no_token_is_told() {
        for text in ["", "abc", "!!", &"A".repeat(85), &"A".repeat(88)] {
            assert_eq!(RefreshToken::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_successor_is_found_again_under_any_of_the_keys_and_no_further_than_allowed() {
        let token = RefreshToken::new(&Random::system());
        let old = Successors::new(&master(&[1]));
        let new = Successors::new(&master(&[2, 1]));
        let next = old.next(&token);
        let third = old.next(&next);
        assert_ne!(new.next(&token), next);
        assert_eq!(new.find(&token, &next.hash(), 1), Some(next));
        assert_eq!(new.find(&token, &third.hash(), 2), Some(third.clone()));
        assert_eq!(new.find(&token, &third.hash(), 1), None);
        let stranger = Successors::new(&master(&[3]));
        assert_eq!(stranger.find(&token, &third.hash(), 9), None);
    }

    #[test]
    fn the_family_stays_and_the_secret_changes() {
        let token = RefreshToken::new(&Random::system());
        let next = Successors::new(&master(&[1])).next(&token);
        assert_eq!(token.family_hash(), next.family_hash());
        assert_ne!(token.hash(), next.hash());
    }
}
