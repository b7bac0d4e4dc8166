//! Connections to a service's own database: SQLite on a laptop, PostgreSQL elsewhere.

use std::{
    collections::HashSet,
    fs, io,
    path::Path,
    time::{Duration, Instant},
};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend,
    DbErr, IntoDatabaseExecutor, RuntimeErr, SqliteTransactionMode, Statement, TransactionOptions,
    TransactionTrait,
    sqlx::{
        self, ConnectOptions as _, Connection,
        pool::PoolOptions,
        postgres::PgConnectOptions,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
    },
};
use sea_orm_migration::{MigratorTrait, SchemaManager};

use crate::Secret;

mod abandoned;
mod follow;
mod observe;
mod shapes;
mod statement;
mod supervise;

pub use observe::{commit, note, observe};
pub use shapes::{filled, pieces};
pub use supervise::supervise;

/// The table in which migrations are noted that were applied.
const APPLIED: &str = "seaql_migrations";
/// How long a statement may run on PostgreSQL. No request waits longer, so nobody would read the
/// answer.
const STATEMENT: Duration = Duration::from_secs(30);
/// How long a call waits for a free connection.
const ACQUIRE: Duration = Duration::from_secs(5);
/// How long a connection may have been idle before it is tried first. Trying each time would double
/// the round trips.
const IDLE: Duration = Duration::from_secs(30);
/// How long a connection must have been waited for to be counted as a wait.
const WAITED: Duration = Duration::from_millis(1);
/// How long a writer waits for another one on SQLite.
const BUSY: Duration = Duration::from_secs(5);
/// The advisory lock that one migration at a time holds on PostgreSQL: "portico" in ASCII.
const MIGRATION_LOCK: i64 = 0x70_6f72_7469_636f;

/// Opens a pool of at most `pool` connections. The URL is `sqlite://path` or `postgres://…`; it, and
/// the password in it, appear in no error and no log.
///
/// SQLite: the file and its folder are created. A PostgreSQL that is away is no error here; the
/// connections are made when they are needed, by what the URL's file says then, if it came from one.
pub async fn connect(url: &Secret, pool: u32) -> Result<DatabaseConnection, DbErr> {
    let text = url.expose();
    let mut options = if text.starts_with("sqlite:") {
        sqlite(text, pool).await?
    } else if text.starts_with("postgres:") || text.starts_with("postgresql:") {
        postgres(text, pool)?
    } else {
        return Err(refused(
            "the database URL is neither sqlite:// nor postgres://",
        ));
    };
    // Statements are traced without their values, by `observe`.
    options.sqlx_logging(false).acquire_timeout(ACQUIRE);
    let db = Database::connect(options).await?;
    follow::follow(&db, url);
    Ok(db)
}

async fn sqlite(url: &str, pool: u32) -> Result<ConnectOptions, DbErr> {
    let parsed: SqliteConnectOptions = url
        .parse()
        .map_err(|_| refused("the SQLite URL cannot be parsed"))?;
    let memory = url.contains(":memory:") || url.contains("mode=memory");
    if !memory {
        create_folder_of(parsed.get_filename())
            .map_err(|error| refused(format!("cannot create the database's folder: {error}")))?;
        create_file(parsed.get_filename())
            .map_err(|error| refused(format!("cannot create the database's file: {error}")))?;
    }
    // Pragmas stand in the connect options, so that every connection of the pool has them.
    //
    // FULL rather than NORMAL: under WAL both survive the death of the process, but only FULL writes
    // through at each commit, and an acknowledged account must survive a power cut as well. It costs
    // one fsync per commit, which one machine's sign-ins can pay.
    let parsed = parsed
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY)
        .pragma("temp_store", "memory")
        .disable_statement_logging();
    if !memory {
        switch_to_wal(&parsed).await?;
    }
    let mut options = ConnectOptions::new("sqlite::memory:");
    options
        .map_sqlx_sqlite_opts(move |_| parsed.clone())
        .map_sqlx_sqlite_pool_opts(tell_waits)
        // A memory database lives as long as its one connection; a file's connections never go stale.
        .max_connections(if memory { 1 } else { pool })
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false);
    Ok(options)
}

/// Makes the file a WAL one, which it stays. SQLite does not wait for other connections while it
/// switches, so a fresh file's first connections would get in each other's way.
async fn switch_to_wal(options: &SqliteConnectOptions) -> Result<(), DbErr> {
    let deadline = Instant::now() + BUSY;
    loop {
        match options.connect().await {
            Ok(connection) => {
                return connection
                    .close()
                    .await
                    .map_err(|error| cannot_open(&error));
            }
            Err(error) if is_locked(&error) && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(error) => return Err(cannot_open(&error)),
        }
    }
}

fn cannot_open(error: &sqlx::Error) -> DbErr {
    refused(format!("cannot open the SQLite file: {error}"))
}

/// Whether another connection is in the way (`SQLITE_BUSY`).
fn is_locked(error: &sqlx::Error) -> bool {
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code == "5")
}

fn postgres(url: &str, pool: u32) -> Result<ConnectOptions, DbErr> {
    let parsed = postgres_connection(url)?;
    // The real options, password included, are handed over in the closure: sea-orm writes the URL into
    // its trace spans.
    let mut options = ConnectOptions::new("postgres://options-follow");
    options
        .map_sqlx_postgres_opts(move |_| parsed.clone())
        .map_sqlx_postgres_pool_opts(|it| tell_waits(abandoned::watched(it)))
        .max_connections(pool)
        .test_before_acquire(false)
        .test_before_acquire_if_idle_for(IDLE)
        .connect_lazy(true);
    Ok(options)
}

/// How a connection is made.
fn postgres_connection(url: &str) -> Result<PgConnectOptions, DbErr> {
    let parsed: PgConnectOptions = url
        .parse()
        .map_err(|_| refused("the PostgreSQL URL cannot be parsed"))?;
    let parsed = parsed
        .options([("statement_timeout", STATEMENT.as_millis().to_string())])
        .disable_statement_logging();
    Ok(match parsed.get_application_name() {
        Some(_) => parsed,
        None => parsed.application_name("portico"),
    })
}

/// Has the pool tell telemetry how long connections were waited for.
fn tell_waits<DB: sqlx::Database>(options: PoolOptions<DB>) -> PoolOptions<DB> {
    options
        .acquire_slow_threshold(WAITED)
        .acquire_slow_level(log::LevelFilter::Info)
}

/// Creates the folder, readable by its owner alone: what lies in it are password hashes.
fn create_folder_of(file: &Path) -> io::Result<()> {
    let Some(folder) = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    else {
        return Ok(());
    };
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Creates the file, for its owner alone even in a folder that others may read; SQLite gives the files
/// beside it the same mode. One that is there stays as it is.
fn create_file(file: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

fn refused(why: impl Into<String>) -> DbErr {
    DbErr::Conn(RuntimeErr::Internal(why.into()))
}

/// Begins a transaction that will write. On SQLite it takes the write lock at once and waits for it:
/// one that starts by reading and writes later would fail when another has written in between.
/// Dropping it rolls back.
pub async fn begin_write(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let immediate = (db.get_database_backend() == DbBackend::Sqlite)
        .then_some(SqliteTransactionMode::Immediate);
    db.begin_with_options(TransactionOptions {
        sqlite_transaction_mode: immediate,
        ..TransactionOptions::default()
    })
    .await
}

/// Applies all migrations that are not applied yet. Any number of processes may call it at once: they
/// wait for each other, and either all of the migrations are applied or none, so that one that was
/// killed leaves no half of a schema.
pub async fn migrate<M: MigratorTrait>(db: &DatabaseConnection) -> Result<(), DbErr> {
    let tx = begin_write(db).await?;
    if db.get_database_backend() == DbBackend::Postgres {
        tx.execute_unprepared(&format!(
            "SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"
        ))
        .await?;
    }
    if pending::<M>(&tx).await? {
        M::up(&tx, None).await?;
    }
    tx.commit().await
}

/// Whether a migration of this release is not applied yet. Those of a later one are none of its business: it runs on
/// their schema, also where it is taken back to. Only reads, and so needs no right to change the schema.
pub async fn pending<'c, M: MigratorTrait>(
    db: impl IntoDatabaseExecutor<'c>,
) -> Result<bool, DbErr> {
    let (known, schema) = (M::migrations(), SchemaManager::new(db));
    let db = schema.get_connection();
    if !schema.has_table(APPLIED).await? {
        return Ok(!known.is_empty());
    }
    let applied = format!("SELECT version FROM {APPLIED}");
    let applied = Statement::from_string(db.get_database_backend(), applied);
    let applied: HashSet<String> = db
        .query_all_raw(applied)
        .await?
        .iter()
        .map(|row| row.try_get("", "version"))
        .collect::<Result<_, _>>()?;
    Ok(known
        .iter()
        .any(|migration| !applied.contains(migration.name())))
}

/// The time cut to whole microseconds. SQLite would keep more and PostgreSQL would not.
pub fn truncate(time: DateTime<Utc>) -> DateTime<Utc> {
    time.duration_trunc(TimeDelta::microseconds(1))
        .unwrap_or(time)
}

#[cfg(test)]
mod tests;
