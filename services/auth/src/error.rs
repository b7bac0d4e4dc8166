//! Why a call is refused, and what the caller is told of it.

use std::time::Duration;

use portico_proto::error::{Reason, Violation, invalid};
use tonic::Status;

use crate::{passwords::Overloaded, storage};

/// How long to wait before trying again what something behind this service could not do.
const RETRY: Duration = Duration::from_secs(1);

/// Everything that a use case can end with besides success.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the request is invalid")]
    Invalid(Vec<Violation>),
    #[error("the credentials are not right")]
    InvalidCredentials,
    #[error("the refresh token is not good")]
    InvalidGrant,
    #[error("the account has no such open session")]
    SessionNotFound,
    #[error("the hashing queue is full")]
    Overloaded(Overloaded),
    #[error("the user service is away")]
    UsersAway,
    #[error("a stored signing key ({0}) does not open under any key of AUTH__MASTER_KEY")]
    SealedKey(String),
    #[error("there is no signing key")]
    NoSigningKey,
    #[error("storage: {0}")]
    Storage(#[from] storage::Error),
}

impl From<Overloaded> for Error {
    fn from(overloaded: Overloaded) -> Self {
        Self::Overloaded(overloaded)
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(violations) => invalid(violations),
            Error::InvalidCredentials => {
                Reason::InvalidCredentials.status("the address or the password is not right")
            }
            Error::InvalidGrant => {
                Reason::InvalidGrant.status("the refresh token is unknown, expired or used")
            }
            Error::SessionNotFound => {
                Reason::SessionNotFound.status("the account has no such open session")
            }
            Error::Overloaded(Overloaded { retry_after }) => {
                Reason::Overloaded.retry_after("too many sign-ins at once", retry_after)
            }
            Error::UsersAway => {
                Reason::Unavailable.retry_after("accounts cannot be reached at the moment", RETRY)
            }
            Error::Storage(cause) if cause.is_temporary() => {
                tracing::warn!(%cause, "the database is away");
                Reason::Unavailable.retry_after("the service is not available", RETRY)
            }
            cause @ (Error::Storage(_) | Error::SealedKey(_) | Error::NoSigningKey) => {
                tracing::error!(%cause, "a call failed");
                Reason::Internal.status("the service made a mistake")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;

    use super::*;

    #[test]
    fn causes_are_not_sent() {
        let status = Status::from(Error::SealedKey("kid-1".to_owned()));
        assert_eq!(Reason::of(&status), Some(Reason::Internal));
        assert!(!status.message().contains("kid-1"));
    }

    #[test]
    fn a_full_queue_says_when_to_come_back() {
        let retry_after = Duration::from_secs(1);
        let status = Status::from(Error::Overloaded(Overloaded { retry_after }));
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        let delay = status
            .get_details_retry_info()
            .and_then(|info| info.retry_delay);
        assert_eq!(delay, Some(retry_after));
    }
}
