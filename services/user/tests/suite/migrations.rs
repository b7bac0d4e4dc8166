use std::time::Duration;

use chrono::DateTime;
use portico_proto::{error::Reason, user::v1 as pb};
use portico_service::{Secret, database};
use portico_testing::databases;
use portico_user::Migrator;
use sea_orm::{ConnectionTrait, Statement, Value};
use sea_orm_migration::MigratorTrait;
use uuid::Uuid;

use crate::house::{House, answer, refused};

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

/// The first release goes on working on the schema of this one, and what it wrote, before and after, is
/// there like the rest.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_release_runs_on_the_migrated_schema() {
    let columns = "email, email_key, email_verified, display_name, locale, time_zone, status, roles, \
                   administrator, revision, create_time, update_time, delete_time";
    for database in databases() {
        let db = database::connect(&Secret::from(database.url.clone()), 8)
            .await
            .unwrap();
        let backend = db.get_database_backend();
        let run = async |sql: String, values: Vec<Value>| {
            let statement = Statement::from_sql_and_values(backend, sql, values);
            db.execute_raw(statement).await.unwrap().rows_affected()
        };
        let now = DateTime::from_timestamp_micros(1_780_000_000_123_456).unwrap();
        let insert = async |email: &str| {
            let id = Uuid::now_v7();
            let email = || Value::from(email.to_owned());
            let values = vec![
                id.into(),
                email(),
                email(),
                false.into(),
                "Ada Lovelace".into(),
                "en".into(),
                "UTC".into(),
                1_i16.into(),
                "user".into(),
                false.into(),
                1_i64.into(),
                now.into(),
                now.into(),
                Value::ChronoDateTimeUtc(None),
            ];
            let places: Vec<String> = (1..=values.len()).map(|n| format!("${n}")).collect();
            let places = places.join(", ");
            let sql = format!("INSERT INTO users (id, {columns}) VALUES ({places})");
            assert_eq!(run(sql, values).await, 1);
            id
        };

        Migrator::up(&db, Some(1)).await.unwrap();
        let before = insert("before@example.org").await;
        database::migrate::<Migrator>(&db).await.unwrap();
        let after = insert("after@example.org").await;
        let renamed = "UPDATE users SET display_name = $1, revision = revision + 1 WHERE id = $2 \
                       AND revision = 1";
        assert_eq!(
            run(renamed.into(), vec!["King".into(), after.into()]).await,
            1
        );
        let deleted = insert("deleted@example.org").await;
        let delete = "UPDATE users SET status = 3, delete_time = $1, revision = 2 WHERE id = $2";
        assert_eq!(
            run(delete.into(), vec![now.into(), deleted.into()]).await,
            1
        );

        let house = House::open_at(database.name, &database.url).await;
        let ready = house.frame.readiness.wait();
        tokio::time::timeout(Duration::from_secs(10), ready)
            .await
            .expect("in time");
        for (search, id) in [("before", before), ("lovelace", before), ("king", after)] {
            let request = pb::ListUsersRequest {
                search: search.into(),
                ..pb::ListUsersRequest::default()
            };
            let found = house.query(request).await.unwrap().users;
            let ids: Vec<String> = found.into_iter().map(|user| user.id).collect();
            assert_eq!(ids, [id.to_string()], "{search} on {}", database.name);
        }
        // Purged by this release, the row still makes sense to the first one.
        let purge = pb::PurgeUserRequest {
            id: deleted.to_string(),
            ..pb::PurgeUserRequest::default()
        };
        answer(house.users().purge_user(house.admin(purge)).await).unwrap();
        let sql = format!("SELECT {columns} FROM users WHERE id = $1");
        let statement = Statement::from_sql_and_values(backend, sql, [deleted.into()]);
        let row = db.query_one_raw(statement).await.unwrap().unwrap();
        let email: String = row.try_get("", "email").unwrap();
        assert_eq!(email, format!("purged@{deleted}.invalid"));
        assert_eq!(row.try_get::<i16>("", "status").unwrap(), 3);
        house.close().await;
        db.close().await.unwrap();
    }
}
