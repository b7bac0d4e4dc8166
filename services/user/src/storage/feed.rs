//! Reading the outbox in the order of commits.
//!
//! # The difficulty
//!
//! A transaction draws the number of its event while it runs, and commits later. On SQLite there is one
//! writer at a time, so numbers are committed in order. On PostgreSQL number 8 may be visible while 7 is
//! not. Then 7 belongs to a transaction that is still open, or to one that was rolled back and will never
//! come. A reader that goes on to 8 and remembers "8" loses 7 in the first case; one that waits for 7
//! waits for ever in the second.
//!
//! # The way
//!
//! A reader delivers up to the first missing number, and there it draws a transaction id of its own, the
//! *horizon*. Numbers are drawn in order, so whoever holds a number below one that is visible drew it
//! before that read; and it had written its account before it drew, so it had its transaction id by then.
//! PostgreSQL gives these ids in order too: every transaction that could still fill a gap of that read
//! has an id below the horizon. Once a later read's snapshot has no open transaction below the horizon
//! (`pg_snapshot_xmin`), all of them have ended, and the same snapshot shows those that were committed.
//! What it does not show was rolled back, and is passed.
//!
//! `pg_snapshot_xmax` of the first read would not do for a horizon. It is one more than the newest id
//! that has *ended*, so a transaction that is open at the gap may have that very id or a higher one.
//!
//! For one account, numbers are in the order of its changes: whoever draws one holds the account's row.
//!
//! # What is no longer kept
//!
//! Old events are removed, and `feed_bounds` says up to which number, in the transaction that removes them.
//! Each read asks for that number too, so a reader that was overtaken is told, and never takes what was
//! removed for a gap. The newest event is never removed: a read that finds nothing has missed nothing.
//!
//! # What it costs
//!
//! A read is one index range. Only a gap costs another statement and a transaction id. A long write
//! anywhere in the same PostgreSQL server holds up the passing of a gap; it never loses an event.
//!
//! # PostgreSQL-compatible engines
//!
//! This is the one place that relies on transaction ids given in order and on snapshots of the whole
//! database. Aurora and a Citus table on one node have both. On `YugabyteDB` and `CockroachDB`, which have
//! neither, replace the body of [`Feed::next`] by their own change feed.

use std::time::Duration;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, FromQueryResult, Statement,
    prelude::DateTimeUtc,
};
use tokio::time::sleep;

use super::{Error, Result, Storage};
use crate::domain::Published;

/// How many bytes of events are read at once, but for the last of them: less than a message may have.
const AT_ONCE: usize = 1 << 20;

/// One reader's way through the events.
#[derive(Debug)]
pub struct Feed {
    db: DatabaseConnection,
    /// The last number that was delivered or passed.
    after: i64,
    /// Whether that number was found to be one of this feed.
    begun: bool,
    horizon: Option<Horizon>,
}

/// When the gaps among the first numbers are settled.
#[derive(Clone, Copy, Debug)]
struct Horizon {
    /// Holds for gaps below this number.
    below: i64,
    /// Settled when no transaction with a lower id is open.
    transaction: i64,
}

#[derive(FromQueryResult)]
struct Row {
    sequence: i64,
    time: DateTimeUtc,
    payload: Vec<u8>,
    /// The lowest id of a transaction that is open in this read's snapshot.
    oldest_open: i64,
    /// Up to which number events were removed, in this read's snapshot.
    removed_through: i64,
}

impl Feed {
    pub(super) const fn new(db: DatabaseConnection, after: i64) -> Self {
        Self {
            db,
            after,
            begun: false,
            horizon: None,
        }
    }

    /// Whether there are events that wait for a gap before them to be settled.
    pub const fn is_held_up(&self) -> bool {
        self.horizon.is_some()
    }

    /// The next events, at most `limit`, and not many more than a megabyte. None when there is nothing new, or nothing settled. Fails with
    /// [`Error::Removed`] when events behind the place are no longer kept, and with [`Error::Ahead`] when there
    /// never were so many: whoever has that place has it from another feed, or from one that was set back.
    pub async fn next(&mut self, limit: u32) -> Result<Vec<Published>> {
        let backend = self.db.get_database_backend();
        let mut rows = self.read(backend, limit).await?;
        let removed = rows.first().map_or(0, |row| row.removed_through);
        if removed > self.after {
            return Err(Error::Removed { through: removed });
        }
        if rows.is_empty() && !self.begun {
            let newest = newest(&self.db).await?;
            if newest < self.after {
                return Err(Error::Ahead { newest });
            }
        }
        self.begun = true;
        if backend == DbBackend::Postgres {
            let horizon = self.horizon.filter(|h| {
                let settled = |row: &Row| row.oldest_open >= h.transaction;
                rows.first().is_some_and(settled)
            });
            let sequences: Vec<i64> = rows.iter().map(|row| row.sequence).collect();
            let settled = settled(self.after, &sequences, horizon.map_or(0, |h| h.below));
            self.look_ahead(&sequences, settled).await?;
            rows.truncate(settled);
        }
        if let Some(last) = rows.last() {
            self.after = last.sequence;
        }
        Ok(rows.into_iter().map(Published::from).collect())
    }

    /// Remembers what the first gap waits for.
    async fn look_ahead(&mut self, sequences: &[i64], settled: usize) -> Result<()> {
        let (Some(&behind_gap), Some(&last)) = (sequences.get(settled), sequences.last()) else {
            self.horizon = None;
            return Ok(());
        };
        // One that covers the gap stays: a new one at each read would recede for ever.
        if self
            .horizon
            .is_none_or(|horizon| horizon.below < behind_gap)
        {
            self.horizon = Some(Horizon {
                below: last,
                transaction: self.draw_transaction().await?,
            });
        }
        Ok(())
    }

    async fn read(&self, backend: DbBackend, limit: u32) -> Result<Vec<Row>> {
        let oldest_open = match backend {
            DbBackend::Postgres => "pg_snapshot_xmin(pg_current_snapshot())::text::bigint",
            _ => "0",
        };
        let sql = format!(
            "SELECT sequence, time, payload, {oldest_open} AS oldest_open, \
             (SELECT removed_through FROM feed_bounds WHERE name = 'outbox') AS removed_through \
             FROM (SELECT *, SUM(length(payload)) OVER (ORDER BY sequence) - length(payload) AS bytes_before \
             FROM (SELECT sequence, time, payload FROM outbox WHERE sequence > $1 \
             ORDER BY sequence LIMIT $2) AS batch) AS counted \
             WHERE bytes_before < {AT_ONCE}"
        );
        let values = [self.after.into(), i64::from(limit).into()];
        let statement = Statement::from_sql_and_values(backend, sql, values);
        let mut rows = Row::find_by_statement(statement).all(&self.db).await?;
        // They come in order. Asked for it, SQLite would sort what they tell as well.
        rows.sort_unstable_by_key(|row| row.sequence);
        Ok(rows)
    }

    async fn draw_transaction(&self) -> Result<i64> {
        let sql = "SELECT pg_current_xact_id()::text::bigint";
        number(&self.db, sql).await
    }
}

impl Storage {
    /// A place behind which every event is of a transaction that ends after this call. What is read
    /// from now on has everything up to there.
    ///
    /// On PostgreSQL it waits, some seconds at most, until whoever drew a lower number has ended; by the
    /// reasoning above.
    pub async fn end_of_feed(&self) -> Result<i64> {
        let last = newest(&self.db).await?;
        if self.db.get_database_backend() != DbBackend::Postgres {
            return Ok(last);
        }
        let horizon = number(&self.db, "SELECT pg_current_xact_id()::text::bigint").await?;
        let oldest = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint";
        for _ in 0..LOOKS {
            if number(&self.db, oldest).await? >= horizon {
                return Ok(last);
            }
            sleep(LOOK_EVERY).await;
        }
        Err(Error::Contended)
    }
}

/// How often, and how many times, to look whether older transactions have ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);
const LOOKS: usize = 500;

async fn newest(db: &DatabaseConnection) -> Result<i64> {
    number(db, "SELECT COALESCE(MAX(sequence), 0) FROM outbox").await
}

async fn number(db: &DatabaseConnection, sql: &str) -> Result<i64> {
    let row = db
        .query_one_raw(Statement::from_string(db.get_database_backend(), sql))
        .await?
        .ok_or(Error::Corrupt("no row where there is always one"))?;
    Ok(row.try_get_by_index(0)?)
}

/// How many of the numbers, which follow `after`, come before the first gap that is not settled. Gaps
/// below `settled_below` are.
fn settled(after: i64, sequences: &[i64], settled_below: i64) -> usize {
    let mut last = after;
    sequences
        .iter()
        .take_while(|&&sequence| {
            let follows = sequence == last + 1 || sequence <= settled_below;
            last = sequence;
            follows
        })
        .count()
}

impl From<Row> for Published {
    fn from(row: Row) -> Self {
        Self {
            sequence: row.sequence,
            time: row.time,
            payload: row.payload,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::settled;

    #[test]
    fn a_reader_stops_at_the_first_gap() {
        assert_eq!(settled(0, &[1, 2, 3], 0), 3);
        assert_eq!(settled(0, &[1, 3, 4], 0), 1);
        assert_eq!(settled(5, &[6, 9], 0), 1);
    }

    #[test]
    fn a_gap_at_the_very_beginning_counts() {
        assert_eq!(settled(0, &[2, 3], 0), 0);
        assert_eq!(settled(7, &[9], 0), 0);
    }

    #[test]
    fn settled_gaps_are_passed_and_later_ones_are_not() {
        assert_eq!(settled(0, &[2, 4, 5], 5), 3);
        assert_eq!(settled(0, &[2, 4, 7], 4), 2);
    }

    #[test]
    fn nothing_is_nothing() {
        assert_eq!(settled(3, &[], 0), 0);
        assert_eq!(settled(3, &[], 9), 0);
    }
}
