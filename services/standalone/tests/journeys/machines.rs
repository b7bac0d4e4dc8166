//! Programs: OAuth clients, API keys, and accounts of machines.

use serde_json::{Value, json};

use crate::{client::Answer, world::World};

const FORM: &str = "application/x-www-form-urlencoded";

async fn form(world: &World, path: &str, basic: &(String, String), body: &str) -> Answer {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let (id, secret) = basic;
    let credentials = BASE64_STANDARD.encode(format!("{id}:{secret}"));
    world
        .client()
        .request("POST", path)
        .header("authorization", format!("Basic {credentials}"))
        .text(FORM, body.to_owned())
        .send()
        .await
}

/// A client of the administrator's: its id and its secret.
async fn oauth_client(world: &World, body: Value) -> (String, String) {
    let admin = world.admin().await;
    let made = world.client().post("/api/v1/oauth-clients", body);
    let made = made.bearer(&admin.access).send().await;
    assert_eq!(made.header("cache-control"), "no-store");
    let made = made.ok();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    (text(&made["client"]["id"]), text(&made["clientSecret"]))
}

async fn users(world: &World, bearer: &str) -> Answer {
    world
        .client()
        .get("/api/v1/users")
        .bearer(bearer)
        .send()
        .await
}

pub async fn a_client_acts_for_itself_until_it_is_deleted(world: &World) {
    let admin = world.admin().await;
    let body = json!({ "displayName": world.unique(), "scopes": ["users:read"] });
    let client = oauth_client(world, body).await;
    let grant = "grant_type=client_credentials";
    let granted = form(world, "/oauth2/token", &client, grant).await;
    assert_eq!(granted.header("content-type"), "application/json");
    assert_eq!(granted.header("cache-control"), "no-store");
    let granted = granted.ok();
    assert_eq!(
        (&granted["token_type"], &granted["scope"]),
        (&json!("Bearer"), &json!("users:read"))
    );
    let token = granted["access_token"]
        .as_str()
        .expect("a token")
        .to_owned();
    users(world, &token).await.ok();
    let create = world
        .client()
        .post("/api/v1/users", json!({ "email": world.fresh_email() }));
    create
        .bearer(&token)
        .send()
        .await
        .problem(403, "INSUFFICIENT_SCOPE");

    let told = form(
        world,
        "/oauth2/introspect",
        &client,
        &format!("token={token}"),
    )
    .await
    .ok();
    assert_eq!(
        (&told["active"], &told["client_id"]),
        (&json!(true), &json!(client.0))
    );
    let revoked = form(world, "/oauth2/revoke", &client, &format!("token={token}")).await;
    revoked.status(200);
    assert_eq!(revoked.text, "");
    users(world, &token).await.problem(401, "SESSION_REVOKED");

    let next = form(world, "/oauth2/token", &client, grant).await.ok();
    let next = next["access_token"].as_str().expect("a token").to_owned();
    users(world, &next).await.ok();
    let path = format!("/api/v1/oauth-clients/{}", client.0);
    let delete = world
        .client()
        .request("DELETE", &path)
        .bearer(&admin.access);
    delete.send().await.ok();
    world
        .eventually("the edge hears of it", async || {
            users(world, &next).await.status == 401
        })
        .await;
    let refused = form(world, "/oauth2/token", &client, grant).await;
    refused.status(401);
    assert!(
        refused.header("www-authenticate").starts_with("Basic"),
        "{:?}",
        refused.headers
    );
    let error: Value = serde_json::from_str(&refused.text).expect("JSON");
    assert_eq!(error["error"], "invalid_client");
}

pub async fn the_token_endpoint_answers_as_oauth_says(world: &World) {
    let client = oauth_client(world, json!({ "displayName": world.unique() })).await;
    for (body, error) in [
        (
            "grant_type=password&username=a&password=b",
            "unsupported_grant_type",
        ),
        (
            "grant_type=client_credentials&grant_type=client_credentials",
            "invalid_request",
        ),
        (
            "grant_type=client_credentials&scope=users:write",
            "invalid_scope",
        ),
        (
            "grant_type=client_credentials&resource=https://a.example",
            "invalid_target",
        ),
        ("", "invalid_request"),
    ] {
        let answer = form(world, "/oauth2/token", &client, body).await;
        answer.status(400);
        let told: Value = serde_json::from_str(&answer.text).expect("JSON");
        assert_eq!(told["error"], error, "{body}");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("pragma"), "no-cache");
    }
    let metadata = world
        .client()
        .get("/.well-known/oauth-authorization-server")
        .send()
        .await;
    assert!(
        metadata.header("cache-control").contains("max-age"),
        "{:?}",
        metadata.headers
    );
    let again = world
        .client()
        .get("/.well-known/openid-configuration")
        .send()
        .await;
    assert_eq!(metadata.ok(), again.ok());
}

pub async fn a_session_is_refreshed_by_oauth_too(world: &World) {
    let person = world.person().await;
    let body = format!(
        "grant_type=refresh_token&client_id=portico&refresh_token={}",
        person.tokens.refresh
    );
    let answer = world
        .client()
        .request("POST", "/oauth2/token")
        .text(FORM, body)
        .send()
        .await;
    let tokens = answer.ok();
    let refresh = tokens["refresh_token"].as_str().expect("the next one");
    assert_ne!(refresh, person.tokens.refresh);
    let next = world.client().refresh(refresh).await.tokens();
    assert_eq!(next.session, person.tokens.session);
}

pub async fn an_api_key_speaks_for_its_owner_until_it_is_revoked(world: &World) {
    let person = world.person().await;
    let client = world.client();
    let request = client.post("/api/v1/api-keys", json!({ "displayName": "cron" }));
    let made = request.bearer(&person.tokens.access).send().await.ok();
    let secret = made["secret"].as_str().expect("a secret").to_owned();
    assert!(secret.starts_with("ptc_"), "{secret:.4}");
    let me = async || client.get("/api/v1/users/me").bearer(&secret).send().await;
    for _ in 0..3 {
        assert_eq!(me().await.ok()["id"], person.id);
    }
    users(world, &secret)
        .await
        .problem(403, "INSUFFICIENT_SCOPE");
    let again = client.post("/api/v1/api-keys", json!({ "displayName": "another" }));
    again
        .bearer(&secret)
        .send()
        .await
        .problem(403, "INSUFFICIENT_SCOPE");

    // It reads what is its owner's, and changes nothing that it was not given.
    let name = json!({ "displayName": "Mallory" });
    for change in [
        client.request("PATCH", "/api/v1/users/me").json(name),
        client.request("DELETE", "/api/v1/users/me"),
        client.post("/api/v1/auth/sessions:revokeAll", json!({})),
    ] {
        let refused = change.bearer(&secret).send().await;
        refused.problem(403, "INSUFFICIENT_SCOPE");
    }

    let id = made["apiKey"]["id"].as_str().expect("an id");
    let rotate = client.post(
        &format!("/api/v1/api-keys/{id}:rotate"),
        json!({ "overlap": "0s" }),
    );
    let rotated = rotate.bearer(&person.tokens.access).send().await.ok();
    world
        .eventually("the old secret is refused", async || {
            me().await.status == 401
        })
        .await;
    let secret = rotated["secret"].as_str().expect("a secret").to_owned();
    let me = async || client.get("/api/v1/users/me").bearer(&secret).send().await;
    me().await.ok();
    let delete = client.request("DELETE", &format!("/api/v1/api-keys/{id}"));
    delete.bearer(&person.tokens.access).send().await.ok();
    world
        .eventually("the key is refused", async || me().await.status == 401)
        .await;
    me().await.problem(401, "API_KEY_INVALID");
    let typo = client
        .get("/api/v1/users/me")
        .bearer("ptc_typo")
        .send()
        .await;
    typo.problem(401, "API_KEY_INVALID");
}

pub async fn a_suspended_owners_key_is_dead(world: &World) {
    let (person, admin) = (world.person().await, world.admin().await);
    let client = world.client();
    let request = client.post("/api/v1/api-keys", json!({ "displayName": "cron" }));
    let made = request.bearer(&person.tokens.access).send().await.ok();
    let secret = made["secret"].as_str().expect("a secret").to_owned();
    let me = async || client.get("/api/v1/users/me").bearer(&secret).send().await;
    me().await.ok();
    for verb in ["suspend", "reactivate"] {
        let path = format!("/api/v1/users/{}:{verb}", person.id);
        client
            .post(&path, json!({}))
            .bearer(&admin.access)
            .send()
            .await
            .ok();
        world
            .eventually("the key is refused", async || me().await.status == 401)
            .await;
    }
}

pub async fn a_service_account_acts_by_its_key(world: &World) {
    let (client, admin) = (world.client(), world.admin().await);
    let body = json!({ "displayName": world.unique(), "scopes": ["users:read"] });
    let make = client
        .post("/api/v1/service-accounts", body)
        .bearer(&admin.access);
    let id = make.send().await.ok()["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let path = format!("/api/v1/service-accounts/{id}/api-keys");
    let body = json!({ "displayName": "nightly", "scopes": ["users:read"] });
    let key = client
        .post(&path, body)
        .bearer(&admin.access)
        .send()
        .await
        .ok();
    let secret = key["secret"].as_str().expect("a secret").to_owned();
    users(world, &secret).await.ok();
    let path = format!("/api/v1/service-accounts/{id}");
    let disable = client
        .request("PATCH", &path)
        .json(json!({ "disabled": true }));
    disable.bearer(&admin.access).send().await.ok();
    world
        .eventually("its key is refused", async || {
            users(world, &secret).await.status == 401
        })
        .await;
}
