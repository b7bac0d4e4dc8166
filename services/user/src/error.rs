//! Everything that can go wrong, and what a client is told of it.

use std::time::Duration;

use portico_proto::error::{Reason, Violation, invalid};
use tonic::Status;

use crate::{
    domain::{RoleName, Scope, Unfit, Unlistable},
    storage,
};

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
    /// The caller may not see deleted accounts.
    #[error("only an administrator may see that")]
    ReadersOnly,
    /// The account was not deleted.
    #[error("the account was not deleted")]
    NotDeleted,
    /// No account has the id, or it was deleted.
    #[error("no such account")]
    UserNotFound,
    /// The account is not in the state that the client has seen.
    #[error("the account was changed meanwhile")]
    EtagMismatch,
    /// The account has another address by now than the one that was asked about.
    #[error("the account has another address by now")]
    AddressMoved,
    /// The idempotency key came with another request before.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// Nobody could administer afterwards.
    #[error("the last administrator must stay")]
    LastAdministrator,
    /// There is a role of that name.
    #[error("the role exists")]
    RoleExists,
    /// No role has the name.
    #[error("no such role")]
    RoleNotFound,
    /// The role comes with the service.
    #[error("the role is built in")]
    RoleBuiltIn,
    /// An account holds the role.
    #[error("the role is in use")]
    RoleInUse,
    /// There are as many roles as there may be.
    #[error("too many roles")]
    TooManyRoles,
    /// The caller lacks a scope that a role has or is to have.
    #[error("the scope {0} is out of reach")]
    ScopeOutOfReach(Scope),
    /// The caller lacks a scope that the account holds.
    #[error("an account with the scope {0} is out of reach")]
    AccountOutOfReach(Scope),
    /// The caller lacks a scope that a part of the call needs.
    #[error("the scope {0} is needed")]
    ScopeNeeded(&'static str),
    /// The account was deleted, and is not to come back this way.
    #[error("the account was deleted")]
    Deleted,
    /// Events behind the place are no longer kept.
    #[error("events up to {removed_through} are no longer kept")]
    EventsExpired {
        /// Up to which number events were removed.
        removed_through: i64,
    },
    /// There are not so many events.
    #[error("the last event is {newest}")]
    EventsAhead {
        /// The last event's number.
        newest: i64,
    },
    /// The process is about to end.
    #[error("the process is stopping")]
    Stopping,
    /// The database is at fault, or in use.
    #[error(transparent)]
    Storage(storage::Error),
}

impl From<storage::Error> for Error {
    fn from(error: storage::Error) -> Self {
        match error {
            storage::Error::Removed { through } => Self::EventsExpired {
                removed_through: through,
            },
            storage::Error::Ahead { newest } => Self::EventsAhead { newest },
            other => Self::Storage(other),
        }
    }
}

/// What a use case gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// One field that breaks its rule.
    pub fn field(field: &str, error: crate::domain::Invalid) -> Self {
        Self::Invalid(vec![Violation::new(field, error.to_string())])
    }

    /// A list that cannot be made.
    pub fn unlistable(fault: Unlistable) -> Self {
        match fault {
            Unlistable::Field(field, error) => Self::field(field, error),
            Unlistable::Filter(error) => {
                Self::Invalid(vec![Violation::new("filter", error.to_string())])
            }
        }
    }

    /// A change that the account cannot take.
    pub fn unfit(Unfit(field, error): Unfit) -> Self {
        Self::field(field, error)
    }

    /// A role that is named and does not exist.
    pub fn unknown_role(name: &RoleName) -> Self {
        let violation = Violation::new("user.roles", format!("there is no role `{name}`"));
        Self::Invalid(vec![violation])
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
                "`email`, `email_verified` and metadata are changed with the scope `users:write` alone; \
                 a new address of one's own is asked for at /api/v1/auth/email:change",
            ),
            Error::ReadersOnly => Reason::InsufficientScope
                .status("deleted accounts are shown with the scope `users:read` alone"),
            Error::NotDeleted => Reason::StatusConflict
                .status("the account was not deleted; delete it before it is purged"),
            Error::UserNotFound => Reason::UserNotFound.status("there is no such account"),
            Error::EtagMismatch => Reason::EtagMismatch
                .status("the account was changed meanwhile; read it again and repeat the change"),
            Error::AddressMoved => {
                Reason::StatusConflict.status("the account has another e-mail address by now")
            }
            Error::KeyReused => Reason::IdempotencyKeyReused
                .status("this idempotency key was used for another request"),
            Error::LastAdministrator => Reason::LastAdministrator
                .status("this is the last active administrator; make somebody else one first"),
            Error::RoleExists => Reason::RoleExists.status("there is a role of this name"),
            Error::RoleNotFound => Reason::RoleNotFound.status("there is no such role"),
            Error::RoleBuiltIn => Reason::RoleBuiltIn
                .status("`admin`, `auditor` and `user` stay as they are; make a role of your own"),
            Error::RoleInUse => Reason::RoleInUse
                .status("an account holds this role; revoke it from everybody first"),
            Error::TooManyRoles => Reason::TooManyRoles.status("there are 1000 roles already"),
            Error::ScopeOutOfReach(scope) => Reason::InsufficientScope.status(format!(
                "the role has the scope {scope}, which the caller does not hold"
            )),
            Error::AccountOutOfReach(scope) => Reason::InsufficientScope.status(format!(
                "the account has the scope {scope}, which the caller does not hold, so the caller does not change \
                 its address"
            )),
            Error::ScopeNeeded(scope) => {
                Reason::InsufficientScope.status(format!("the scope {scope} is needed"))
            }
            Error::Deleted => Reason::StatusConflict.status("the account was deleted"),
            Error::EventsExpired { removed_through } => Reason::EventsExpired.status(format!(
                "events up to {removed_through} are no longer kept; go on after {removed_through} or later"
            )),
            Error::EventsAhead { newest } => Reason::EventsExpired.status(format!(
                "the last event is {newest}, before the place to go on from, which must be another feed's; begin \
                 again from a snapshot"
            )),
            Error::Stopping => Reason::Unavailable.retry_after(
                "the service is stopping; go on elsewhere",
                Duration::from_secs(1),
            ),
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
            tracing::warn!(
                error = cause as &dyn std::error::Error,
                "the database is away"
            );
            Reason::Unavailable.retry_after(
                "the service cannot reach its database; try again",
                Duration::from_secs(1),
            )
        }
        // It has become an error of its own on its way here.
        storage::Error::Removed { through } => Error::EventsExpired {
            removed_through: *through,
        }
        .into(),
        storage::Error::Ahead { newest } => Error::EventsAhead { newest: *newest }.into(),
        storage::Error::Failed(cause) => {
            tracing::error!(
                error = cause as &dyn std::error::Error,
                "a statement failed"
            );
            Reason::Internal.status("something went wrong here")
        }
        storage::Error::Corrupt(what) => {
            tracing::error!(error = what, "a row holds what cannot be");
            Reason::Internal.status("something went wrong here")
        }
    }
}
