//! Etags and idempotency keys.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{ADA, Edge, problem};

fn ada() -> String {
    format!("/api/v1/users/{ADA}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_carries_its_etag() {
    let edge = Edge::start().await;
    let response = edge.admin(Method::GET, &ada()).send().await.unwrap();
    assert_eq!(response.headers()["etag"], "\"e-1\"");
    assert_eq!(response.json::<Value>().await.unwrap()["etag"], "e-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn if_match_goes_into_the_body_field() {
    let edge = Edge::start().await;
    let body = json!({"displayName": "Ada L."});
    let request = edge
        .admin(Method::PATCH, &ada())
        .header("if-match", "\"e-1\"");
    let response = request.json(&body).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["etag"], "\"e-2\"");
    let update = edge.accounts.updated();
    let user = update.user.unwrap();
    assert_eq!((user.id.as_str(), user.etag.as_str()), (ADA, "e-1"));
    assert_eq!(user.display_name, "Ada L.");
    assert_eq!(update.update_mask.unwrap().paths, ["display_name"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_if_match_is_a_failed_precondition() {
    let edge = Edge::start().await;
    let body = json!({"displayName": "Ada L."});
    let request = edge
        .admin(Method::PATCH, &ada())
        .header("if-match", "\"e-0\"");
    problem(
        request.json(&body).send().await.unwrap(),
        412,
        "ETAG_MISMATCH",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_etag_in_the_body_is_a_conflict() {
    let edge = Edge::start().await;
    let body = json!({"displayName": "Ada L.", "etag": "e-0"});
    let response = edge
        .admin(Method::PATCH, &ada())
        .json(&body)
        .send()
        .await
        .unwrap();
    problem(response, 409, "ETAG_MISMATCH").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn if_match_goes_into_the_request_itself_where_it_has_an_etag() {
    let edge = Edge::start().await;
    let request = edge
        .admin(Method::DELETE, &ada())
        .header("if-match", "\"e-1\"");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.json::<Value>().await.unwrap(), json!({}));
    let request = edge.accounts.deleted();
    assert_eq!((request.id.as_str(), request.etag.as_str()), (ADA, "e-1"));

    let request = edge.admin(Method::DELETE, &ada()).header("if-match", "*");
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert_eq!(edge.accounts.deleted().etag, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_that_cannot_match_fail_before_the_call() {
    let edge = Edge::start().await;
    for tags in ["W/\"e-1\"", "\"e-1\", \"e-2\""] {
        let request = edge.admin(Method::DELETE, &ada()).header("if-match", tags);
        problem(request.send().await.unwrap(), 412, "ETAG_MISMATCH").await;
    }
    let request = edge.admin(Method::DELETE, &ada()).header("if-match", "e-1");
    problem(request.send().await.unwrap(), 400, "INVALID_FIELD").await;
    let request = edge
        .admin(Method::POST, "/api/v1/auth/logout")
        .header("if-match", "\"e-1\"");
    problem(request.send().await.unwrap(), 412, "ETAG_MISMATCH").await;
    assert_eq!(edge.accounts.calls(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_becomes_the_request_id_of_the_message() {
    let edge = Edge::start().await;
    let body = json!({"email": "a@example.com"});
    let request = edge
        .admin(Method::POST, "/api/v1/users")
        .header("idempotency-key", "k-1");
    assert_eq!(request.json(&body).send().await.unwrap().status(), 200);
    assert_eq!(edge.accounts.created().request_id, "k-1");
    let request = edge
        .admin(Method::POST, "/api/v1/users")
        .header("idempotency-key", "a b");
    let document = problem(
        request.json(&body).send().await.unwrap(),
        400,
        "INVALID_FIELD",
    )
    .await;
    assert_eq!(document["errors"][0]["field"], "Idempotency-Key");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_goes_over_no_other_one() {
    let edge = Edge::start().await;
    let body = json!({"email": "a@example.com"});
    let send = |query: &str| {
        let path = format!("/api/v1/users?requestId={query}");
        let request = edge.admin(Method::POST, &path);
        request.header("idempotency-key", "k-1").json(&body).send()
    };
    assert_eq!(send("k-1").await.unwrap().status(), 200);
    assert_eq!(send("").await.unwrap().status(), 200);
    let document = problem(send("k-2").await.unwrap(), 400, "INVALID_FIELD").await;
    assert_eq!(document["errors"][0]["field"], "requestId");
}
