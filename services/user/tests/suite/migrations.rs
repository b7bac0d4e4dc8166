use std::time::Duration;

use portico_proto::error::Reason;
use portico_service::{Secret, database};
use portico_testing::databases;
use portico_user::Migrator;
use sea_orm::ConnectionTrait;

use crate::house::{House, refused};

#[tokio::test(flavor = "multi_thread")]
async fn migrations_may_run_at_once_and_again() {
    for database in databases() {
        let url = Secret::from(database.url.clone());
        let db = database::connect(&url, 8).await.unwrap();
        assert!(database::pending::<Migrator>(&db).await.unwrap());
        if database.name == "postgres" {
            let runs = (0..4).map(|_| database::migrate::<Migrator>(&db));
            for result in futures_util::future::join_all(runs).await {
                result.unwrap();
            }
        }
        database::migrate::<Migrator>(&db).await.unwrap();
        database::migrate::<Migrator>(&db).await.unwrap();
        assert!(!database::pending::<Migrator>(&db).await.unwrap());
        for (table, rows) in [("roles", 3), ("outbox", 3), ("users", 0)] {
            let sql = format!("SELECT count(*) AS rows FROM {table}");
            let backend = db.get_database_backend();
            let row = db
                .query_one_raw(sea_orm::Statement::from_string(backend, sql))
                .await
                .unwrap()
                .unwrap();
            assert_eq!(row.try_get::<i64>("", "rows").unwrap(), rows, "{table}");
        }
        db.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_is_ready_once_somebody_has_migrated() {
    for database in databases() {
        let house = House::open_unmigrated(database).await;
        if house.database == "postgres" {
            assert!(!house.frame.readiness.is_ready());
            refused(house.try_create("ada@example.org").await, Reason::Internal);
            database::migrate::<Migrator>(&house.db).await.unwrap();
        }
        let ready = house.frame.readiness.wait();
        tokio::time::timeout(Duration::from_secs(10), ready)
            .await
            .expect("in time");
        house.create("ada@example.org").await;
        house.close().await;
    }
}
