//! OAuth clients, service accounts and API keys.

use chrono::{DateTime, Utc};
use portico_caller::KEY_SESSION_PREFIX;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Scopes, SecretHash};

/// The client of a first-party sign-in: public, built in, and in no table.
pub(crate) const FIRST_PARTY: &str = "portico";

/// How a client proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthMethod {
    Secret,
    PrivateKeyJwt,
    None,
}

impl AuthMethod {
    const ALL: [Self; 3] = [Self::Secret, Self::PrivateKeyJwt, Self::None];

    /// The word that is stored.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "client_secret",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::None => "none",
        }
    }

    /// The method of that word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == word)
    }
}

/// What a client may ask for tokens by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum GrantType {
    ClientCredentials,
    RefreshToken,
}

impl GrantType {
    /// All that there are.
    pub(crate) const ALL: [Self; 2] = [Self::ClientCredentials, Self::RefreshToken];

    /// The name in a request (RFC 6749).
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::RefreshToken => "refresh_token",
        }
    }

    /// The grant of that name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }
}

/// A public key of a client (RFC 7517), as it was given. Values are base64url without padding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ClientKey {
    pub(crate) kty: String,
    pub(crate) r#use: String,
    pub(crate) alg: String,
    pub(crate) kid: String,
    pub(crate) crv: String,
    pub(crate) x: String,
    pub(crate) y: String,
    pub(crate) n: String,
    pub(crate) e: String,
}

/// A program that asks for tokens.
#[derive(Clone, Debug)]
pub(crate) struct OAuthClient {
    pub(crate) id: Uuid,
    pub(crate) display_name: String,
    pub(crate) auth_method: AuthMethod,
    pub(crate) grant_types: Vec<GrantType>,
    pub(crate) scopes: Scopes,
    pub(crate) resources: Vec<String>,
    pub(crate) keys: Vec<ClientKey>,
    /// Whether it may ask about every token, and not only about its own.
    pub(crate) introspects_all: bool,
    pub(crate) disabled: bool,
    pub(crate) secret: Option<SecretHash>,
    pub(crate) previous_secret: Option<PreviousSecret>,
    /// Grows when the tokens of before are to be refused.
    pub(crate) epoch: i64,
    pub(crate) revision: i64,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) update_time: DateTime<Utc>,
}

/// The secret before the current one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PreviousSecret {
    pub(crate) hash: SecretHash,
    pub(crate) expire_time: DateTime<Utc>,
}

impl OAuthClient {
    /// The `sid` of its tokens, by which they are refused all at once.
    pub(crate) fn token_sid(&self) -> String {
        format!("client:{}:{}", self.id, self.epoch)
    }
}

/// A machine's account.
#[derive(Clone, Debug)]
pub(crate) struct ServiceAccount {
    pub(crate) id: Uuid,
    pub(crate) display_name: String,
    pub(crate) scopes: Scopes,
    pub(crate) disabled: bool,
    pub(crate) revision: i64,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) update_time: DateTime<Utc>,
}

/// Whose an API key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyOwner {
    User(Uuid),
    ServiceAccount(Uuid),
}

impl KeyOwner {
    /// The word that is stored.
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::ServiceAccount(_) => "service-account",
        }
    }

    pub(crate) const fn id(self) -> Uuid {
        match self {
            Self::User(id) | Self::ServiceAccount(id) => id,
        }
    }

    /// The owner of that word and id.
    pub(crate) fn parse(kind: &str, id: Uuid) -> Option<Self> {
        [Self::User(id), Self::ServiceAccount(id)]
            .into_iter()
            .find(|it| it.kind() == kind)
    }

    /// The `sub` of its tokens.
    pub(crate) fn subject(self) -> String {
        match self {
            Self::User(id) => id.to_string(),
            Self::ServiceAccount(id) => format!("service-account:{id}"),
        }
    }
}

/// An API key, without its secret.
#[derive(Clone, Debug)]
pub(crate) struct ApiKey {
    pub(crate) id: Uuid,
    pub(crate) owner: KeyOwner,
    pub(crate) display_name: String,
    pub(crate) scopes: Scopes,
    pub(crate) hint: String,
    /// Grows when the tokens of before are to be refused.
    pub(crate) generation: i64,
    pub(crate) previous_expire_time: Option<DateTime<Utc>>,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) expire_time: DateTime<Utc>,
    pub(crate) last_used_time: Option<DateTime<Utc>>,
}

impl ApiKey {
    /// The `sid` of its tokens.
    pub(crate) fn token_sid(&self) -> String {
        key_sid(self.id, self.generation)
    }
}

/// The `sid` of the tokens of one generation of a key. It is no UUID, so that what ends sessions of people
/// does not take it for one.
pub(crate) fn key_sid(id: Uuid, generation: i64) -> String {
    format!("{KEY_SESSION_PREFIX}{id}:{generation}")
}
