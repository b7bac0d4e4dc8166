//! Why a call is not let in.

use portico_proto::error::Reason;
use tonic::Status;

/// Why a token or a call was refused. The text of each is fit for the caller to read, and holds nothing
/// of the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The call needs a token and has none.
    #[error("a bearer token is needed")]
    Missing,
    /// What came is no access token at all.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// The token was not made by the issuer for this audience.
    #[error("the token is not valid: {0}")]
    Forged(&'static str),
    /// The token was good once.
    #[error("the token has expired")]
    Expired,
    /// The session of the token was ended.
    #[error("the session was ended")]
    Revoked,
    /// The keys that would tell cannot be had at the moment.
    #[error("tokens cannot be verified at the moment")]
    KeysUnavailable,
    /// The token lacks a scope.
    #[error("the scope {0} is needed")]
    Scope(String),
    /// The thing belongs to somebody else, and no scope helps.
    #[error("it belongs to another account")]
    Foreign,
    /// The method is for services of the same deployment.
    #[error("the method is for services of the same deployment")]
    Internal,
}

impl Refusal {
    /// The reason that programs read.
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Missing => Reason::TokenMissing,
            Self::Malformed(_) | Self::Forged(_) => Reason::TokenInvalid,
            Self::Expired => Reason::TokenExpired,
            Self::Revoked => Reason::SessionRevoked,
            Self::KeysUnavailable => Reason::Unavailable,
            Self::Scope(_) | Self::Foreign => Reason::InsufficientScope,
            Self::Internal => Reason::InternalOnly,
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        refusal.reason().status(refusal.to_string())
    }
}
