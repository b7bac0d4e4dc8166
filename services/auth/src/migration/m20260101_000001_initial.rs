//! Identities, credentials, sessions, keys, and what the background tasks remember.

use sea_orm_migration::{
    prelude::*,
    schema::{
        big_integer, blob, boolean, text, text_null, timestamp_with_time_zone,
        timestamp_with_time_zone_null, uuid,
    },
};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            identities(),
            roles(),
            credentials(),
            registrations(),
            sessions(),
            signing_keys(),
            feed_cursors(),
            leases(),
            settings(),
        ] {
            manager.create_table(table).await?;
        }
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            "identities",
            "roles",
            "credentials",
            "registrations",
            "sessions",
            "signing_keys",
            "feed_cursors",
            "leases",
            "settings",
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

/// The copy of each account, fed by the user service. `email_key` is empty for an account whose
/// address was taken over by another one.
fn identities() -> TableCreateStatement {
    table("identities")
        .col(uuid("id").primary_key())
        .col(text("email"))
        .col(text_null("email_key"))
        .col(boolean("email_verified"))
        .col(text("status"))
        .col(text("roles"))
        .col(big_integer("revision"))
        .col(timestamp_with_time_zone("update_time"))
        .to_owned()
}

fn roles() -> TableCreateStatement {
    table("roles")
        .col(text("name").primary_key())
        .col(text("scopes"))
        .to_owned()
}

fn credentials() -> TableCreateStatement {
    table("credentials")
        .col(uuid("user_id").primary_key())
        .col(text("phc"))
        .col(timestamp_with_time_zone("update_time"))
        .to_owned()
}

/// Registrations that have begun. The roles belong to the key, so that a public registration never
/// continues one that was begun for an administrator.
fn registrations() -> TableCreateStatement {
    table("registrations")
        .col(text("email_key"))
        .col(text("roles"))
        .col(uuid("id"))
        .col(text("email"))
        .col(text("display_name"))
        .col(text("phc"))
        .col(timestamp_with_time_zone("create_time"))
        .primary_key(Index::create().col("email_key").col("roles"))
        .to_owned()
}

/// One row is one family of refresh tokens.
fn sessions() -> TableCreateStatement {
    table("sessions")
        .col(uuid("id").primary_key())
        .col(uuid("user_id"))
        .col(blob("family_hash").unique_key())
        .col(blob("current_hash"))
        .col(timestamp_with_time_zone_null("rotate_time"))
        .col(big_integer("rotation_window").default(0))
        .col(big_integer("rotations").default(0))
        .col(big_integer("rotations_before").default(0))
        .col(text("scope"))
        .col(text("user_agent"))
        .col(text("ip_address"))
        .col(timestamp_with_time_zone("create_time"))
        .col(timestamp_with_time_zone("last_used_time"))
        .col(timestamp_with_time_zone("expire_time"))
        .col(timestamp_with_time_zone("absolute_expire_time"))
        .col(timestamp_with_time_zone_null("revoke_time"))
        .to_owned()
}

/// `sealed` is the private key, encrypted under a master key that is not in the database.
fn signing_keys() -> TableCreateStatement {
    table("signing_keys")
        .col(text("kid").primary_key())
        .col(text("algorithm"))
        .col(timestamp_with_time_zone("create_time"))
        .col(timestamp_with_time_zone("activate_time"))
        .col(timestamp_with_time_zone_null("retire_time"))
        .col(blob("sealed"))
        .to_owned()
}

fn feed_cursors() -> TableCreateStatement {
    table("feed_cursors")
        .col(text("name").primary_key())
        .col(big_integer("sequence"))
        .to_owned()
}

fn leases() -> TableCreateStatement {
    table("leases")
        .col(text("name").primary_key())
        .col(uuid("holder"))
        .col(timestamp_with_time_zone("expire_time"))
        .to_owned()
}

/// Facts that are remembered once, such as that the first administrator was made.
fn settings() -> TableCreateStatement {
    table("settings")
        .col(text("name").primary_key())
        .col(text("value"))
        .to_owned()
}

fn indexes() -> [IndexCreateStatement; 3] {
    [
        ("identities", "email_key"),
        ("sessions", "user_id"),
        ("sessions", "revoke_time"),
    ]
    .map(|(table, column)| {
        Index::create()
            .name(format!("{table}_{column}_idx"))
            .table(table)
            .col(column)
            .to_owned()
    })
}
