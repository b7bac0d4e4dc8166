//! Why a call is refused, and what the caller is told of it.

use std::time::Duration;

use portico_proto::error::{Reason, Violation, invalid};
use tonic::Status;
use uuid::Uuid;

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
    #[error("the code is not right")]
    InvalidCode,
    #[error("the challenge is not good")]
    ChallengeOver,
    #[error("no secret waits to be confirmed")]
    NothingToConfirm,
    #[error("too many wrong codes")]
    TooManyCodes(Duration),
    #[error("the last proof is too old")]
    StepUpRequired,
    #[error("a role demands a second factor")]
    FactorDemanded,
    #[error("the account has no second factor")]
    NotEnrolled,
    #[error("no account has the id")]
    UserNotFound,
    #[error("the link is not good")]
    InvalidLink,
    #[error("another account has the address")]
    EmailTaken,
    #[error("too many attempts")]
    TooManyAttempts(Duration),
    #[error("the file of breached passwords cannot be read: {0}")]
    BreachedPasswords(std::io::Error),
    #[error("the account has no such open session")]
    SessionNotFound,
    #[error("no oauth client has the id")]
    ClientNotFound,
    #[error("no service account has the id")]
    ServiceAccountNotFound,
    #[error("the owner has no api key of the id")]
    ApiKeyNotFound,
    #[error("the api key is not good")]
    ApiKeyInvalid,
    #[error("the caller does not hold {0}")]
    ScopeNotHeld(String),
    #[error("an api key makes no credentials")]
    NotByKey,
    #[error("there are {0} already")]
    LimitReached(u32),
    #[error("somebody else changed it first")]
    EtagMismatch,
    #[error("the hashing queue is full")]
    Overloaded(Overloaded),
    #[error("the user service is away")]
    UsersAway,
    #[error("a stored signing key ({0}) does not open under any key of AUTH__MASTER_KEY")]
    SealedKey(String),
    #[error("the second factor of {0} does not open under any key of AUTH__MASTER_KEY")]
    SealedFactor(Uuid),
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
            Error::InvalidCode => {
                Reason::InvalidCode.status("the code is wrong, or was used before")
            }
            Error::ChallengeOver => {
                Reason::InvalidGrant.status("the challenge is unknown, used or over; sign in again")
            }
            Error::NothingToConfirm => Reason::InvalidGrant
                .status("no secret waits to be confirmed, or not any more; enrol again"),
            Error::TooManyCodes(wait) => Reason::TooManyAttempts.retry_after(
                "too many wrong codes; a recovery code is taken even now",
                wait,
            ),
            Error::StepUpRequired => Reason::StepUpRequired
                .status("the last proof is too old; prove a factor, or sign in again"),
            Error::FactorDemanded => {
                Reason::MfaRequired.status("a role of the account demands a second factor")
            }
            Error::NotEnrolled => Reason::MfaNotEnrolled.status("the account has no second factor"),
            Error::UserNotFound => Reason::UserNotFound.status("no account has the id"),
            Error::InvalidLink => Reason::InvalidLink
                .status("the link is unknown, used, replaced by a newer one, or too old"),
            Error::EmailTaken => {
                Reason::EmailTaken.status("another account has this e-mail address")
            }
            Error::TooManyAttempts(delay) => {
                Reason::TooManyAttempts.retry_after("too many attempts; try again later", delay)
            }
            Error::SessionNotFound => {
                Reason::SessionNotFound.status("the account has no such open session")
            }
            Error::ClientNotFound => Reason::ClientNotFound.status("no OAuth client has the id"),
            Error::ServiceAccountNotFound => {
                Reason::ServiceAccountNotFound.status("no service account has the id")
            }
            Error::ApiKeyNotFound => Reason::ApiKeyNotFound.status("there is no such API key"),
            Error::ApiKeyInvalid => {
                Reason::ApiKeyInvalid.status("the API key is unknown, expired or revoked")
            }
            Error::ScopeNotHeld(scope) => Reason::InsufficientScope.status(format!(
                "only who holds {scope} may give it, or change what has it"
            )),
            Error::NotByKey => Reason::InsufficientScope.status(
                "an API key cannot make or change credentials; sign in, or use an OAuth client",
            ),
            Error::LimitReached(most) => {
                Reason::LimitReached.status(format!("there may be {most} at most"))
            }
            Error::EtagMismatch => Reason::EtagMismatch.status("somebody else changed it first"),
            Error::Overloaded(Overloaded { retry_after }) => {
                Reason::Overloaded.retry_after("too many sign-ins at once", retry_after)
            }
            Error::UsersAway => {
                Reason::Unavailable.retry_after("accounts cannot be reached at the moment", RETRY)
            }
            Error::Storage(cause) if cause.is_temporary() => {
                tracing::warn!(
                    error = &cause as &dyn std::error::Error,
                    "the database is away"
                );
                Reason::Unavailable.retry_after("the service is not available", RETRY)
            }
            cause @ (Error::Storage(_)
            | Error::SealedKey(_)
            | Error::SealedFactor(_)
            | Error::NoSigningKey
            | Error::BreachedPasswords(_)) => {
                tracing::error!(error = &cause as &dyn std::error::Error, "a call failed");
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
