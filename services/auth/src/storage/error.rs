//! Why the database did not do what it was asked.

use portico_service::database;
use sea_orm::DbErr;

/// A failure of the database. Its text is for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Database(DbErr),
    /// A row holds what this program never writes.
    #[error("a row of {0} cannot be read")]
    Corrupt(&'static str),
    /// Somebody else moved the feed's cursor.
    #[error("another process follows the feed")]
    CursorMoved,
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        database::note(&error);
        Self::Database(error)
    }
}

impl Error {
    /// Whether a later attempt may succeed without anybody doing anything.
    pub(crate) fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::Database(DbErr::ConnectionAcquire(_) | DbErr::Conn(_))
        )
    }
}
