use portico_service::database;
use sea_orm::{DbErr, RuntimeErr, SqlxError};

/// What the database can do to a use case.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another transaction was in the way; the same again may succeed.
    #[error("another transaction was in the way")]
    Contended,
    /// The database cannot be reached, or has no time.
    #[error("the database is away")]
    Away(#[source] DbErr),
    /// The database refused a statement.
    #[error("a statement failed")]
    Failed(#[source] DbErr),
    /// Events behind the reader's place were removed.
    #[error("events up to {through} were removed")]
    Removed {
        /// Up to which number.
        through: i64,
    },
    /// The reader's place lies behind the last event.
    #[error("the last event is {newest}")]
    Ahead {
        /// The last event's number.
        newest: i64,
    },
    /// A row holds what the domain refuses.
    #[error("a row holds what cannot be: {0}")]
    Corrupt(&'static str),
}

/// What storage gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        database::note(&error);
        let cause = match &error {
            DbErr::ConnectionAcquire(_) => return Self::Away(error),
            DbErr::Conn(RuntimeErr::SqlxError(cause))
            | DbErr::Exec(RuntimeErr::SqlxError(cause))
            | DbErr::Query(RuntimeErr::SqlxError(cause)) => cause,
            _ => return Self::Failed(error),
        };
        match cause.as_ref() {
            SqlxError::Database(cause) => match cause.code().as_deref() {
                Some(code) if is_contention(code) => Self::Contended,
                Some(code) if is_absence(code) => Self::Away(error),
                _ => Self::Failed(error),
            },
            SqlxError::Io(_)
            | SqlxError::Tls(_)
            | SqlxError::PoolTimedOut
            | SqlxError::PoolClosed
            | SqlxError::WorkerCrashed => Self::Away(error),
            _ => Self::Failed(error),
        }
    }
}

/// SQLSTATE of a serialization failure and of a deadlock; SQLite's `BUSY` and `LOCKED` with what extends
/// them (the low byte is the kind).
fn is_contention(code: &str) -> bool {
    let sqlite = code.len() < 5
        && code
            .parse::<u32>()
            .is_ok_and(|code| matches!(code & 0xff, 5 | 6));
    sqlite || matches!(code, "40001" | "40P01")
}

/// SQLSTATE classes: connection exception, insufficient resources, operator intervention (which has the
/// statement timeout).
fn is_absence(code: &str) -> bool {
    code.len() == 5 && ["08", "53", "57"].contains(&&code[..2])
}
