//! Second factors, sign-ins that wait for one, and how each session was opened.

use sea_orm_migration::{
    prelude::*,
    schema::{
        big_integer, blob, text, timestamp_with_time_zone, timestamp_with_time_zone_null, uuid,
    },
};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            totp_factors(),
            totp_enrolments(),
            recovery_codes(),
            challenges(),
        ] {
            manager.create_table(table).await?;
        }
        for (table, column) in [
            ("recovery_codes", "user_id"),
            ("challenges", "user_id"),
            ("challenges", "expire_time"),
        ] {
            let index = Index::create()
                .name(format!("{table}_{column}_idx"))
                .table(table)
                .col(column)
                .to_owned();
            manager.create_index(index).await?;
        }
        for column in [
            text("amr").default("pwd").take(),
            timestamp_with_time_zone_null("auth_time"),
        ] {
            let add = Table::alter()
                .table("sessions")
                .add_column(column)
                .to_owned();
            manager.alter_table(add).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in ["auth_time", "amr"] {
            let drop = Table::alter()
                .table("sessions")
                .drop_column(column)
                .to_owned();
            manager.alter_table(drop).await?;
        }
        for table in [
            "challenges",
            "recovery_codes",
            "totp_enrolments",
            "totp_factors",
        ] {
            manager
                .drop_table(Table::drop().table(table).to_owned())
                .await?;
        }
        Ok(())
    }
}

fn table(name: &'static str) -> TableCreateStatement {
    Table::create().table(name).to_owned()
}

/// `sealed` is the secret, encrypted under the master key that `key_id` tells. `last_step` is the last
/// time step whose code was taken; `failures` counts wrong codes since, and no code is taken before
/// `retry_at`, in seconds since 1970.
fn totp_factors() -> TableCreateStatement {
    table("totp_factors")
        .col(uuid("user_id").primary_key())
        .col(blob("sealed"))
        .col(text("key_id"))
        .col(timestamp_with_time_zone("create_time"))
        .col(big_integer("last_step"))
        .col(big_integer("failures").default(0))
        .col(big_integer("retry_at").default(0))
        .to_owned()
}

/// Secrets that no code has confirmed yet.
fn totp_enrolments() -> TableCreateStatement {
    table("totp_enrolments")
        .col(uuid("user_id").primary_key())
        .col(blob("sealed"))
        .col(text("key_id"))
        .col(big_integer("attempts_left"))
        .col(timestamp_with_time_zone("expire_time"))
        .to_owned()
}

fn recovery_codes() -> TableCreateStatement {
    table("recovery_codes")
        .col(blob("hash").primary_key())
        .col(uuid("user_id"))
        .to_owned()
}

/// Sign-ins whose password was right and whose second factor is due.
fn challenges() -> TableCreateStatement {
    table("challenges")
        .col(blob("hash").primary_key())
        .col(uuid("user_id"))
        .col(text("method"))
        .col(text("scope"))
        .col(big_integer("attempts_left"))
        .col(timestamp_with_time_zone("expire_time"))
        .to_owned()
}
