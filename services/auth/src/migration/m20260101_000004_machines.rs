//! OAuth clients, service accounts, API keys, what of their tokens was revoked, and whose a session is.

use sea_orm_migration::{
    prelude::*,
    schema::{
        big_integer, blob, blob_null, boolean, text, timestamp_with_time_zone,
        timestamp_with_time_zone_null, uuid,
    },
};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // The client that opened the session: until now it was always the first-party one.
        let client_id = text("client_id").default("portico").to_owned();
        manager
            .alter_table(
                Table::alter()
                    .table("sessions")
                    .add_column(client_id)
                    .to_owned(),
            )
            .await?;
        for table in [
            oauth_clients(),
            client_assertions(),
            service_accounts(),
            api_keys(),
            revocations(),
        ] {
            manager.create_table(table).await?;
        }
        for (table, column) in INDEXES {
            let index = Index::create()
                .name(format!("{table}_{column}_idx"))
                .table(table)
                .col(column)
                .to_owned();
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            "oauth_clients",
            "client_assertions",
            "service_accounts",
            "api_keys",
            "revocations",
        ] {
            manager
                .drop_table(Table::drop().table(table).to_owned())
                .await?;
        }
        manager
            .alter_table(
                Table::alter()
                    .table("sessions")
                    .drop_column("client_id")
                    .to_owned(),
            )
            .await
    }
}

const INDEXES: [(&str, &str); 6] = [
    ("oauth_clients", "update_time"),
    ("client_assertions", "expire_time"),
    ("api_keys", "previous_hash"),
    ("api_keys", "owner_id"),
    ("revocations", "revoke_time"),
    ("revocations", "expire_time"),
];

fn table(name: &'static str) -> TableCreateStatement {
    Table::create().table(name).to_owned()
}

/// `epoch` grows when the tokens of before are to be refused. A deleted client stays for a while, so that
/// every process hears of it.
fn oauth_clients() -> TableCreateStatement {
    table("oauth_clients")
        .col(uuid("id").primary_key())
        .col(text("display_name"))
        .col(text("auth_method"))
        .col(text("grant_types"))
        .col(text("scopes"))
        .col(text("resources"))
        .col(text("jwks"))
        .col(boolean("introspects_all"))
        .col(boolean("disabled"))
        .col(blob_null("secret_hash"))
        .col(blob_null("previous_secret_hash"))
        .col(timestamp_with_time_zone_null("previous_secret_expire_time"))
        .col(big_integer("epoch"))
        .col(big_integer("revision"))
        .col(timestamp_with_time_zone("create_time"))
        .col(timestamp_with_time_zone("update_time"))
        .col(timestamp_with_time_zone_null("delete_time"))
        .to_owned()
}

/// Assertions that were used, so that none is used twice.
fn client_assertions() -> TableCreateStatement {
    table("client_assertions")
        .col(blob("hash").primary_key())
        .col(timestamp_with_time_zone("expire_time"))
        .to_owned()
}

fn service_accounts() -> TableCreateStatement {
    table("service_accounts")
        .col(uuid("id").primary_key())
        .col(text("display_name"))
        .col(text("scopes"))
        .col(boolean("disabled"))
        .col(big_integer("revision"))
        .col(timestamp_with_time_zone("create_time"))
        .col(timestamp_with_time_zone("update_time"))
        .to_owned()
}

/// `owner_kind` is `user` or `service-account`. `generation` grows when the tokens of before are to be
/// refused.
fn api_keys() -> TableCreateStatement {
    table("api_keys")
        .col(uuid("id").primary_key())
        .col(text("owner_kind"))
        .col(uuid("owner_id"))
        .col(text("display_name"))
        .col(text("scopes"))
        .col(text("hint"))
        .col(blob("hash").unique_key())
        .col(blob_null("previous_hash"))
        .col(timestamp_with_time_zone_null("previous_expire_time"))
        .col(big_integer("generation"))
        .col(timestamp_with_time_zone("create_time"))
        .col(timestamp_with_time_zone("expire_time"))
        .col(timestamp_with_time_zone_null("last_used_time"))
        .col(timestamp_with_time_zone_null("revoke_time"))
        .to_owned()
}

/// What the denylist is told of again and again: a token's `jti`, or what its `sid` names.
fn revocations() -> TableCreateStatement {
    table("revocations")
        .col(text("id").primary_key())
        .col(timestamp_with_time_zone("revoke_time"))
        .col(timestamp_with_time_zone("expire_time"))
        .to_owned()
}
