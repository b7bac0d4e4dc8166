//! Rows that are over go by themselves.

use std::time::Duration;

use portico_proto::auth::v1::{DeleteApiKeyRequest, DeleteClientRequest};
use sea_orm::{ConnectionTrait, DbBackend};

use crate::{
    assertions,
    mails::VERIFY,
    registration::futures_join,
    support::{EMAIL, PASSWORD, Setting, World, bearing},
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

const DELETED: &str = "oauth_clients WHERE delete_time IS NOT NULL";

/// The tables that the constant load leaves alone.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_goes_when_its_time_has_come_and_no_sooner() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let by = over_soon(&world).await;
        world.create_key(&by, &[]).await.expect("lives 90 days");

        // Links live for a day, and what is revoked or deleted is remembered for longer than its tokens live.
        let soon = ["links", "revocations", DELETED];
        let mut before = Vec::new();
        for table in soon {
            let there = rows(&world, table).await;
            assert!(there > 0, "{}: {table}", database.name);
            before.push(there);
        }
        assert_eq!(rows(&world, "client_assertions").await, 1);
        world.statements.forget();
        world.hand.advance(Duration::from_mins(15));
        let swept = async || {
            let last = world.statements.ran("DELETE FROM sessions");
            last && rows(&world, "client_assertions").await == 0
        };
        world.until("all tables are swept", swept).await;
        for (table, before) in soon.into_iter().zip(before) {
            assert_eq!(rows(&world, table).await, before, "{table} stays");
        }

        world.hand.advance(3 * DAY);
        for table in soon {
            let gone = async || rows(&world, table).await == 0;
            world.until(&format!("{table} is empty"), gone).await;
        }
        assert_eq!(rows(&world, "oauth_clients").await, 1, "who lives, stays");
        assert_eq!(rows(&world, "api_keys").await, 2, "for a month");
        for (days, left) in [(30, 1), (90, 0)] {
            world.hand.advance(days * DAY);
            let gone = async || rows(&world, "api_keys").await == left;
            world.until(&format!("{left} keys are left"), gone).await;
        }
        world.stop().await;
    }
}

/// Leaves a link that nobody opens, an assertion that was used, a token that was revoked, and a client and
/// a key that were deleted. Answers the token of an operator.
async fn over_soon(world: &World) -> String {
    assertions::use_one(world).await;
    let by = world.operator().await;
    world.mail(VERIFY, "operator@example.com").await;
    let client = world.client(&by, &[]).await;
    let token = world.granted(&client).await.token().to_owned();
    let fields = [("token", token.as_str())];
    let reply = world.revoke(Some((&client.0, &client.1)), &fields).await;
    assert_eq!(reply.status, 200);
    let delete = bearing(&by, DeleteClientRequest { id: client.0 });
    let deleted = world.clients().delete_client(delete).await;
    deleted.expect("deletes");
    let key = world.create_key(&by, &[]).await.expect("creates");
    let id = key.api_key.expect("a key").id;
    let delete = bearing(&by, DeleteApiKeyRequest { id });
    let deleted = world.api_keys().delete_api_key(delete).await;
    deleted.expect("deletes");
    by
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
