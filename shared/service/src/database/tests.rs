use futures_util::future::{join_all, try_join_all};
use portico_testing::databases;
use sea_orm::{QueryResult, Statement};
use sea_orm_migration::prelude::*;

use super::*;
use crate::{Clock, Frame};

struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(First)]
    }
}

struct First;

impl MigrationName for First {
    fn name(&self) -> &'static str {
        "m0001_first"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for First {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection
            .execute_unprepared(
                "CREATE TABLE numbers (id BIGINT PRIMARY KEY, value BIGINT NOT NULL)",
            )
            .await?;
        connection
            .execute_unprepared("INSERT INTO numbers VALUES (1, 0)")
            .await?;
        Ok(())
    }
}

/// A release later, whose step may break off at its end.
struct Later<const BROKEN: bool>;

#[async_trait::async_trait]
impl<const BROKEN: bool> MigratorTrait for Later<BROKEN> {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(First), Box::new(Second::<BROKEN>)]
    }
}

struct Second<const BROKEN: bool>;

impl<const BROKEN: bool> MigrationName for Second<BROKEN> {
    fn name(&self) -> &'static str {
        "m0002_second"
    }
}

#[async_trait::async_trait]
impl<const BROKEN: bool> MigrationTrait for Second<BROKEN> {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection
            .execute_unprepared("CREATE TABLE letters (id BIGINT PRIMARY KEY)")
            .await?;
        if BROKEN {
            return Err(DbErr::Custom("killed".to_owned()));
        }
        Ok(())
    }
}

async fn open(url: &str) -> DatabaseConnection {
    connect(&Secret::from(url), 8).await.unwrap()
}

async fn one<C: ConnectionTrait>(db: &C, sql: &str) -> QueryResult {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    db.query_one_raw(statement).await.unwrap().unwrap()
}

async fn number<C: ConnectionTrait>(db: &C) -> i64 {
    one(db, "SELECT value FROM numbers WHERE id = 1")
        .await
        .try_get_by_index(0)
        .unwrap()
}

#[tokio::test]
async fn migrations_run_once_however_many_ask() {
    for database in databases() {
        let pools = join_all((0..3).map(|_| open(&database.url))).await;
        assert!(
            pending::<Migrator>(&pools[0]).await.unwrap(),
            "{}",
            database.name
        );
        try_join_all(pools.iter().map(migrate::<Migrator>))
            .await
            .unwrap();
        migrate::<Migrator>(&pools[1]).await.unwrap();
        assert!(
            !pending::<Migrator>(&pools[2]).await.unwrap(),
            "{}",
            database.name
        );
        assert_eq!(number(&pools[0]).await, 0, "{}", database.name);
    }
}

#[tokio::test]
async fn a_migration_that_breaks_off_leaves_nothing() {
    for database in databases() {
        let db = open(&database.url).await;
        migrate::<Later<true>>(&db).await.unwrap_err();
        for table in ["numbers", "letters"] {
            let sql = format!("SELECT 1 FROM {table}");
            let left = db.execute_unprepared(&sql).await;
            assert!(left.is_err(), "{}: {table}", database.name);
        }
        migrate::<Migrator>(&db).await.unwrap();
    }
}

#[tokio::test]
async fn a_release_runs_on_the_schema_of_a_later_one() {
    for database in databases() {
        let db = open(&database.url).await;
        migrate::<Migrator>(&db).await.unwrap();
        assert!(pending::<Later<false>>(&db).await.unwrap());
        migrate::<Later<false>>(&db).await.unwrap();
        // One that starts meanwhile, and one that is taken back to.
        assert!(!pending::<Migrator>(&db).await.unwrap());
        migrate::<Migrator>(&db).await.unwrap();
        assert!(!pending::<Later<false>>(&db).await.unwrap());
        one(&db, "SELECT count(*) FROM letters").await;
    }
}

#[tokio::test]
async fn looking_for_pending_migrations_changes_nothing() {
    for database in databases() {
        let db = open(&database.url).await;
        assert!(pending::<Migrator>(&db).await.unwrap());
        let table = "SELECT count(*) FROM seaql_migrations";
        assert!(
            db.execute_unprepared(table).await.is_err(),
            "{}",
            database.name
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_that_read_first_wait_for_each_other() {
    for database in databases() {
        let db = open(&database.url).await;
        migrate::<Migrator>(&db).await.unwrap();
        let write = async || {
            let tx = begin_write(&db).await?;
            let lock = if database.name == "postgres" {
                " FOR UPDATE"
            } else {
                ""
            };
            let value: i64 = one(
                &tx,
                &format!("SELECT value FROM numbers WHERE id = 1{lock}"),
            )
            .await
            .try_get_by_index(0)?;
            tx.execute_unprepared(&format!(
                "UPDATE numbers SET value = {} WHERE id = 1",
                value + 1
            ))
            .await?;
            tx.commit().await
        };
        try_join_all((0..100).map(|_| write())).await.unwrap();
        assert_eq!(number(&db).await, 100, "{}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_file_can_be_opened_by_many_at_once() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("x.db").display());
        join_all((0..4).map(|_| open(&url))).await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_fresh_file_is_for_its_owner_alone_whatever_the_folder() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let shared = fs::Permissions::from_mode(0o755);
    fs::set_permissions(folder.path(), shared).unwrap();
    let url = format!("sqlite://{}", folder.path().join("x.db").display());
    let db = open(&url).await;
    migrate::<Migrator>(&db).await.unwrap();
    let mut files = 0;
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
        files += 1;
    }
    assert_eq!(files, 3, "the file, its log and the log's index");
}

#[tokio::test]
async fn a_dropped_transaction_leaves_nothing() {
    for database in databases() {
        let db = open(&database.url).await;
        migrate::<Migrator>(&db).await.unwrap();
        let tx = begin_write(&db).await.unwrap();
        tx.execute_unprepared("UPDATE numbers SET value = 7 WHERE id = 1")
            .await
            .unwrap();
        drop(tx);
        assert_eq!(number(&db).await, 0, "{}", database.name);
    }
}

#[tokio::test]
async fn every_connection_of_sqlite_has_the_pragmas() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new/folder/x.db");
    let db = open(&format!("sqlite://{}", file.display())).await;
    let mut held = Vec::new();
    for _ in 0..4 {
        let tx = db.begin().await.unwrap();
        for (pragma, expected) in [
            ("synchronous", 2),
            ("foreign_keys", 1),
            ("busy_timeout", 5000),
        ] {
            let value: i32 = one(&tx, &format!("PRAGMA {pragma}"))
                .await
                .try_get_by_index(0)
                .unwrap();
            assert_eq!(value, expected, "{pragma}");
        }
        let mode: String = one(&tx, "PRAGMA journal_mode")
            .await
            .try_get_by_index(0)
            .unwrap();
        assert_eq!(mode, "wal");
        held.push(tx);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(file.parent().unwrap())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}

#[tokio::test]
async fn postgres_knows_who_asks_and_how_long_it_may_take() {
    for database in databases() {
        if database.name != "postgres" {
            continue;
        }
        let db = open(&database.url).await;
        let setting = async |name: &str| -> String {
            one(&db, &format!("SHOW {name}"))
                .await
                .try_get_by_index(0)
                .unwrap()
        };
        assert_eq!(setting("application_name").await, "portico");
        assert_eq!(setting("statement_timeout").await, "30s");
    }
}

#[tokio::test]
async fn a_memory_database_is_one_database() {
    let db = open("sqlite::memory:").await;
    migrate::<Migrator>(&db).await.unwrap();
    assert_eq!(number(&db).await, 0);
}

#[tokio::test]
async fn a_refused_url_is_not_repeated() {
    for url in [
        "mysql://u:s3cret@x/y",
        "s3cret",
        "postgres://u:s3cret@x:port/y",
    ] {
        let error = connect(&Secret::from(url), 1).await.unwrap_err();
        assert!(
            !format!("{error} {error:?}").contains("s3cret"),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_database_is_ready_once_it_is_migrated() {
    for database in databases() {
        let db = open(&database.url).await;
        let frame = Frame::new(Clock::system());
        supervise::<Migrator>(&db, &frame).await.unwrap();
        if database.name == "postgres" {
            assert!(!frame.readiness.is_ready());
            migrate::<Migrator>(&db).await.unwrap();
        }
        let began = Instant::now();
        tokio::time::timeout(Duration::from_secs(10), frame.readiness.wait())
            .await
            .unwrap();
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "{}",
            database.name
        );
        frame.stop.cancel();
        frame.tasks.close();
        frame.tasks.wait().await;
    }
}

#[test]
fn times_are_cut_to_microseconds() {
    let time = DateTime::from_timestamp(1_700_000_000, 123_456_789).unwrap();
    assert_eq!(truncate(time).timestamp_subsec_nanos(), 123_456_000);
    let before = DateTime::from_timestamp(-5, 123_456_789).unwrap();
    assert_eq!(truncate(before).timestamp_subsec_nanos() % 1000, 0);
}

/// Whether PostgreSQL works on a statement with that in it, for anybody else than who asks.
async fn works_on(db: &DatabaseConnection, mark: &str) -> bool {
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity \
         WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE '%{mark}%'"
    );
    let count: i64 = one(db, &sql).await.try_get_by_index(0).unwrap();
    count > 0
}

#[tokio::test]
async fn an_abandoned_statement_is_cancelled() {
    let on_postgres = |it: &portico_testing::Database| it.url.starts_with("postgres");
    for database in databases().into_iter().filter(on_postgres) {
        let (db, watcher) = (open(&database.url).await, open(&database.url).await);
        for mark in ["in_no_transaction", "in_a_transaction"] {
            let sql = format!("SELECT 1 AS {mark} FROM pg_sleep(25)");
            let asking = async {
                if mark == "in_no_transaction" {
                    one(&db, &sql).await;
                } else {
                    let tx = begin_write(&db).await.unwrap();
                    one(&tx, &sql).await;
                }
            };
            let seen = async {
                while !works_on(&watcher, mark).await {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            tokio::select! {
                () = asking => panic!("it sleeps for longer"),
                () = seen => {}
            }
            // Its caller is gone now. Left alone, it would sleep for most of a minute yet.
            let cancelled = async {
                while works_on(&watcher, mark).await {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(10), cancelled)
                .await
                .expect("nobody waits for it");
        }
        one(&db, "SELECT 1").await;
    }
}

#[tokio::test]
async fn new_connections_take_a_changed_password_and_no_other_server() {
    let Some(postgres) = portico_testing::postgres() else {
        return;
    };
    let url = postgres.database();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("database-url");
    fs::write(&file, format!("{url}\n")).unwrap();
    let mut secret = Secret::from(url.as_str());
    secret.read_from(&file);
    let db = connect(&secret, 8).await.unwrap();
    db.execute_unprepared("CREATE ROLE successor LOGIN")
        .await
        .unwrap();
    let open = db.begin().await.unwrap();

    // Whose connection is made next, once `wanted` has been read.
    let next = async |wanted: &str| {
        for _ in 0..100 {
            db.get_postgres_connection_pool()
                .acquire()
                .await
                .unwrap()
                .close()
                .await
                .unwrap();
            if who(&db).await == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("still {}", who(&db).await);
    };
    fs::write(&file, url.replace("postgres@", "successor@")).unwrap();
    next("successor").await;
    assert_eq!(who(&open).await, "postgres");

    fs::write(&file, url.replace("127.0.0.1", "elsewhere.invalid")).unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    next("successor").await;
    fs::write(&file, &url).unwrap();
    next("postgres").await;
}

async fn who<C: ConnectionTrait>(db: &C) -> String {
    let row = one(db, "SELECT current_user::text").await;
    row.try_get_by_index(0).unwrap()
}
