//! Service accounts.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::{Result, Storage, Transaction, all, clients::words, execute, one, split};
use crate::domain::ServiceAccount;

const COLUMNS: &str = "id, display_name, scopes, disabled, revision, create_time, update_time";

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    display_name: String,
    scopes: String,
    disabled: bool,
    revision: i64,
    create_time: DateTime<Utc>,
    update_time: DateTime<Utc>,
}

impl From<Row> for ServiceAccount {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            display_name: row.display_name,
            scopes: split(&row.scopes),
            disabled: row.disabled,
            revision: row.revision,
            create_time: row.create_time,
            update_time: row.update_time,
        }
    }
}

impl Storage {
    /// The service account of an id.
    pub(crate) async fn service_account(&self, id: Uuid) -> Result<Option<ServiceAccount>> {
        service_account(&self.db, id).await
    }

    /// Service accounts in the order of their ids, behind one of them.
    pub(crate) async fn service_accounts(
        &self,
        behind: Uuid,
        most: u32,
    ) -> Result<Vec<ServiceAccount>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM service_accounts WHERE id > $1 ORDER BY id LIMIT {most}"
        );
        let rows: Vec<Row> = all(&self.db, &sql, [behind.into()]).await?;
        Ok(rows.into_iter().map(ServiceAccount::from).collect())
    }

    /// Adds a service account.
    pub(crate) async fn add_service_account(&self, account: &ServiceAccount) -> Result<()> {
        let sql =
            format!("INSERT INTO service_accounts ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)");
        execute(
            &self.db,
            &sql,
            [
                account.id.into(),
                account.display_name.as_str().into(),
                words(&account.scopes).into(),
                account.disabled.into(),
                account.revision.into(),
                account.create_time.into(),
                account.update_time.into(),
            ],
        )
        .await?;
        Ok(())
    }
}

impl Transaction {
    /// The service account of an id.
    pub(crate) async fn service_account(&self, id: Uuid) -> Result<Option<ServiceAccount>> {
        service_account(&self.0, id).await
    }

    /// Stores a service account in place of its `revision` of before. Says whether that one was there.
    pub(crate) async fn save_service_account(
        &self,
        account: &ServiceAccount,
        before: i64,
    ) -> Result<bool> {
        let saved = execute(
            &self.0,
            "UPDATE service_accounts SET display_name = $3, scopes = $4, disabled = $5, \
             revision = $6, update_time = $7 WHERE id = $1 AND revision = $2",
            [
                account.id.into(),
                before.into(),
                account.display_name.as_str().into(),
                words(&account.scopes).into(),
                account.disabled.into(),
                account.revision.into(),
                account.update_time.into(),
            ],
        )
        .await?;
        Ok(saved == 1)
    }

    /// Removes a service account.
    pub(crate) async fn remove_service_account(&self, id: Uuid) -> Result<()> {
        execute(
            &self.0,
            "DELETE FROM service_accounts WHERE id = $1",
            [id.into()],
        )
        .await?;
        Ok(())
    }
}

async fn service_account(on: &impl ConnectionTrait, id: Uuid) -> Result<Option<ServiceAccount>> {
    let sql = format!("SELECT {COLUMNS} FROM service_accounts WHERE id = $1");
    let row: Option<Row> = one(on, &sql, [id.into()]).await?;
    Ok(row.map(ServiceAccount::from))
}
