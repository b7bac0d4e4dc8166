//! What goes back: JSON, with the errors of RFC 6749, section 5.2.

use bytes::Bytes;
use serde::Serialize;

use crate::error::Error;

/// An answer with its HTTP status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// JSON, or nothing.
    pub(crate) body: Bytes,
}

impl Answer {
    /// A good answer.
    pub(crate) fn json(body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("the answer is texts and numbers");
        Self {
            status: 200,
            body: body.into(),
        }
    }

    /// A good answer that says nothing.
    pub(crate) const fn empty() -> Self {
        Self {
            status: 200,
            body: Bytes::new(),
        }
    }
}

/// Why there is no good answer.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The request is refused, and told so.
    Refused(Refusal),
    /// Something behind it failed.
    Failed(Error),
}

/// An error of RFC 6749, section 5.2, with a sentence for the person who reads it. It never repeats what
/// was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) description: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    UnauthorizedClient,
    UnsupportedGrantType,
    InvalidScope,
    /// RFC 8707, section 2.
    InvalidTarget,
}

impl Code {
    /// The name on the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
        }
    }

    pub(crate) fn is(self, description: &'static str) -> Fault {
        Fault::Refused(Refusal {
            code: self,
            description,
        })
    }
}

impl Refusal {
    /// The answer that tells it.
    pub(crate) fn answer(self) -> Answer {
        #[derive(Serialize)]
        struct Body {
            error: &'static str,
            error_description: &'static str,
        }
        let status = match self.code {
            Code::InvalidClient => 401,
            _ => 400,
        };
        Answer {
            status,
            ..Answer::json(&Body {
                error: self.code.as_str(),
                error_description: self.description,
            })
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<crate::storage::Error> for Fault {
    fn from(error: crate::storage::Error) -> Self {
        Self::Failed(error.into())
    }
}
