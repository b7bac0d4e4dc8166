//! What an access token says (RFC 9068, section 2.2).

use std::{convert::Infallible, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The claims of an access token. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who made the token.
    pub iss: String,
    /// Whom it is for.
    pub aud: Audience,
    /// Whose it is: an account's id, or `service:<name>`.
    pub sub: String,
    /// The client that asked for it.
    pub client_id: String,
    /// The token's own id.
    pub jti: String,
    /// When it was made.
    pub iat: u64,
    /// From when on it is not good any more.
    pub exp: u64,
    /// From when on it is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// The session that it hangs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// What it allows.
    #[serde(default, skip_serializing_if = "Scopes::is_empty")]
    pub scope: Scopes,
    /// The roles of the account.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// When the person last proved who they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<u64>,
    /// How sure that made us: `aal1` with one factor, `aal2` with two (NIST SP 800-63B, section 4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// How they proved it (RFC 8176): `pwd`, `otp`, `mfa`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
}

/// Whom a token is for: one name or several (RFC 7519, section 4.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One name.
    One(String),
    /// Several names.
    Many(Vec<String>),
}

impl Audience {
    /// Whether the name is among them.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::One(one) => one == name,
            Self::Many(many) => many.iter().any(|one| one == name),
        }
    }
}

/// A set of scopes; as text, their names with spaces between (RFC 6749, section 3.3).
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Scopes(Vec<Box<str>>);

impl Scopes {
    /// Whether the scope is in the set.
    pub fn contains(&self, scope: &str) -> bool {
        self.0.iter().any(|held| held.as_ref() == scope)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, each once, in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }
}

impl<S: AsRef<str>> FromIterator<S> for Scopes {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        let mut scopes = Self::default();
        for name in names {
            for name in name.as_ref().split(' ').filter(|name| !name.is_empty()) {
                if !scopes.contains(name) {
                    scopes.0.push(name.into());
                }
            }
        }
        scopes
    }
}

impl FromStr for Scopes {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok([text].into_iter().collect())
    }
}

impl From<String> for Scopes {
    fn from(text: String) -> Self {
        [text].into_iter().collect()
    }
}

impl From<Scopes> for String {
    fn from(scopes: Scopes) -> Self {
        scopes.0.join(" ")
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(&self.0).finish()
    }
}
