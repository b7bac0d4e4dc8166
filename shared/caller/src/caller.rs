//! Who calls.

use crate::{Audience, Claims, Refusal, Scopes};

/// The scope that opens internal methods. Only services hold it; no role and no client may give it.
pub const INTERNAL_SCOPE: &str = "portico.internal";

/// What the subject of a service's own token starts with, before the service's name.
pub const SERVICE_SUBJECT_PREFIX: &str = "service:";

/// What the `sid` of a token starts with that an API key was exchanged for.
pub const KEY_SESSION_PREFIX: &str = "key:";

/// The holder of a verified access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account's id, or `service:<name>`.
    pub subject: String,
    /// The session, when the token hangs on one.
    pub session: Option<String>,
    /// The token's own id.
    pub token_id: String,
    /// Whom the token is for.
    pub audience: Audience,
    /// The client that asked for the token.
    pub client_id: String,
    /// What the token allows.
    pub scopes: Scopes,
    /// The roles of the account when the token was made.
    pub roles: Vec<String>,
    /// When the person last proved who they are, in seconds since 1970; programs prove nothing.
    pub auth_time: Option<u64>,
    /// How sure that made us: `aal1` with one factor, `aal2` with two (NIST SP 800-63B, section 4).
    pub acr: Option<String>,
    /// When the token was made, in seconds since 1970.
    pub issued_at: u64,
    /// When the token expires, in seconds since 1970.
    pub expires_at: u64,
    /// Whether it is a service of the same deployment.
    pub service: bool,
}

impl Caller {
    /// Whether the token holds the scope.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.contains(scope)
    }

    /// Whether the id is the caller's own. Hexadecimal digits may differ in case.
    pub fn is(&self, id: &str) -> bool {
        self.subject.eq_ignore_ascii_case(id)
    }

    /// Whether it is a program that presents somebody's API key, and not that person herself.
    pub fn is_key(&self) -> bool {
        let session = self.session.as_deref();
        session.is_some_and(|id| id.starts_with(KEY_SESSION_PREFIX))
    }

    /// Refuses unless every one of the scopes is held.
    pub(crate) fn holds_all(&self, scopes: &[String]) -> Result<(), Refusal> {
        match scopes.iter().find(|scope| !self.has_scope(scope)) {
            Some(missing) => Err(Refusal::Scope(missing.clone())),
            None => Ok(()),
        }
    }
}

impl From<Claims> for Caller {
    fn from(claims: Claims) -> Self {
        // Both marks are needed, so that neither a scope nor a subject alone lets anybody in.
        let named = claims.sub.strip_prefix(SERVICE_SUBJECT_PREFIX);
        let service =
            named.is_some_and(|name| !name.is_empty()) && claims.scope.contains(INTERNAL_SCOPE);
        Self {
            subject: claims.sub,
            session: claims.sid,
            token_id: claims.jti,
            audience: claims.aud,
            auth_time: claims.auth_time,
            acr: claims.acr,
            issued_at: claims.iat,
            client_id: claims.client_id,
            scopes: claims.scope,
            roles: claims.roles,
            expires_at: claims.exp,
            service,
        }
    }
}
