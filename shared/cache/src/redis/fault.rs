//! Why a command came to nothing.

use deadpool_redis::{PoolError, redis};

use crate::Error;

/// A failure as callers see it, and its cause for the log.
pub(super) struct Fault {
    pub(super) error: Error,
    pub(super) cause: String,
}

impl Fault {
    pub(super) fn late() -> Self {
        Self {
            error: Error::Away,
            cause: "no answer in time".to_owned(),
        }
    }
}

/// A lost connection and an unwilling server are one thing to callers, a refused command another.
impl From<redis::RedisError> for Fault {
    fn from(error: redis::RedisError) -> Self {
        let cause = error.to_string();
        let answers = error.into_server_errors();
        let code = answers
            .as_deref()
            .and_then(|all| all.first())
            .map(|(_, one)| one.code());
        let error = match code {
            None
            | Some("LOADING" | "MASTERDOWN" | "READONLY" | "CLUSTERDOWN" | "TRYAGAIN" | "BUSY") => {
                Error::Away
            }
            Some(code) => Error::Refused(code.to_owned()),
        };
        Self { error, cause }
    }
}

impl From<PoolError> for Fault {
    fn from(error: PoolError) -> Self {
        match error {
            // Whatever keeps a connection from being made, the command was not refused.
            PoolError::Backend(error) => Self {
                error: Error::Away,
                cause: error.to_string(),
            },
            other => Self {
                error: Error::Away,
                cause: other.to_string(),
            },
        }
    }
}
