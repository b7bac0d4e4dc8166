//! Rows that are over go by themselves.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend};

use crate::{
    registration::futures_join,
    support::{EMAIL, PASSWORD, Setting, World},
};

const DAY: Duration = Duration::from_hours(24);

async fn rows(world: &World, table: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) FROM {table}");
    world.number(&sql).await.expect("a count")
}

/// Three days of sign-ins, of which each leaves more rows than one batch takes.
#[tokio::test(flavor = "multi_thread")]
async fn tables_stay_bounded_under_constant_load() {
    for database in portico_testing::databases() {
        let world = Setting::new()
            .with("AUTH__REFRESH_TOKEN_TTL_SECONDS", "3600")
            .start(&database.url)
            .await;
        let ada = world.ada().await;
        world
            .register("bob@example.com", PASSWORD)
            .await
            .expect("registers");
        world.with_application(&ada.access_token).await;
        let proved = world.refresh(&ada.refresh_token).await;
        let proved = proved.expect("refreshes").access_token;
        world.enroll(&proved).await.expect("is left unconfirmed");
        for _ in 0..3 {
            let signing = (0..50).map(|_| world.login("bob@example.com", PASSWORD));
            for answer in futures_join(signing).await {
                answer.expect("signs in");
            }
            let challenged = (0..50).map(|_| world.login(EMAIL, PASSWORD));
            for answer in futures_join(challenged).await {
                assert!(answer.expect("is answered").challenge.is_some());
            }
            many_challenges(&world).await;
            assert!(rows(&world, "challenges").await > 2500);
            world.hand.advance(2 * DAY);
            for table in ["sessions", "challenges", "totp_enrolments"] {
                let gone = async || rows(&world, table).await == 0;
                world.until(&format!("{table} is empty"), gone).await;
            }
        }
        assert_eq!(rows(&world, "totp_factors").await, 1, "what counts stays");
        assert_eq!(rows(&world, "recovery_codes").await, 10);
        world.stop().await;
    }
}

/// As many sign-ins that wait as no test has time for.
async fn many_challenges(world: &World) {
    let hash = match world.db.get_database_backend() {
        DbBackend::Sqlite => "CAST('many-' || i AS BLOB)",
        _ => "convert_to('many-' || i, 'UTF8')",
    };
    let sql = format!(
        "INSERT INTO challenges (hash, user_id, method, scope, attempts_left, expire_time) \
         SELECT {hash}, (SELECT user_id FROM challenges LIMIT 1), 'code', '', 5, \
         (SELECT expire_time FROM challenges LIMIT 1) \
         FROM (WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) \
         SELECT i FROM n) AS numbers"
    );
    world.db.execute_unprepared(&sql).await.expect("inserts");
}
