//! How far the user service's feed was followed.

use sea_orm::FromQueryResult;

use super::{Error, Result, Storage, Transaction, execute, one};

/// The one feed that there is.
const NAME: &str = "user";

#[derive(FromQueryResult)]
struct Row {
    sequence: i64,
}

impl Storage {
    /// The sequence of the last event that was applied; 0 before the first.
    pub(crate) async fn feed_cursor(&self) -> Result<i64> {
        let row: Option<Row> = one(
            &self.db,
            "SELECT sequence FROM feed_cursors WHERE name = $1",
            [NAME.into()],
        )
        .await?;
        Ok(row.map_or(0, |row| row.sequence))
    }
}

impl Transaction {
    /// Moves the cursor on, and fails when it does not stand where it was believed to: then somebody
    /// else applied events meanwhile, and these must not be applied again.
    pub(crate) async fn advance_feed(&self, from: i64, to: i64) -> Result<()> {
        let moved = execute(
            &self.0,
            "INSERT INTO feed_cursors (name, sequence) VALUES ($1, $3) \
             ON CONFLICT (name) DO UPDATE SET sequence = excluded.sequence \
             WHERE feed_cursors.sequence = $2",
            [NAME.into(), from.into(), to.into()],
        )
        .await?;
        if moved == 1 {
            Ok(())
        } else {
            Err(Error::CursorMoved)
        }
    }
}
