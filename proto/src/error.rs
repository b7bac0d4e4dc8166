//! The vocabulary of errors: every reason that Portico gives, with its gRPC code beside it.
//!
//! On the wire a reason is the `reason` of a `google.rpc.ErrorInfo` whose `domain` is [`DOMAIN`]; at
//! the REST edge it is the `code` of a problem document (RFC 9457).

use std::{collections::HashMap, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

/// The `domain` of every `ErrorInfo` that Portico sends.
pub const DOMAIN: &str = "portico";

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $code:ident;)*) => {
        /// Why a call was refused: stable, and meant for programs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[$doc])* $variant,)* }

        impl Reason {
            /// The stable name, such as `EMAIL_TAKEN`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The gRPC code that the reason always comes with.
            pub const fn code(self) -> Code {
                match self { $(Self::$variant => Code::$code,)* }
            }

            /// The reason of that name.
            pub fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

reasons! {
    /// A field of the request breaks its rule; the violations name it.
    InvalidArgument = "INVALID_ARGUMENT", InvalidArgument;
    /// No token came, and the call needs one.
    TokenMissing = "TOKEN_MISSING", Unauthenticated;
    /// The token is forged, malformed, or meant for somebody else.
    TokenInvalid = "TOKEN_INVALID", Unauthenticated;
    /// The token was good once.
    TokenExpired = "TOKEN_EXPIRED", Unauthenticated;
    /// The token's session was ended.
    SessionRevoked = "SESSION_REVOKED", Unauthenticated;
    /// Address or password, or the account behind them, is not right.
    InvalidCredentials = "INVALID_CREDENTIALS", Unauthenticated;
    /// The refresh token is unknown, expired or used.
    InvalidGrant = "INVALID_GRANT", Unauthenticated;
    /// The one-time password or recovery code is wrong, or was used before.
    InvalidCode = "INVALID_CODE", Unauthenticated;
    /// The link of a mail is unknown, used, replaced by a newer one, or too old.
    InvalidLink = "INVALID_LINK", InvalidArgument;
    /// The API key is unknown, expired or revoked, or its owner may not use it any more.
    ApiKeyInvalid = "API_KEY_INVALID", Unauthenticated;
    /// The token lacks a scope, or the thing belongs to somebody else.
    InsufficientScope = "INSUFFICIENT_SCOPE", PermissionDenied;
    /// The last proof of who is calling is too old for what is asked; prove a factor, or sign in anew.
    StepUpRequired = "STEP_UP_REQUIRED", PermissionDenied;
    /// The method is for services of the same deployment.
    InternalOnly = "INTERNAL_ONLY", PermissionDenied;
    /// Another account has the address.
    EmailTaken = "EMAIL_TAKEN", AlreadyExists;
    /// Another account has the username.
    UsernameTaken = "USERNAME_TAKEN", AlreadyExists;
    /// No account has the id.
    UserNotFound = "USER_NOT_FOUND", NotFound;
    /// No open session of the account has the id.
    SessionNotFound = "SESSION_NOT_FOUND", NotFound;
    /// No OAuth client has the id.
    ClientNotFound = "CLIENT_NOT_FOUND", NotFound;
    /// No service account has the id.
    ServiceAccountNotFound = "SERVICE_ACCOUNT_NOT_FOUND", NotFound;
    /// The owner has no API key of the id.
    ApiKeyNotFound = "API_KEY_NOT_FOUND", NotFound;
    /// There are as many as there may be.
    LimitReached = "LIMIT_REACHED", FailedPrecondition;
    /// Somebody else changed it first.
    EtagMismatch = "ETAG_MISMATCH", Aborted;
    /// The idempotency key was used with another request.
    IdempotencyKeyReused = "IDEMPOTENCY_KEY_REUSED", FailedPrecondition;
    /// The account is not in the state that the call asks for.
    StatusConflict = "STATUS_CONFLICT", FailedPrecondition;
    /// The account is the last one that may administer, and must remain so.
    LastAdministrator = "LAST_ADMINISTRATOR", FailedPrecondition;
    /// A role of the account demands a second factor.
    MfaRequired = "MFA_REQUIRED", FailedPrecondition;
    /// The account has no second factor.
    MfaNotEnrolled = "MFA_NOT_ENROLLED", FailedPrecondition;
    /// Too many attempts on one account, or from one client; the retry information says when to come back.
    TooManyAttempts = "TOO_MANY_ATTEMPTS", ResourceExhausted;
    /// There is a role of that name.
    RoleExists = "ROLE_EXISTS", AlreadyExists;
    /// No role has the name.
    RoleNotFound = "ROLE_NOT_FOUND", NotFound;
    /// The role comes with the service, and stays as it is.
    RoleBuiltIn = "ROLE_BUILT_IN", FailedPrecondition;
    /// An account holds the role.
    RoleInUse = "ROLE_IN_USE", FailedPrecondition;
    /// There are as many roles as there may be.
    TooManyRoles = "TOO_MANY_ROLES", FailedPrecondition;
    /// Events behind the place are no longer kept.
    EventsExpired = "EVENTS_EXPIRED", OutOfRange;
    /// A bounded queue is full; the retry information says when to come back.
    Overloaded = "OVERLOADED", ResourceExhausted;
    /// Something behind the service is away.
    Unavailable = "UNAVAILABLE", Unavailable;
    /// The deadline passed.
    DeadlineExceeded = "DEADLINE_EXCEEDED", DeadlineExceeded;
    /// A fault of the service; the log has the cause.
    Internal = "INTERNAL", Internal;
}

impl Reason {
    /// A status with this reason and a sentence for the person who reads it.
    pub fn status(self, message: impl Into<String>) -> Status {
        self.detailed(message, |_| {})
    }

    /// As [`status`](Self::status), and says when a retry helps.
    pub fn retry_after(self, message: impl Into<String>, delay: Duration) -> Status {
        self.detailed(message, |details| {
            details.set_retry_info(Some(delay));
        })
    }

    fn detailed(self, message: impl Into<String>, more: impl FnOnce(&mut ErrorDetails)) -> Status {
        let mut details = ErrorDetails::with_error_info(self.as_str(), DOMAIN, HashMap::new());
        more(&mut details);
        Status::with_error_details(self.code(), message, details)
    }

    /// The reason that a status carries, when it is one of Portico's.
    pub fn of(status: &Status) -> Option<Self> {
        let info = status.get_details_error_info()?;
        (info.domain == DOMAIN)
            .then(|| Self::parse(&info.reason))
            .flatten()
    }
}

/// An `INVALID_ARGUMENT` status that names each field at fault.
pub fn invalid(violations: impl IntoIterator<Item = Violation>) -> Status {
    let violations: Vec<FieldViolation> = violations
        .into_iter()
        .map(|v| FieldViolation::new(v.field, v.description))
        .collect();
    let message = match violations.as_slice() {
        [only] => format!("{}: {}", only.field, only.description),
        many => format!("{} fields are invalid", many.len()),
    };
    Reason::InvalidArgument.detailed(message, |details| {
        details.set_bad_request(violations);
    })
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field's path, such as `user.email`.
    pub field: String,
    /// What is wrong with the value, and what is accepted.
    pub description: String,
}

impl Violation {
    /// A violation of one field.
    pub fn new(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            description: description.into(),
        }
    }
}
