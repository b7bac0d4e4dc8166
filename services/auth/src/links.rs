//! Links that come by mail: each works once, for a while, and until a newer one is sent.

use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use portico_service::config::AuthConfig;
use ring::digest;
use uuid::Uuid;

use crate::{
    domain::{Email, Random},
    tokens::Hash,
};

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Proves that an address is the person's.
    Verify,
    /// The same for an address that the account has not got yet.
    Change,
    /// Sets a new password.
    Reset,
}

impl Purpose {
    /// The word that is stored.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Change => "change",
            Self::Reset => "reset",
        }
    }

    /// The purpose of that word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Verify, Self::Change, Self::Reset]
            .into_iter()
            .find(|purpose| purpose.as_str() == word)
    }

    /// How long a link of this kind works.
    pub(crate) const fn life(self) -> TimeDelta {
        match self {
            Self::Verify => TimeDelta::hours(24),
            Self::Change => TimeDelta::hours(1),
            Self::Reset => TimeDelta::minutes(15),
        }
    }
}

/// What a link allows.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) user_id: Uuid,
    pub(crate) purpose: Purpose,
    /// The address to which it was sent.
    pub(crate) email: Email,
    /// The address that the account had then.
    pub(crate) previous_email: Email,
}

/// The secret in a link: 256 random bits, of which a plain SHA-256 is stored.
pub(crate) struct LinkToken([u8; 32]);

impl LinkToken {
    pub(crate) fn new(random: &Random) -> Self {
        Self(random.bytes())
    }

    /// Reads a token; `None` when it is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }

    pub(crate) fn hash(&self) -> Hash {
        let digest = digest::digest(&digest::SHA256, &self.0);
        digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
    }
}

/// Links never reach a log.
impl fmt::Debug for LinkToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkToken(***)")
    }
}

/// Where links lead.
#[derive(Clone, Debug)]
pub(crate) struct Pages {
    verify_email: String,
    reset_password: String,
}

impl Pages {
    pub(crate) fn new(config: &AuthConfig) -> Self {
        Self {
            verify_email: config.link_verify_email.clone(),
            reset_password: config.link_reset_password.clone(),
        }
    }

    /// The page of a purpose, for a token.
    pub(crate) fn page(&self, purpose: Purpose, token: &LinkToken) -> String {
        let page = match purpose {
            Purpose::Verify | Purpose::Change => &self.verify_email,
            Purpose::Reset => &self.reset_password,
        };
        page.replace("{token}", &BASE64_URL_SAFE_NO_PAD.encode(token.0))
    }
}
