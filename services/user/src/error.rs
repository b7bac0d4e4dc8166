//! Everything that can go wrong, and what a client is told of it.

use std::time::Duration;

use portico_proto::error::{Reason, Violation, invalid};
use tonic::Status;

use crate::{domain::Unfit, storage};

/// Why a use case came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Fields of the request break their rules.
    #[error("{} fields are invalid", .0.len())]
    Invalid(Vec<Violation>),
    /// Another account has the address.
    #[error("the address is taken")]
    EmailTaken,
    /// Another account has the name.
    #[error("the username is taken")]
    UsernameTaken,
    /// The caller may not change that on her own account.
    #[error("only an administrator may change that")]
    AdministratorsOnly,
    /// The account was not deleted.
    #[error("the account was not deleted")]
    NotDeleted,
    /// No account has the id, or it was deleted.
    #[error("no such account")]
    UserNotFound,
    /// The account is not in the state that the client has seen.
    #[error("the account was changed meanwhile")]
    EtagMismatch,
    /// The idempotency key came with another request before.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// Nobody could administer afterwards.
    #[error("the last administrator must stay")]
    LastAdministrator,
    /// The database is at fault, or in use.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// What a use case gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// One field that breaks its rule.
    pub fn field(field: &str, error: crate::domain::Invalid) -> Self {
        Self::Invalid(vec![Violation::new(field, error.to_string())])
    }

    /// A change that the account cannot take.
    pub fn unfit(Unfit(field, error): Unfit) -> Self {
        Self::field(field, error)
    }

    /// Whether the same again may well succeed, since others were in the way.
    pub(crate) fn is_contention(&self) -> bool {
        matches!(self, Self::Storage(storage::Error::Contended))
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(violations) => invalid(violations),
            Error::EmailTaken => {
                Reason::EmailTaken.status("another account has this e-mail address")
            }
            Error::UsernameTaken => {
                Reason::UsernameTaken.status("another account has this username")
            }
            Error::AdministratorsOnly => Reason::InsufficientScope.status(
                "metadata and `email_verified` are changed with the scope `users:write` alone",
            ),
            Error::NotDeleted => Reason::StatusConflict
                .status("the account was not deleted; delete it before it is purged"),
            Error::UserNotFound => Reason::UserNotFound.status("there is no such account"),
            Error::EtagMismatch => Reason::EtagMismatch
                .status("the account was changed meanwhile; read it again and repeat the change"),
            Error::KeyReused => Reason::IdempotencyKeyReused
                .status("this idempotency key was used for another request"),
            Error::LastAdministrator => Reason::LastAdministrator
                .status("this is the last active administrator; make somebody else one first"),
            Error::Storage(error) => storage_status(&error),
        }
    }
}

fn storage_status(error: &storage::Error) -> Status {
    match error {
        storage::Error::Contended => Reason::Unavailable.retry_after(
            "others are changing the same account; try again",
            Duration::from_millis(100),
        ),
        storage::Error::Away(cause) => {
            tracing::warn!(error = %cause, "the database is away");
            Reason::Unavailable.retry_after(
                "the service cannot reach its database; try again",
                Duration::from_secs(1),
            )
        }
        storage::Error::Failed(cause) => {
            tracing::error!(error = %cause, "a statement failed");
            Reason::Internal.status("something went wrong here")
        }
        storage::Error::Corrupt(what) => {
            tracing::error!(error = what, "a row holds what cannot be");
            Reason::Internal.status("something went wrong here")
        }
    }
}
