//! Facts that are remembered once.

use sea_orm::FromQueryResult;

use super::{Result, Storage, Transaction, execute, one};

#[derive(FromQueryResult)]
struct Row {
    value: String,
}

impl Storage {
    /// The value of a setting.
    pub(crate) async fn setting(&self, name: &str) -> Result<Option<String>> {
        let row: Option<Row> = one(
            &self.db,
            "SELECT value FROM settings WHERE name = $1",
            [name.into()],
        )
        .await?;
        Ok(row.map(|row| row.value))
    }
}

impl Transaction {
    /// Sets a setting.
    pub(crate) async fn put_setting(&self, name: &str, value: &str) -> Result<()> {
        execute(
            &self.0,
            "INSERT INTO settings (name, value) VALUES ($1, $2) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            [name.into(), value.into()],
        )
        .await?;
        Ok(())
    }
}
