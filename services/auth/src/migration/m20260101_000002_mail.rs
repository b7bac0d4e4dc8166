//! Mails on their way, the links in them, and what a person calls a device.

use sea_orm_migration::{
    prelude::*,
    schema::{blob, integer, text, text_null, timestamp_with_time_zone, uuid, uuid_null},
};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let device_name = text("device_name").default("").to_owned();
        manager
            .alter_table(
                Table::alter()
                    .table("sessions")
                    .add_column(device_name)
                    .to_owned(),
            )
            .await?;
        manager.create_table(links()).await?;
        manager.create_table(mails()).await?;
        manager
            .create_index(
                Index::create()
                    .name("mails_due_time_idx")
                    .table("mails")
                    .col("due_time")
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["mails", "links"] {
            manager
                .drop_table(Table::drop().table(table).to_owned())
                .await?;
        }
        manager
            .alter_table(
                Table::alter()
                    .table("sessions")
                    .drop_column("device_name")
                    .to_owned(),
            )
            .await
    }
}

/// The links that somebody may still open: one of each purpose for each account, so that a newer one
/// takes the place of an older one.
fn links() -> TableCreateStatement {
    Table::create()
        .table("links")
        .col(uuid("user_id"))
        .col(text("purpose"))
        .col(blob("token_hash").unique_key())
        .col(text("email"))
        .col(text("previous_email"))
        .col(timestamp_with_time_zone("expire_time"))
        .primary_key(Index::create().col("user_id").col("purpose"))
        .to_owned()
}

/// Mails that are not sent yet. No secret is among them: the token of a link is made when its mail is.
/// Whoever sends one moves `due_time` on, so that nobody else does meanwhile.
fn mails() -> TableCreateStatement {
    Table::create()
        .table("mails")
        .col(uuid("id").primary_key())
        .col(text("kind"))
        .col(uuid_null("user_id"))
        .col(text("email"))
        .col(text("details"))
        .col(text_null("traceparent"))
        .col(timestamp_with_time_zone("create_time"))
        .col(timestamp_with_time_zone("due_time"))
        .col(integer("attempts").default(0))
        .to_owned()
}
