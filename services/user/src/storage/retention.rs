//! Removing events that nobody needs any more, and remembering who does.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, FromQueryResult, Statement, Value};

use super::{Result, Storage, Transaction};

/// What may be removed.
#[derive(Clone, Copy, Debug)]
pub struct Expiry {
    /// Events from before then are removed once every consumer has them.
    pub time: DateTime<Utc>,
    /// Events from before then are removed whoever may miss them, and consumers that were last seen before
    /// are forgotten.
    pub limit: DateTime<Utc>,
}

/// What a step of removal did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// How many events it removed.
    pub events: u64,
    /// Whether a consumer that is still remembered had not got all of them.
    pub unread: bool,
}

#[derive(FromQueryResult)]
struct Bounds {
    removed_through: i64,
    acknowledged: Option<i64>,
    newest: i64,
}

#[derive(FromQueryResult)]
struct Old {
    sequence: i64,
    time: DateTime<Utc>,
}

/// What the slowest consumer that is remembered has not acknowledged.
#[derive(Clone, Copy, Debug, FromQueryResult)]
pub struct Unread {
    /// How many events, counted up to ten thousand.
    pub events: i64,
    /// When the oldest of them was made.
    pub oldest: Option<DateTime<Utc>>,
}

impl Storage {
    /// What the slowest consumer has not acknowledged; nothing when there is no consumer.
    pub async fn unread(&self) -> Result<Option<Unread>> {
        let sql = "SELECT COUNT(*) AS events, MIN(time) AS oldest FROM \
                   (SELECT time FROM outbox \
                   WHERE sequence > (SELECT MIN(sequence) FROM feed_consumers) \
                   ORDER BY sequence LIMIT 10000) AS unread";
        let statement = Statement::from_string(self.db.get_database_backend(), sql);
        Ok(Unread::find_by_statement(statement).one(&self.db).await?)
    }

    /// Remembers how far a consumer has come. It never goes back.
    pub async fn acknowledge(
        &self,
        consumer: &str,
        sequence: i64,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let sql = "INSERT INTO feed_consumers (name, sequence, seen_time) VALUES ($1, $2, $3) \
                   ON CONFLICT (name) DO UPDATE SET seen_time = excluded.seen_time, \
                   sequence = CASE WHEN excluded.sequence > feed_consumers.sequence \
                   THEN excluded.sequence ELSE feed_consumers.sequence END";
        let values = [consumer.into(), sequence.into(), now.into()];
        let statement = Statement::from_sql_and_values(self.db.get_database_backend(), sql, values);
        self.db.execute_raw(statement).await?;
        Ok(())
    }
}

impl Transaction {
    /// Removes up to `most` of the oldest events that may go, never the newest of all. Says how many it
    /// removed; fewer than `most` means that there are no more for now.
    pub async fn remove_events(&self, expiry: Expiry, most: u32) -> Result<Removed> {
        let forget = "DELETE FROM feed_consumers WHERE seen_time < $1";
        self.run(forget, [expiry.limit.into()]).await?;
        // One at a time: whoever else removes waits here.
        let hold = "UPDATE feed_bounds SET removed_through = removed_through WHERE name = 'outbox'";
        self.run(hold, []).await?;
        let bounds = "SELECT removed_through, \
                      (SELECT MIN(sequence) FROM feed_consumers) AS acknowledged, \
                      (SELECT COALESCE(MAX(sequence), 0) FROM outbox) AS newest \
                      FROM feed_bounds WHERE name = 'outbox'";
        let Some(bounds) = self.rows::<Bounds, 0>(bounds, []).await?.pop() else {
            return Ok(Removed::default());
        };
        let old = "SELECT sequence, time FROM outbox WHERE sequence > $1 AND sequence < $2 \
                   ORDER BY sequence LIMIT $3";
        let most = i64::from(most);
        let range = [
            bounds.removed_through.into(),
            bounds.newest.into(),
            most.into(),
        ];
        let acknowledged = bounds.acknowledged.unwrap_or(i64::MAX);
        let old: Vec<Old> = self.rows(old, range).await?;
        let gone = old.iter().take_while(|event| {
            let read = event.time < expiry.time && event.sequence <= acknowledged;
            read || event.time < expiry.limit
        });
        let Some(last) = gone.last().map(|event| event.sequence) else {
            return Ok(Removed::default());
        };
        let bound = "UPDATE feed_bounds SET removed_through = $1 WHERE name = 'outbox'";
        self.run(bound, [last.into()]).await?;
        let remove = "DELETE FROM outbox WHERE sequence <= $1";
        Ok(Removed {
            events: self.run(remove, [last.into()]).await?,
            unread: last > acknowledged,
        })
    }

    async fn run<const N: usize>(&self, sql: &str, values: [Value; N]) -> Result<u64> {
        let backend = self.tx.get_database_backend();
        let statement = Statement::from_sql_and_values(backend, sql, values);
        Ok(self.tx.execute_raw(statement).await?.rows_affected())
    }

    async fn rows<R: FromQueryResult, const N: usize>(
        &self,
        sql: &str,
        values: [Value; N],
    ) -> Result<Vec<R>> {
        let backend = self.tx.get_database_backend();
        let statement = Statement::from_sql_and_values(backend, sql, values);
        Ok(R::find_by_statement(statement).all(&self.tx).await?)
    }
}
