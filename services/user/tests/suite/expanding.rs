//! Migrations only expand: whatever a release reads and writes, it can go on with on every later schema.

use std::collections::{BTreeMap, BTreeSet};

use portico_service::{Secret, database};
use portico_testing::databases;
use portico_user::Migrator;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use sea_orm_migration::MigratorTrait;

/// What statements of a release rely on.
#[derive(Debug, Default)]
struct Schema {
    /// By table and name.
    columns: BTreeMap<(String, String), Column>,
    /// The sets of columns that are unique, by table.
    unique: BTreeSet<(String, BTreeSet<String>)>,
}

#[derive(Debug, PartialEq, Eq)]
struct Column {
    kind: String,
    nullable: bool,
    /// It gets a value where an insert names none.
    filled: bool,
}

const POSTGRES: [&str; 2] = [
    "SELECT table_name::text AS owner, column_name::text AS name, data_type::text AS kind, \
     is_nullable = 'YES' AS nullable, column_default IS NOT NULL OR is_identity = 'YES' AS filled \
     FROM information_schema.columns WHERE table_schema = 'public'",
    "SELECT t.relname::text AS owner, string_agg(a.attname, ',') AS names FROM pg_index i \
     JOIN pg_class t ON t.oid = i.indrelid \
     JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY (i.indkey) \
     WHERE i.indisunique AND t.relnamespace = 'public'::regnamespace GROUP BY i.indexrelid, t.relname",
];
const SQLITE: [&str; 2] = [
    "SELECT t.name AS owner, c.name AS name, c.type AS kind, c.\"notnull\" = 0 AS nullable, \
     c.dflt_value IS NOT NULL OR c.pk > 0 AS filled \
     FROM sqlite_master t JOIN pragma_table_info(t.name) c WHERE t.type = 'table'",
    "SELECT t.name AS owner, group_concat(c.name, ',') AS names FROM sqlite_master t \
     JOIN pragma_index_list(t.name) i JOIN pragma_index_info(i.name) c \
     WHERE t.type = 'table' AND i.\"unique\" AND c.name IS NOT NULL GROUP BY i.name",
];

async fn schema(db: &DatabaseConnection) -> Schema {
    let backend = db.get_database_backend();
    let [columns, unique] = match backend {
        DbBackend::Postgres => POSTGRES,
        _ => SQLITE,
    };
    let rows = async |sql| {
        let statement = Statement::from_string(backend, sql);
        db.query_all_raw(statement).await.unwrap()
    };
    let mut schema = Schema::default();
    for row in rows(columns).await {
        let text = |column| row.try_get::<String>("", column).unwrap();
        let flag = |column| row.try_get::<bool>("", column).unwrap();
        let column = Column {
            kind: text("kind"),
            nullable: flag("nullable"),
            filled: flag("filled"),
        };
        schema.columns.insert((text("owner"), text("name")), column);
    }
    for row in rows(unique).await {
        let text = |column| row.try_get::<String>("", column).unwrap();
        let names = text("names").split(',').map(str::to_owned).collect();
        schema.unique.insert((text("owner"), names));
    }
    schema
}

/// What a step takes from who knows the schema before it.
fn broken(before: &Schema, after: &Schema) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, column) in &before.columns {
        match after.columns.get(name) {
            None => faults.push(format!("{name:?} is gone")),
            Some(now) if now != column => faults.push(format!("{name:?} is {now:?} now")),
            Some(_) => {}
        }
    }
    let tables: BTreeSet<&String> = before.columns.keys().map(|(table, _)| table).collect();
    for (name, column) in &after.columns {
        let new = tables.contains(&name.0) && !before.columns.contains_key(name);
        if new && !column.nullable && !column.filled {
            faults.push(format!("{name:?} needs a value that nobody gives"));
        }
    }
    for (table, names) in after.unique.difference(&before.unique) {
        let known = |name: &String| {
            let key = (table.clone(), name.clone());
            before.columns.contains_key(&key)
        };
        if tables.contains(table) && names.iter().all(known) {
            faults.push(format!("{table}: {names:?} need not have been unique"));
        }
    }
    faults
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_leaves_what_earlier_releases_rely_on() {
    for database in databases() {
        let db = database::connect(&Secret::from(database.url.clone()), 1)
            .await
            .unwrap();
        let mut before = schema(&db).await;
        let steps = Migrator::migrations().len();
        for step in 1..=steps {
            Migrator::up(&db, Some(1)).await.unwrap();
            let after = schema(&db).await;
            assert!(after.columns.len() > before.columns.len() || step > 1);
            let faults = broken(&before, &after);
            assert_eq!(faults, [""; 0], "step {step} on {}", database.name);
            before = after;
        }
        let users = before.columns.keys().filter(|(table, _)| table == "users");
        assert!(users.count() > 20, "{before:?}");
        assert!(before.unique.len() > 2, "{before:?}");
        db.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_takes_something_away_would_be_found() {
    for database in databases() {
        let db = database::connect(&Secret::from(database.url.clone()), 1)
            .await
            .unwrap();
        database::migrate::<Migrator>(&db).await.unwrap();
        for (step, fault) in [
            ("ALTER TABLE roles DROP COLUMN description", "is gone"),
            (
                "ALTER TABLE roles RENAME COLUMN scopes TO powers",
                "is gone",
            ),
            (
                "CREATE UNIQUE INDEX names ON users (display_name)",
                "unique",
            ),
        ] {
            let before = schema(&db).await;
            db.execute_unprepared(step).await.unwrap();
            let faults = broken(&before, &schema(&db).await);
            assert!(
                faults.iter().any(|it| it.contains(fault)),
                "{step}: {faults:?}"
            );
        }
        db.close().await.unwrap();
    }
}
