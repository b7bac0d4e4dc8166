//! What roles tell of themselves, how much of the outbox is kept, and for whom.

use sea_orm_migration::prelude::*;

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0003_flow"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // One by one: SQLite adds one column at a time.
        for column in role_columns() {
            let alter = Table::alter().table("roles").add_column(column).take();
            manager.alter_table(alter).await?;
        }
        for table in [feed_bounds(), feed_consumers()] {
            manager.create_table(table).await?;
        }
        let db = manager.get_connection();
        let built_in =
            "UPDATE roles SET built_in = TRUE WHERE name IN ('admin', 'auditor', 'user')";
        db.execute_unprepared(built_in).await?;
        let bounds = "INSERT INTO feed_bounds (name, removed_through) VALUES ('outbox', 0)";
        db.execute_unprepared(bounds).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["feed_bounds", "feed_consumers"] {
            manager
                .drop_table(Table::drop().table(table).to_owned())
                .await?;
        }
        for column in [
            "description",
            "built_in",
            "revision",
            "create_time",
            "update_time",
        ] {
            let alter = Table::alter().table("roles").drop_column(column).take();
            manager.alter_table(alter).await?;
        }
        Ok(())
    }
}

fn role_columns() -> [ColumnDef; 5] {
    let mut description = ColumnDef::new("description");
    description.text().not_null().default("");
    let mut built_in = ColumnDef::new("built_in");
    built_in.boolean().not_null().default(false);
    let mut revision = ColumnDef::new("revision");
    revision.big_integer().not_null().default(1);
    let mut create_time = ColumnDef::new("create_time");
    create_time.timestamp_with_time_zone();
    let mut update_time = ColumnDef::new("update_time");
    update_time.timestamp_with_time_zone();
    [description, built_in, revision, create_time, update_time]
}

/// Up to which number events were removed. One row, so that a reader can tell a gap from what it missed.
fn feed_bounds() -> TableCreateStatement {
    Table::create()
        .table("feed_bounds")
        .col(ColumnDef::new("name").text().not_null().primary_key())
        .col(ColumnDef::new("removed_through").big_integer().not_null())
        .take()
}

/// How far each consumer has come that said so, and when it last did.
fn feed_consumers() -> TableCreateStatement {
    Table::create()
        .table("feed_consumers")
        .col(ColumnDef::new("name").text().not_null().primary_key())
        .col(ColumnDef::new("sequence").big_integer().not_null())
        .col(
            ColumnDef::new("seen_time")
                .timestamp_with_time_zone()
                .not_null(),
        )
        .take()
}
