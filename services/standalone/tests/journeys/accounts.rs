//! What a person and an administrator do with accounts.

use std::time::Duration;

use serde_json::json;

use crate::world::{PASSWORD, World};

pub async fn a_person_registers_signs_in_and_changes_her_account(world: &World) {
    let client = world.client();
    let email = world.fresh_email();
    client.register(&email, PASSWORD).await.ok();
    let tokens = client.login(&email, PASSWORD).await.tokens();

    let me = client
        .get("/api/v1/users/me")
        .bearer(&tokens.access)
        .send()
        .await;
    let etag = me.header("etag").to_owned();
    let me = me.ok();
    assert_eq!(me["email"], email);
    assert_eq!(me["status"], "USER_STATUS_ACTIVE");
    assert_eq!(
        format!("\"{}\"", me["etag"].as_str().unwrap_or_default()),
        etag
    );

    let rename = |etag: &str, name: &str| {
        client
            .request("PATCH", "/api/v1/users/me")
            .bearer(&tokens.access)
            .header("if-match", etag)
            .json(json!({ "displayName": name }))
            .send()
    };
    let changed = rename(&etag, "Ada Lovelace").await;
    assert_ne!(changed.header("etag"), etag);
    let changed = changed.ok();
    assert_eq!(changed["displayName"], "Ada Lovelace");
    assert_eq!(
        changed["email"], email,
        "a field outside the mask was changed"
    );
    rename(&etag, "Too late")
        .await
        .problem(412, "ETAG_MISMATCH");

    let stale = json!({ "displayName": "Too late", "etag": me["etag"] });
    let patch = client
        .request("PATCH", "/api/v1/users/me")
        .bearer(&tokens.access)
        .json(stale);
    patch.send().await.problem(409, "ETAG_MISMATCH");

    let me = client
        .get("/api/v1/users/me")
        .bearer(&tokens.access)
        .send()
        .await
        .ok();
    assert_eq!(me["displayName"], "Ada Lovelace");
}

pub async fn an_administrator_lists_and_a_plain_user_is_refused(world: &World) {
    let client = world.client();
    let admin = world.admin().await;
    let person = world.person().await;

    let page = client
        .get("/api/v1/users?pageSize=1")
        .bearer(&admin.access)
        .send()
        .await
        .ok();
    assert_eq!(page["users"].as_array().map(Vec::len), Some(1));
    let next = page["nextPageToken"]
        .as_str()
        .expect("more than one account")
        .to_owned();
    let path = format!("/api/v1/users?pageSize=1&pageToken={next}");
    let second = client.get(&path).bearer(&admin.access).send().await.ok();
    assert_ne!(second["users"][0]["id"], page["users"][0]["id"]);

    let token = &person.tokens.access;
    client
        .get("/api/v1/users")
        .bearer(token)
        .send()
        .await
        .problem(403, "INSUFFICIENT_SCOPE");
    client
        .get("/api/v1/users")
        .send()
        .await
        .problem(401, "TOKEN_MISSING");

    let other = format!(
        "/api/v1/users/{}",
        page["users"][0]["id"].as_str().unwrap_or_default()
    );
    client
        .get(&other)
        .bearer(token)
        .send()
        .await
        .problem(403, "INSUFFICIENT_SCOPE");
    client.get(&other).bearer(&admin.access).send().await.ok();
}

pub async fn an_administrator_creates_an_account_once(world: &World) {
    let client = world.client();
    let admin = world.admin().await;
    let email = world.fresh_email();
    let create = |email: &str, key: &str| {
        client
            .post(
                "/api/v1/users",
                json!({ "email": email, "displayName": "Grace" }),
            )
            .bearer(&admin.access)
            .header("idempotency-key", key)
            .send()
    };
    let key = world.unique();
    let created = create(&email, &key).await.ok();
    assert_eq!(create(&email, &key).await.ok()["id"], created["id"]);
    create(&world.fresh_email(), &key)
        .await
        .problem(422, "IDEMPOTENCY_KEY_REUSED");
    create(&email.to_uppercase(), &world.unique())
        .await
        .problem(409, "EMAIL_TAKEN");

    let id = created["id"].as_str().expect("an id");
    let stranger = "01890000-0000-7000-8000-000000000000";
    let path = format!("/api/v1/users:batchGet?ids={stranger}&ids={id}");
    let batch = client.get(&path).bearer(&admin.access).send().await.ok();
    assert_eq!(batch["users"][0]["id"], id);
    assert_eq!(batch["missingIds"], json!([stranger]));

    let path = format!("/api/v1/users/{id}");
    client
        .request("DELETE", &path)
        .bearer(&admin.access)
        .send()
        .await
        .ok();
    client
        .get(&path)
        .bearer(&admin.access)
        .send()
        .await
        .problem(404, "USER_NOT_FOUND");
}

pub async fn a_suspended_account_is_out_until_it_is_reactivated(world: &World) {
    let client = world.client();
    let admin = world.admin().await;
    let person = world.person().await;
    let act = |verb: &str| {
        client
            .post(&format!("/api/v1/users/{}:{verb}", person.id), json!({}))
            .bearer(&admin.access)
            .send()
    };

    assert_eq!(act("suspend").await.ok()["status"], "USER_STATUS_SUSPENDED");
    let promised = Duration::from_secs(2);
    world
        .within(
            promised,
            "the suspended account's token is refused",
            async || {
                let me = client
                    .get("/api/v1/users/me")
                    .bearer(&person.tokens.access)
                    .send()
                    .await;
                me.status == 401
            },
        )
        .await;
    client
        .refresh(&person.tokens.refresh)
        .await
        .problem(401, "INVALID_GRANT");
    client
        .login(&person.email, PASSWORD)
        .await
        .problem(401, "INVALID_CREDENTIALS");

    assert_eq!(act("reactivate").await.ok()["status"], "USER_STATUS_ACTIVE");
    world
        .eventually("the reactivated account signs in", async || {
            client.login(&person.email, PASSWORD).await.status == 200
        })
        .await;
}

pub async fn the_last_administrator_stays(world: &World) {
    let client = world.client();
    let admin = world.admin().await;
    let delete = client
        .request("DELETE", "/api/v1/users/me")
        .bearer(&admin.access);
    delete.send().await.problem(409, "LAST_ADMINISTRATOR");
}

pub async fn a_deleted_account_is_gone_and_its_address_stays_taken(world: &World) {
    let client = world.client();
    let person = world.person().await;
    let token = &person.tokens.access;
    client
        .request("DELETE", "/api/v1/users/me")
        .bearer(token)
        .send()
        .await
        .ok();
    world
        .eventually("the deleted account cannot sign in", async || {
            client.login(&person.email, PASSWORD).await.status == 401
        })
        .await;
    client
        .register(&person.email, "another long password")
        .await
        .ok();
    client
        .login(&person.email, "another long password")
        .await
        .problem(401, "INVALID_CREDENTIALS");
}
