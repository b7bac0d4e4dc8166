//! Bad input: each kind has its own status, code and field.

use serde_json::{Value, json};

use crate::world::{PASSWORD, World};

pub async fn a_malformed_body_is_refused(world: &World) {
    let client = world.client();
    let register = |body: &str| {
        client
            .request("POST", "/api/v1/auth/register")
            .text("application/json", body.to_owned())
            .send()
    };
    register("{\"email\": ").await.problem(400, "INVALID_JSON");
    register("").await.status(400);
    let email = world.fresh_email();
    let unknown = json!({ "email": email, "password": PASSWORD, "role": "admin" });
    register(&unknown.to_string())
        .await
        .names(400, "UNKNOWN_FIELD", "role");
    let mistyped = json!({ "email": 7, "password": PASSWORD });
    register(&mistyped.to_string())
        .await
        .names(400, "INVALID_FIELD", "email");
}

pub async fn a_field_that_breaks_its_rule_is_named(world: &World) {
    let client = world.client();
    let register = |email: &str, password: &str| {
        let body = json!({ "email": email, "password": password });
        client.post("/api/v1/auth/register", body).send()
    };
    register("no address", PASSWORD)
        .await
        .names(400, "INVALID_ARGUMENT", "email");
    let long = format!("{}@example.org", "a".repeat(250));
    register(&long, PASSWORD)
        .await
        .names(400, "INVALID_ARGUMENT", "email");
    register(&world.fresh_email(), "short")
        .await
        .names(400, "INVALID_ARGUMENT", "password");
    register(&world.fresh_email(), "password1")
        .await
        .names(400, "INVALID_ARGUMENT", "password");

    let admin = world.admin().await;
    let list = |query: &str| {
        client
            .get(&format!("/api/v1/users?{query}"))
            .bearer(&admin.access)
            .send()
    };
    list("pageSize=5000")
        .await
        .names(400, "INVALID_ARGUMENT", "pageSize");
    list("pageSize=many")
        .await
        .names(400, "INVALID_FIELD", "pageSize");
    list("pageToken=forged")
        .await
        .names(400, "INVALID_ARGUMENT", "pageToken");
    list("colour=red")
        .await
        .names(400, "UNKNOWN_FIELD", "colour");

    let person = world.person().await;
    let patch = |mask: &str, body: Value| {
        client
            .request("PATCH", &format!("/api/v1/users/me{mask}"))
            .bearer(&person.tokens.access)
            .json(body)
            .send()
    };
    // An output-only member is ignored (AIP-203), so that what was read may be sent back; to name it as
    // the thing to change is a mistake.
    assert_eq!(
        patch("", json!({ "roles": ["admin"] })).await.ok()["roles"],
        json!(["user"])
    );
    let roles = patch("?updateMask=roles", json!({ "roles": ["admin"] })).await;
    roles.names(400, "INVALID_ARGUMENT", "updateMask");
    let cleared = patch("?updateMask=email", json!({})).await;
    cleared.names(400, "INVALID_ARGUMENT", "email");
}

pub async fn an_unknown_id_is_not_found(world: &World) {
    let client = world.client();
    let admin = world.admin().await;
    let get = |id: &str| {
        client
            .get(&format!("/api/v1/users/{id}"))
            .bearer(&admin.access)
            .send()
    };
    get("01890000-0000-7000-8000-000000000000")
        .await
        .problem(404, "USER_NOT_FOUND");
    get("not-an-id").await.names(400, "INVALID_ARGUMENT", "id");
}

pub async fn what_http_forbids_is_refused(world: &World) {
    let client = world.client();
    let wrong_method = client.request("PUT", "/api/v1/auth/login").send().await;
    wrong_method.problem(405, "METHOD_NOT_ALLOWED");
    assert!(
        wrong_method.header("allow").contains("POST"),
        "{:?}",
        wrong_method.headers
    );
    client
        .get("/api/v1/nothing-here")
        .send()
        .await
        .problem(404, "NOT_FOUND");
    client
        .request("POST", "/api/v1/auth/login")
        .text("text/plain", "{}".to_owned())
        .send()
        .await
        .problem(415, "UNSUPPORTED_MEDIA_TYPE");
    let huge = json!({ "email": "a".repeat(2 << 20), "password": PASSWORD });
    client
        .post("/api/v1/auth/login", huge)
        .send()
        .await
        .problem(413, "BODY_TOO_LARGE");
}

pub async fn a_token_that_is_not_ours_is_refused(world: &World) {
    let client = world.client();
    let person = world.person().await;
    let me = |token: &str| client.get("/api/v1/users/me").bearer(token).send();
    let [header, claims, signature] = {
        let mut parts = person.tokens.access.split('.').map(str::to_owned);
        [(); 3].map(|()| parts.next().expect("three parts"))
    };

    let mut forged = signature.clone();
    let first = if forged.starts_with('A') { "B" } else { "A" };
    forged.replace_range(..1, first);
    me(&format!("{header}.{claims}.{forged}"))
        .await
        .problem(401, "TOKEN_INVALID");
    // {"alg":"none","typ":"at+jwt"}
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0";
    me(&format!("{none}.{claims}."))
        .await
        .problem(401, "TOKEN_INVALID");
    me(&format!("{none}.{claims}.{signature}"))
        .await
        .problem(401, "TOKEN_INVALID");
    me("garbage").await.problem(401, "TOKEN_INVALID");
    me(&person.tokens.refresh)
        .await
        .problem(401, "TOKEN_INVALID");

    let basic = client
        .get("/api/v1/users/me")
        .header("authorization", "Basic YTpi")
        .send()
        .await;
    assert_eq!(basic.status, 401, "{}", basic.text);
    me(&person.tokens.access).await.ok();
}

pub async fn what_is_internal_is_not_routed(world: &World) {
    let client = world.client();
    let admin = world.admin().await;
    for path in [
        "/portico.user.v1.UserEvents/Watch",
        "/api/v1/users//me",
        "/api/v1/users/../users",
    ] {
        let answer = client
            .post(path, json!({}))
            .bearer(&admin.access)
            .send()
            .await;
        assert!(
            matches!(answer.status, 400 | 404 | 405),
            "{path}: {}",
            answer.status
        );
    }
}

pub async fn health_and_readiness_answer(world: &World) {
    let client = world.client();
    client.get("/health").send().await.status(200);
    client.get("/ready").send().await.status(200);
}
