//! What a database tells of itself: each statement with its time, as a metric and as a span, and the pool.

use std::{cell::RefCell, collections::HashMap, future::Future, time::Duration};

use metrics::{Counter, Histogram, counter, gauge, histogram};
use portico_telemetry::trace::{self, Ended, KeyValue};
use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    metric::Info,
};
use std::sync::Arc;
use tokio::time::Instant;

use super::statement::{Operation, Statement};
use crate::Frame;

/// How often the pool is looked at.
const EVERY: Duration = Duration::from_secs(5);

/// The most tables that one thread tells apart.
const TABLES: usize = 64;

struct Entry {
    database: &'static str,
    operation: Operation,
    duration: Histogram,
    failures: Option<Counter>,
}

thread_local! {
    // Looking an instrument up by its labels costs more than using it.
    static INSTRUMENTS: RefCell<HashMap<Box<str>, Vec<Entry>>> = RefCell::default();
}

/// Measures and traces the statements of a database, which metrics call `database`, and its pool for as long
/// as the process runs.
pub fn observe(
    database: &'static str,
    mut db: DatabaseConnection,
    frame: &Frame,
) -> DatabaseConnection {
    let place = Arc::new(Place::of(&db));
    db.set_metric_callback(move |info: &Info<'_>| {
        let statement = Statement::of(&info.statement.sql);
        count(database, &statement, info.elapsed, info.failed);
        trace::ended(info.elapsed, || {
            place.span(&statement, Some(&info.statement.sql), info.failed)
        });
    });
    let (pool, stop) = (db.clone(), frame.stop.clone());
    frame.tasks.spawn(async move {
        let looking = async {
            loop {
                look(database, &pool);
                tokio::time::sleep(EVERY).await;
            }
        };
        stop.run_until_cancelled(looking).await;
    });
    db
}

/// Makes a transaction last, measured and traced as a statement.
pub async fn commit(database: &'static str, tx: DatabaseTransaction) -> Result<(), DbErr> {
    let backend = tx.get_database_backend();
    timed(database, backend, tx.commit()).await
}

async fn timed(
    database: &'static str,
    backend: DbBackend,
    commit: impl Future<Output = Result<(), DbErr>>,
) -> Result<(), DbErr> {
    let began = Instant::now();
    let result = commit.await;
    let statement = Statement::COMMIT;
    count(database, &statement, began.elapsed(), result.is_err());
    trace::ended(began.elapsed(), || {
        Place::new(backend).span(&statement, None, result.is_err())
    });
    result
}

/// Counts a call for which no connection came back in time.
pub fn note(error: &DbErr) {
    if matches!(error, DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)) {
        counter!("db_pool_timeouts_total").increment(1);
    }
}

fn count(database: &'static str, statement: &Statement<'_>, elapsed: Duration, failed: bool) {
    INSTRUMENTS.with_borrow_mut(|tables| {
        let known = tables.contains_key(statement.table);
        let table = if known || tables.len() < TABLES {
            statement.table
        } else {
            "other"
        };
        if !tables.contains_key(table) {
            tables.insert(table.into(), Vec::new());
        }
        let Some(entries) = tables.get_mut(table) else {
            return;
        };
        let operation = statement.operation;
        let of_this = |it: &Entry| it.database == database && it.operation == operation;
        let place = entries.iter().position(of_this).unwrap_or_else(|| {
            let labels = [
                ("database", database.to_owned()),
                ("operation", operation.as_str().to_owned()),
                ("table", table.to_owned()),
            ];
            entries.push(Entry {
                database,
                operation,
                duration: histogram!("db_statement_duration_seconds", &labels),
                failures: None,
            });
            entries.len() - 1
        });
        let entry = &mut entries[place];
        entry.duration.record(elapsed);
        if failed {
            let failures = entry.failures.get_or_insert_with(|| {
                counter!("db_statement_failures_total",
                    "database" => database,
                    "operation" => operation.as_str(),
                    "table" => table.to_owned())
            });
            failures.increment(1);
        }
    });
}

fn look(database: &'static str, db: &DatabaseConnection) {
    let (size, idle, most) = match db.get_database_backend() {
        DbBackend::Postgres => {
            let pool = db.get_postgres_connection_pool();
            (
                pool.size(),
                pool.num_idle(),
                pool.options().get_max_connections(),
            )
        }
        DbBackend::Sqlite => {
            let pool = db.get_sqlite_connection_pool();
            (
                pool.size(),
                pool.num_idle(),
                pool.options().get_max_connections(),
            )
        }
        _ => return,
    };
    // The two are not read at one moment.
    let idle = u32::try_from(idle).unwrap_or(u32::MAX).min(size);
    let set = |state, value| {
        gauge!("db_pool_connections", "database" => database, "state" => state).set(value);
    };
    set("used", size - idle);
    set("idle", idle);
    gauge!("db_pool_max_connections", "database" => database).set(most);
}

/// Where statements go, as spans say it (OpenTelemetry's conventions for SQL).
struct Place {
    system: &'static str,
    namespace: Option<String>,
    server: Option<(String, u16)>,
}

impl Place {
    fn new(backend: DbBackend) -> Self {
        Self {
            system: match backend {
                DbBackend::Postgres => "postgresql",
                DbBackend::Sqlite => "sqlite",
                _ => "other_sql",
            },
            namespace: None,
            server: None,
        }
    }

    fn of(db: &DatabaseConnection) -> Self {
        let backend = db.get_database_backend();
        let place = Self::new(backend);
        match backend {
            DbBackend::Postgres => {
                let options = db.get_postgres_connection_pool().connect_options();
                Self {
                    namespace: options.get_database().map(str::to_owned),
                    server: Some((options.get_host().to_owned(), options.get_port())),
                    ..place
                }
            }
            DbBackend::Sqlite => {
                let options = db.get_sqlite_connection_pool().connect_options();
                let name = options.get_filename().file_name();
                Self {
                    namespace: name.map(|name| name.to_string_lossy().into_owned()),
                    ..place
                }
            }
            _ => place,
        }
    }

    fn span(&self, statement: &Statement<'_>, sql: Option<&str>, failed: bool) -> Ended {
        let summary = statement.summary();
        let operation = statement.verb;
        let mut attributes = vec![
            KeyValue::new("db.system.name", self.system),
            KeyValue::new("db.query.summary", summary.clone()),
            KeyValue::new("db.operation.name", operation.to_owned()),
        ];
        let mut add = |key: &'static str, value: Option<&str>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                attributes.push(KeyValue::new(key, value.to_owned()));
            }
        };
        add("db.collection.name", Some(statement.table));
        add("db.namespace", self.namespace.as_deref());
        // Values are bound, so the text has none.
        add("db.query.text", sql);
        add("error.type", failed.then_some("_OTHER"));
        if let Some((address, port)) = &self.server {
            attributes.push(KeyValue::new("server.address", address.clone()));
            attributes.push(KeyValue::new("server.port", i64::from(*port)));
        }
        Ended {
            name: summary.into(),
            attributes,
            failed,
        }
    }
}
