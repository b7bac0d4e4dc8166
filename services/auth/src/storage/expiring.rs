//! Rows that end by themselves.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Result, Storage, execute};
use crate::core::Limits;

/// A table whose rows are of no use any more from some moment on.
///
/// Each module declares its own beside its SQL; [`upkeep`](crate::upkeep) lists them.
#[derive(Debug)]
pub(crate) struct Expiring {
    pub(crate) table: &'static str,
    /// The column that tells one row from all others.
    pub(crate) key: &'static str,
    /// When a row is over: a condition in which `$1` is a moment.
    pub(crate) over: &'static str,
    /// How long a row that is over is kept.
    pub(crate) keep: fn(&Limits) -> TimeDelta,
}

impl Storage {
    /// Removes rows that were over before a moment, at most so many. Says how many they were.
    pub(crate) async fn remove_expired(
        &self,
        expiring: &Expiring,
        before: DateTime<Utc>,
        most: u32,
    ) -> Result<u64> {
        let Expiring {
            table, key, over, ..
        } = expiring;
        // Asked twice, since a row may be given more time while it is looked for.
        let sql = format!(
            "DELETE FROM {table} WHERE {key} IN \
             (SELECT {key} FROM {table} WHERE {over} LIMIT {most}) AND ({over})"
        );
        execute(&self.db, &sql, [before.into()]).await
    }
}
