//! Sessions, tokens, and what a stranger may learn.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use crate::world::{PASSWORD, World};

pub async fn a_used_refresh_token_ends_its_family(world: &World) {
    let client = world.client();
    let person = world.person().await;
    let first = person.tokens;
    let second = client.refresh(&first.refresh).await.tokens();
    assert_eq!(second.session, first.session);
    assert_ne!(second.refresh, first.refresh);
    let racer = client.refresh(&first.refresh).await.tokens();
    assert_eq!(
        racer.refresh, second.refresh,
        "within the grace a racer gets the same successor"
    );

    sleep(world.grace() + Duration::from_secs(1)).await;
    client
        .refresh(&first.refresh)
        .await
        .problem(401, "INVALID_GRANT");
    client
        .refresh(&second.refresh)
        .await
        .problem(401, "INVALID_GRANT");
    for access in [first.access, second.access] {
        let me = client.get("/api/v1/users/me").bearer(&access).send().await;
        me.problem(401, "SESSION_REVOKED");
    }
}

pub async fn logout_is_immediate(world: &World) {
    let client = world.client();
    let person = world.person().await;
    let elsewhere = client.login(&person.email, PASSWORD).await.tokens();
    let token = &person.tokens.access;
    client
        .post("/api/v1/auth/logout", json!({}))
        .bearer(token)
        .send()
        .await
        .ok();

    let me = client.get("/api/v1/users/me").bearer(token).send().await;
    me.problem(401, "SESSION_REVOKED");
    assert!(
        me.header("www-authenticate").starts_with("Bearer"),
        "{:?}",
        me.headers
    );
    client
        .refresh(&person.tokens.refresh)
        .await
        .problem(401, "INVALID_GRANT");
    client
        .get("/api/v1/users/me")
        .bearer(&elsewhere.access)
        .send()
        .await
        .ok();
}

pub async fn sessions_are_listed_and_ended(world: &World) {
    let client = world.client();
    let person = world.person().await;
    let token = &person.tokens.access;
    let other = client.login(&person.email, PASSWORD).await.tokens();

    let listed = client
        .get("/api/v1/auth/sessions")
        .bearer(token)
        .send()
        .await
        .ok();
    let sessions = listed["sessions"].as_array().expect("sessions").clone();
    assert_eq!(sessions.len(), 2, "{listed}");
    assert_eq!(sessions[0]["id"], other.session, "the newest comes first");
    let current: Vec<_> = sessions.iter().filter(|s| s["current"] == true).collect();
    assert_eq!(current.len(), 1);
    assert_eq!(current[0]["id"], person.tokens.session);

    let path = format!("/api/v1/auth/sessions/{}", other.session);
    client
        .request("DELETE", &path)
        .bearer(token)
        .send()
        .await
        .ok();
    let me = client
        .get("/api/v1/users/me")
        .bearer(&other.access)
        .send()
        .await;
    me.problem(401, "SESSION_REVOKED");
    let again = client.request("DELETE", &path).bearer(token).send().await;
    again.problem(404, "SESSION_NOT_FOUND");

    let stranger = world.person().await;
    let path = format!("/api/v1/users/{}/sessions", person.id);
    let peek = client
        .get(&path)
        .bearer(&stranger.tokens.access)
        .send()
        .await;
    peek.problem(403, "INSUFFICIENT_SCOPE");
    let admin = world.admin().await;
    let seen = client.get(&path).bearer(&admin.access).send().await.ok();
    assert_eq!(seen["sessions"].as_array().map(Vec::len), Some(1));

    let path = format!("/api/v1/users/{}/sessions:revokeAll", person.id);
    let ended = client
        .post(&path, json!({}))
        .bearer(&admin.access)
        .send()
        .await
        .ok();
    assert_eq!(ended["revokedCount"], 1);
    let me = client.get("/api/v1/users/me").bearer(token).send().await;
    me.problem(401, "SESSION_REVOKED");
}

pub async fn a_scope_can_be_narrowed(world: &World) {
    let client = world.client();
    let (email, password) = world.admin_credentials();
    let body = json!({ "email": email, "password": password, "scope": "users:read made:up" });
    let answer = client.post("/api/v1/auth/login", body).send().await;
    assert_eq!(answer.ok()["scope"], "users:read");
    let narrow = answer.tokens().access;
    client
        .get("/api/v1/users")
        .bearer(&narrow)
        .send()
        .await
        .ok();
    let create = client.post("/api/v1/users", json!({ "email": world.fresh_email() }));
    create
        .bearer(&narrow)
        .send()
        .await
        .problem(403, "INSUFFICIENT_SCOPE");
}

pub async fn registration_and_sign_in_do_not_tell_who_exists(world: &World) {
    let client = world.client();
    let person = world.person().await;
    let taken = client.register(&person.email, "a different password").await;
    let free = client
        .register(&world.fresh_email(), "a different password")
        .await;
    assert_eq!((taken.status, &taken.text), (free.status, &free.text));
    let wrong = client.login(&person.email, "a different password").await;
    let unknown = client
        .login(&world.fresh_email(), "a different password")
        .await;
    let strip = |mut problem: serde_json::Value| {
        problem["requestId"] = json!(null);
        problem
    };
    assert_eq!(
        strip(wrong.problem(401, "INVALID_CREDENTIALS")),
        strip(unknown.problem(401, "INVALID_CREDENTIALS")),
    );
    client.login(&person.email, PASSWORD).await.tokens();
}

pub async fn the_key_set_is_public_and_cacheable(world: &World) {
    let answer = world.client().get("/.well-known/jwks.json").send().await;
    let keys = answer.ok();
    let first = &keys["keys"][0];
    assert_eq!(
        (&first["kty"], &first["use"]),
        (&json!("EC"), &json!("sig"))
    );
    assert_eq!(
        (&first["alg"], &first["crv"]),
        (&json!("ES256"), &json!("P-256"))
    );
    assert!(first["d"].is_null(), "a private key is published");
    assert!(
        answer.header("cache-control").contains("max-age"),
        "{:?}",
        answer.headers
    );
}
