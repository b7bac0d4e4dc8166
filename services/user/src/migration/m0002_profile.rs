//! More of an account, its purge, and what lists, filters and searches run on.
//!
//! New columns have defaults, so the service of the step before goes on writing rows; triggers and an
//! expression index, and not the service, keep the search in step, so that its rows are found as well.
//!
//! On a large PostgreSQL table the indexes take a while, during which writes wait. Whoever cannot have
//! that creates them beforehand with `CREATE INDEX CONCURRENTLY` under the same names.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0002_profile"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for column in columns() {
            // SQLite takes one column at a time.
            manager
                .alter_table(Table::alter().table("users").add_column(column).take())
                .await?;
        }
        for index in INDEXES {
            db.execute_unprepared(index).await?;
        }
        let search = match manager.get_database_backend() {
            DbBackend::Postgres => POSTGRES,
            _ => SQLITE,
        };
        for statement in search {
            db.execute_unprepared(statement).await?;
        }
        Ok(())
    }
}

fn columns() -> Vec<ColumnDef> {
    let text = |name: &'static str| {
        let mut column = ColumnDef::new(name);
        column.text().not_null().default("");
        column
    };
    let object = |name: &'static str| {
        let mut column = ColumnDef::new(name);
        column.text().not_null().default("{}");
        column
    };
    let flag = |name: &'static str| {
        let mut column = ColumnDef::new(name);
        column.boolean().not_null().default(false);
        column
    };
    vec![
        ColumnDef::new("username").text().take(),
        ColumnDef::new("username_key").text().take(),
        text("given_name"),
        text("family_name"),
        text("picture"),
        text("phone"),
        object("public_metadata"),
        object("private_metadata"),
        flag("suspended_before"),
        ColumnDef::new("purge_time")
            .timestamp_with_time_zone()
            .take(),
        flag("purged"),
    ]
}

/// Each order that a list can have, then what filters and jobs look for. Most leave out the rest.
const INDEXES: [&str; 10] = [
    "CREATE UNIQUE INDEX IF NOT EXISTS users_username ON users (username_key)",
    "CREATE INDEX IF NOT EXISTS users_by_update_time ON users (update_time, id) WHERE delete_time IS NULL",
    "CREATE INDEX IF NOT EXISTS users_by_email ON users (email_key, id) WHERE delete_time IS NULL",
    "CREATE INDEX IF NOT EXISTS users_by_display_name ON users (lower(display_name), id) WHERE delete_time IS NULL",
    // With the deleted ones, and without those of which nothing is left.
    "CREATE INDEX IF NOT EXISTS users_with_deleted ON users (create_time, id) WHERE NOT purged",
    "CREATE INDEX IF NOT EXISTS users_suspended ON users (create_time, id) WHERE status = 2",
    // Whoever holds more or other roles than everybody: few, and asked for by role.
    "CREATE INDEX IF NOT EXISTS users_with_roles ON users (create_time, id) WHERE roles <> 'user'",
    "CREATE INDEX IF NOT EXISTS users_by_phone ON users (phone, id) WHERE phone <> ''",
    "CREATE INDEX IF NOT EXISTS users_to_purge ON users (purge_time, delete_time) WHERE delete_time IS NOT NULL AND NOT purged",
    "CREATE INDEX IF NOT EXISTS idempotency_by_create_time ON idempotency (create_time)",
];

/// `pg_trgm` is trusted since PostgreSQL 13: who may create tables in the database may create it.
const POSTGRES: &[&str] = &[
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "CREATE INDEX IF NOT EXISTS users_search ON users USING gin \
     (lower(' ' || email_key || ' ' || coalesce(username_key, '') || ' ' || display_name || ' ' \
     || given_name || ' ' || family_name) gin_trgm_ops)",
];

/// Trigrams need numbered rows, and the numbers of `users` may change when the file is vacuumed. Two
/// spaces stand before each word, so that the first letter of one has a trigram too.
const SQLITE: &[&str] = &[
    "CREATE TABLE user_search (number INTEGER PRIMARY KEY, user_id uuid_text NOT NULL UNIQUE, text TEXT NOT NULL)",
    "CREATE VIRTUAL TABLE user_trigrams USING fts5(text, content='user_search', content_rowid='number', tokenize='trigram')",
    "CREATE TRIGGER user_search_insert AFTER INSERT ON user_search BEGIN \
     INSERT INTO user_trigrams (rowid, text) VALUES (new.number, new.text); END",
    "CREATE TRIGGER user_search_delete AFTER DELETE ON user_search BEGIN \
     INSERT INTO user_trigrams (user_trigrams, rowid, text) VALUES ('delete', old.number, old.text); END",
    "CREATE TRIGGER user_search_update AFTER UPDATE ON user_search BEGIN \
     INSERT INTO user_trigrams (user_trigrams, rowid, text) VALUES ('delete', old.number, old.text); \
     INSERT INTO user_trigrams (rowid, text) VALUES (new.number, new.text); END",
    "CREATE TRIGGER users_search_insert AFTER INSERT ON users BEGIN \
     INSERT INTO user_search (user_id, text) VALUES (new.id, \
     '  ' || replace(lower(new.email_key || ' ' || coalesce(new.username_key, '') || ' ' || new.display_name || ' ' \
     || new.given_name || ' ' || new.family_name), ' ', '  ')); END",
    "CREATE TRIGGER users_search_update \
     AFTER UPDATE OF email_key, username_key, display_name, given_name, family_name ON users \
     WHEN old.email_key <> new.email_key OR old.username_key IS NOT new.username_key \
     OR old.display_name <> new.display_name OR old.given_name <> new.given_name \
     OR old.family_name <> new.family_name BEGIN \
     UPDATE user_search SET text = \
     '  ' || replace(lower(new.email_key || ' ' || coalesce(new.username_key, '') || ' ' || new.display_name || ' ' \
     || new.given_name || ' ' || new.family_name), ' ', '  ') WHERE user_id = new.id; END",
    "CREATE TRIGGER users_search_delete AFTER DELETE ON users BEGIN \
     DELETE FROM user_search WHERE user_id = old.id; END",
    "INSERT INTO user_search (user_id, text) SELECT id, \
     '  ' || replace(lower(email_key || ' ' || display_name), ' ', '  ') FROM users",
];
