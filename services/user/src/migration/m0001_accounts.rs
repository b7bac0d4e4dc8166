//! Accounts, the built-in roles, the outbox and the idempotency keys.
//!
//! Nothing here is shared with the rest of the crate but the contract: what a step once did must not
//! change with it.

use portico_proto::user::v1::{Role, UserEvent, user_event::Change};
use portico_service::Clock;
use prost::Message;
use prost_types::Timestamp;
use sea_orm_migration::prelude::*;

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0001_accounts"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [users(), roles(), outbox(), idempotency()] {
            manager.create_table(table).await?;
        }
        for index in INDEXES {
            manager.get_connection().execute_unprepared(index).await?;
        }
        seed(manager).await
    }

    /// Takes everything away, for who tries a step out while writing it.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["idempotency", "outbox", "roles", "users"] {
            manager
                .drop_table(Table::drop().table(table).to_owned())
                .await?;
        }
        Ok(())
    }
}

/// In the order of the list of accounts, and of those who may do everything. Both leave out the rest.
const INDEXES: [&str; 2] = [
    "CREATE INDEX users_by_create_time ON users (create_time, id) WHERE delete_time IS NULL",
    "CREATE INDEX users_administrators ON users (id) WHERE administrator",
];

/// The built-in roles, in alphabetical order, and their scopes likewise.
const ROLES: [(&str, &[&str]); 3] = [
    (
        "admin",
        &[
            "clients:read",
            "clients:write",
            "roles:read",
            "roles:write",
            "service-accounts:read",
            "service-accounts:write",
            "sessions:read",
            "sessions:write",
            "users:read",
            "users:write",
        ],
    ),
    (
        "auditor",
        &[
            "clients:read",
            "roles:read",
            "service-accounts:read",
            "sessions:read",
            "users:read",
        ],
    ),
    ("user", &[]),
];

fn users() -> TableCreateStatement {
    Table::create()
        .table("users")
        .col(ColumnDef::new("id").uuid().not_null().primary_key())
        .col(ColumnDef::new("email").text().not_null())
        .col(ColumnDef::new("email_key").text().not_null().unique_key())
        .col(ColumnDef::new("email_verified").boolean().not_null())
        .col(ColumnDef::new("display_name").text().not_null())
        .col(ColumnDef::new("locale").text().not_null())
        .col(ColumnDef::new("time_zone").text().not_null())
        .col(ColumnDef::new("status").small_integer().not_null())
        .col(ColumnDef::new("roles").text().not_null())
        .col(ColumnDef::new("administrator").boolean().not_null())
        .col(ColumnDef::new("revision").big_integer().not_null())
        .col(
            ColumnDef::new("create_time")
                .timestamp_with_time_zone()
                .not_null(),
        )
        .col(
            ColumnDef::new("update_time")
                .timestamp_with_time_zone()
                .not_null(),
        )
        .col(ColumnDef::new("delete_time").timestamp_with_time_zone())
        .take()
}

fn roles() -> TableCreateStatement {
    Table::create()
        .table("roles")
        .col(ColumnDef::new("name").text().not_null().primary_key())
        .col(ColumnDef::new("scopes").text().not_null())
        .take()
}

/// Its numbers are never given twice: `AUTOINCREMENT` on SQLite, and on PostgreSQL an identity, whose
/// sequence must keep its cache of 1, or numbers would not be drawn in order.
fn outbox() -> TableCreateStatement {
    let mut sequence = ColumnDef::new("sequence");
    sequence
        .big_integer()
        .not_null()
        .auto_increment()
        .primary_key();
    Table::create()
        .table("outbox")
        .col(sequence)
        .col(ColumnDef::new("time").timestamp_with_time_zone().not_null())
        .col(ColumnDef::new("kind").text().not_null())
        .col(ColumnDef::new("account_id").uuid())
        .col(ColumnDef::new("payload").blob().not_null())
        .take()
}

fn idempotency() -> TableCreateStatement {
    Table::create()
        .table("idempotency")
        .col(ColumnDef::new("caller").text().not_null())
        .col(ColumnDef::new("key").text().not_null())
        .col(ColumnDef::new("fingerprint").blob().not_null())
        .col(ColumnDef::new("user_id").uuid().not_null())
        .col(
            ColumnDef::new("create_time")
                .timestamp_with_time_zone()
                .not_null(),
        )
        .primary_key(Index::create().col("caller").col("key"))
        .take()
}

/// The built-in roles, and an event for each.
async fn seed(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    // A migration has no frame to take a clock from.
    let now = Clock::system().now();
    let time = Timestamp {
        seconds: now.timestamp(),
        nanos: now.timestamp_subsec_nanos().cast_signed(),
    };
    let mut roles = Query::insert();
    roles.into_table("roles").columns(["name", "scopes"]);
    let mut events = Query::insert();
    events
        .into_table("outbox")
        .columns(["time", "kind", "payload"]);
    for (name, scopes) in ROLES {
        roles.values_panic([name.into(), scopes.join(" ").into()]);
        let role = Role {
            name: name.to_owned(),
            scopes: scopes.iter().map(ToString::to_string).collect(),
            ..Role::default()
        };
        let event = UserEvent {
            sequence: 0,
            time: Some(time),
            change: Some(Change::Role(role)),
            traceparent: String::new(),
        };
        events.values_panic([now.into(), "role".into(), event.encode_to_vec().into()]);
    }
    let db = manager.get_connection();
    db.execute(&roles).await?;
    db.execute(&events).await?;
    Ok(())
}
