//! Roles: made, granted, felt in tokens, taken away.

use serde_json::{Value, json};

use crate::world::{PASSWORD, World};

pub async fn a_role_is_made_granted_felt_and_taken_away(world: &World) {
    let client = world.client();
    let admin = world.admin().await;
    let person = world.person().await;
    let name = format!("desk-{}", world.unique()).to_lowercase();
    let call = |method: &str, path: &str| client.request(method, path).bearer(&admin.access);

    let role = json!({"name": name, "scopes": ["users:read"], "description": "Reads accounts"});
    let create = |role: &Value, key: &str| {
        client
            .post("/api/v1/roles", role.clone())
            .bearer(&admin.access)
            .header("idempotency-key", key)
            .send()
    };
    // The same key and body have the same answer, another body is refused.
    let key = world.unique();
    let made = create(&role, &key).await.ok();
    assert_eq!(made["scopes"], json!(["users:read"]));
    assert_eq!(create(&role, &key).await.ok(), made);
    let other = json!({"name": name, "scopes": ["users:write"]});
    create(&other, &key)
        .await
        .problem(422, "IDEMPOTENCY_KEY_REUSED");
    create(&role, &world.unique())
        .await
        .problem(409, "ROLE_EXISTS");

    let list = async |token: &str| {
        client
            .get("/api/v1/users")
            .bearer(token)
            .send()
            .await
            .status
    };
    assert_eq!(list(&person.tokens.access).await, 403);
    let grant = format!("/api/v1/users/{}/roles/{name}", person.id);
    let granted = call("PUT", &grant).send().await.ok();
    assert_eq!(granted["roles"], json!([name, "user"]));
    world
        .eventually("the role is felt at the next sign-in", async || {
            let tokens = client.login(&person.email, PASSWORD).await.tokens();
            list(&tokens.access).await == 200
        })
        .await;

    // A role that somebody holds stays; and nobody gives what she does not hold.
    let path = format!("/api/v1/roles/{name}");
    call("DELETE", &path)
        .send()
        .await
        .problem(409, "ROLE_IN_USE");
    let tokens = client.login(&person.email, PASSWORD).await.tokens();
    let herself = client.request("PUT", &format!("/api/v1/users/{}/roles/admin", person.id));
    let herself = herself.bearer(&tokens.access).send().await;
    herself.problem(403, "INSUFFICIENT_SCOPE");

    call("DELETE", &grant).send().await.ok();
    world
        .eventually("the role is gone at the next sign-in", async || {
            let tokens = client.login(&person.email, PASSWORD).await.tokens();
            list(&tokens.access).await == 403
        })
        .await;
    call("DELETE", &path).send().await.ok();
    call("GET", &path)
        .send()
        .await
        .problem(404, "ROLE_NOT_FOUND");
}

pub async fn what_is_built_in_stays(world: &World) {
    let client = world.client();
    let admin = world.admin().await;
    let roles = client.get("/api/v1/roles").bearer(&admin.access);
    let roles = roles.send().await.ok();
    let names: Vec<&str> = roles["roles"]
        .as_array()
        .map(|roles| roles.iter().filter_map(|it| it["name"].as_str()).collect())
        .unwrap_or_default();
    for name in ["admin", "auditor", "user"] {
        assert!(names.contains(&name), "{names:?}");
        let path = format!("/api/v1/roles/{name}");
        let delete = client.request("DELETE", &path).bearer(&admin.access);
        delete.send().await.problem(409, "ROLE_BUILT_IN");
    }
    let bad = json!({"name": "Not A Name", "scopes": ["users:read"]});
    let bad = client.post("/api/v1/roles", bad).bearer(&admin.access);
    bad.send().await.names(400, "INVALID_ARGUMENT", "name");
    let person = world.person().await;
    let refused = client.get("/api/v1/roles").bearer(&person.tokens.access);
    refused.send().await.problem(403, "INSUFFICIENT_SCOPE");
}
