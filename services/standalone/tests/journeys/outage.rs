//! One service is away while the others go on.

use serde_json::json;

use crate::{
    client::Client,
    world::{self, PASSWORD, World},
};

#[tokio::test(flavor = "multi_thread")]
async fn sign_in_outlives_the_user_service_and_changes_arrive_once() {
    if world::running().is_some() {
        return;
    }
    let Some(mut world) = World::three_processes().await else {
        return;
    };
    let client = world.client();
    let person = world.person().await;
    let admin = world.admin().await.access.clone();

    world
        .fleet()
        .user
        .take()
        .expect("the user service runs")
        .kill();
    client.login(&person.email, PASSWORD).await.tokens();
    let tokens = client.refresh(&person.tokens.refresh).await.tokens();
    let away = client
        .get("/api/v1/users/me")
        .bearer(&tokens.access)
        .send()
        .await;
    away.problem(503, "UNAVAILABLE");
    assert!(!away.header("retry-after").is_empty(), "{:?}", away.headers);

    world.fleet().start_user().await;
    world
        .eventually("the gateway finds the user service again", async || {
            client
                .get("/api/v1/users/me")
                .bearer(&tokens.access)
                .send()
                .await
                .status
                == 200
        })
        .await;

    let before = applied(&world.fleet().auth_ops()).await;
    let path = |verb: &str| format!("/api/v1/users/{}:{verb}", person.id);
    for verb in ["suspend", "reactivate", "suspend"] {
        client
            .post(&path(verb), json!({}))
            .bearer(&admin)
            .send()
            .await
            .ok();
    }
    let ops = world.fleet().auth_ops();
    world
        .eventually("three changes arrive", async || {
            applied(&ops).await >= before + 3
        })
        .await;
    client
        .login(&person.email, PASSWORD)
        .await
        .problem(401, "INVALID_CREDENTIALS");
    assert_eq!(
        applied(&ops).await,
        before + 3,
        "a change was applied twice"
    );

    // Now auth is away while changes are made; it takes up the feed where it left it.
    world
        .fleet()
        .auth
        .take()
        .expect("the auth service runs")
        .kill();
    client
        .post(&path("reactivate"), json!({}))
        .bearer(&admin)
        .send()
        .await
        .ok();
    world.fleet().start_auth().await;
    world
        .eventually("the reactivated account signs in", async || {
            client.login(&person.email, PASSWORD).await.status == 200
        })
        .await;
    assert_eq!(
        applied(&ops).await,
        1,
        "the feed was replayed from an earlier place"
    );
}

/// How many events the auth process has applied since its start, by its metrics.
async fn applied(ops: &str) -> u64 {
    let metrics = Client::new(ops).get("/metrics").send().await;
    metrics.status(200);
    let line = metrics
        .text
        .lines()
        .find(|line| line.starts_with("auth_feed_events_total"));
    let value = line.and_then(|line| line.rsplit(' ').next()).unwrap_or("0");
    value.parse().expect("a counter is a number")
}
