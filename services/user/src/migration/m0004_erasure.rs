//! The events of one account, so that a purge finds what it has to erase.

use sea_orm_migration::prelude::*;

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0004_erasure"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = "CREATE INDEX IF NOT EXISTS outbox_by_account ON outbox (account_id, sequence) \
             WHERE account_id IS NOT NULL";
        manager.get_connection().execute_unprepared(index).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = "DROP INDEX outbox_by_account";
        manager.get_connection().execute_unprepared(index).await?;
        Ok(())
    }
}
