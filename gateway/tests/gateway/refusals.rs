//! Bad input: each its own status, code and field.

use reqwest::Method;
use serde_json::json;

use crate::support::{ADA, Edge, Start, problem};

const USERS: &str = "/api/v1/users";

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_json_is_refused() {
    let edge = Edge::start().await;
    for body in ["{", "{\"email\": }", "nonsense", "[]"] {
        let request = edge
            .admin(Method::POST, USERS)
            .header("content-type", "application/json");
        let refused = problem(
            request.body(body).send().await.unwrap(),
            400,
            "INVALID_JSON",
        );
        refused.await;
    }
    let response = edge.admin(Method::POST, USERS).send().await.unwrap();
    problem(response, 400, "INVALID_JSON").await;
    assert_eq!(edge.accounts.calls(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_field_is_named() {
    let edge = Edge::start().await;
    let body = json!({"email": "a@example.com", "nickname": "x"});
    let response = edge
        .admin(Method::POST, USERS)
        .json(&body)
        .send()
        .await
        .unwrap();
    let document = problem(response, 400, "UNKNOWN_FIELD").await;
    assert_eq!(document["errors"][0]["field"], "nickname");

    let response = edge
        .admin(Method::GET, "/api/v1/users?colour=red")
        .send()
        .await
        .unwrap();
    let document = problem(response, 400, "UNKNOWN_FIELD").await;
    assert_eq!(document["errors"][0]["field"], "colour");
    assert_eq!(edge.accounts.calls(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_of_the_wrong_type_is_named() {
    let edge = Edge::start().await;
    let body = json!({"email": "a@example.com", "displayName": 7});
    let response = edge
        .admin(Method::POST, USERS)
        .json(&body)
        .send()
        .await
        .unwrap();
    let document = problem(response, 400, "INVALID_FIELD").await;
    assert_eq!(document["errors"][0]["field"], "displayName");

    let response = edge
        .admin(Method::GET, "/api/v1/users?pageSize=many")
        .send()
        .await
        .unwrap();
    let document = problem(response, 400, "INVALID_FIELD").await;
    assert_eq!(document["errors"][0]["field"], "pageSize");
}

#[tokio::test(flavor = "multi_thread")]
async fn violations_of_a_service_are_named_as_the_caller_wrote_them() {
    let edge = Edge::start().await;
    let body = json!({"email": "none", "displayName": "x"});
    let response = edge
        .admin(Method::POST, USERS)
        .json(&body)
        .send()
        .await
        .unwrap();
    let document = problem(response, 400, "INVALID_ARGUMENT").await;
    assert_eq!(document["errors"][0]["field"], "email");
    assert_eq!(document["errors"][1]["field"], "displayName");
}

#[tokio::test(flavor = "multi_thread")]
async fn reasons_of_a_service_are_the_codes() {
    let edge = Edge::start().await;
    let body = json!({"email": "taken@example.com"});
    let response = edge
        .admin(Method::POST, USERS)
        .json(&body)
        .send()
        .await
        .unwrap();
    problem(response, 409, "EMAIL_TAKEN").await;

    let unknown = "/api/v1/users/018f0000-0000-7000-8000-00000000ffff";
    let response = edge.admin(Method::GET, unknown).send().await.unwrap();
    problem(response, 404, "USER_NOT_FOUND").await;

    let suspend = format!("/api/v1/users/{ADA}:suspend");
    let response = edge.admin(Method::POST, &suspend).send().await.unwrap();
    problem(response, 409, "LAST_ADMINISTRATOR").await;

    let login = json!({"email": "a@example.com", "password": "wrong"});
    let request = edge
        .request(Method::POST, "/api/v1/auth/login")
        .json(&login);
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
    problem(response, 401, "INVALID_CREDENTIALS").await;

    let login = json!({"email": "a@example.com", "password": "full"});
    let request = edge
        .request(Method::POST, "/api/v1/auth/login")
        .json(&login);
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "3");
    problem(response, 429, "OVERLOADED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_a_service_keeps_its_cause_inside() {
    let edge = Edge::start().await;
    let response = edge
        .admin(Method::GET, "/api/v1/users/broken")
        .send()
        .await
        .unwrap();
    let document = problem(response, 500, "INTERNAL").await;
    assert!(!document.to_string().contains("users_v2"), "{document}");

    let batch = format!("/api/v1/users:batchGet?ids={ADA}");
    let response = edge.admin(Method::GET, &batch).send().await.unwrap();
    let document = problem(response, 501, "UNIMPLEMENTED").await;
    assert!(!document.to_string().contains("not here"), "{document}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_without_a_route_is_not_found() {
    let edge = Edge::start().await;
    let paths = [
        "/",
        "/api/v1",
        "/api/v1/nothing",
        "/api/v1/users/",
        "/api/v1//users",
        "//api/v1/users",
        "/api/v1/users/a/b",
        "/portico.user.v1.UserService/GetUser",
        "/portico.user.v1.ProvisioningService/ProvisionUser",
    ];
    for path in paths {
        let response = edge.admin(Method::GET, path).send().await.unwrap();
        problem(response, 404, "NOT_FOUND").await;
    }
    assert_eq!(edge.accounts.calls(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_without_a_route_says_which_have_one() {
    let edge = Edge::start().await;
    let response = edge.admin(Method::DELETE, USERS).send().await.unwrap();
    let mut allow: Vec<_> = response.headers()["allow"]
        .to_str()
        .unwrap()
        .split(", ")
        .collect();
    allow.sort_unstable();
    assert_eq!(allow, ["GET", "HEAD", "OPTIONS", "POST"]);
    problem(response, 405, "METHOD_NOT_ALLOWED").await;

    let response = edge.request(Method::POST, "/health").send().await.unwrap();
    problem(response, 405, "METHOD_NOT_ALLOWED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_must_be_json_by_its_type() {
    let edge = Edge::start().await;
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/xml",
        "json",
    ] {
        let request = edge
            .admin(Method::POST, USERS)
            .header("content-type", media_type);
        let response = request.body("{}").send().await.unwrap();
        problem(response, 415, "UNSUPPORTED_MEDIA_TYPE").await;
    }
    let response = edge
        .admin(Method::POST, USERS)
        .body("{}")
        .send()
        .await
        .unwrap();
    problem(response, 415, "UNSUPPORTED_MEDIA_TYPE").await;
    let request = edge
        .admin(Method::POST, USERS)
        .header("content-type", "application/json");
    let response = request
        .header("content-encoding", "gzip")
        .body("{}")
        .send()
        .await
        .unwrap();
    problem(response, 415, "UNSUPPORTED_MEDIA_TYPE").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_where_none_is_taken_is_refused() {
    let edge = Edge::start().await;
    let path = format!("/api/v1/users/{ADA}");
    let response = edge
        .admin(Method::GET, &path)
        .json(&json!({}))
        .send()
        .await
        .unwrap();
    problem(response, 400, "BAD_REQUEST").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused() {
    let settings = vec![("GATEWAY__BODY_LIMIT_BYTES", "1024")];
    let edge = Edge::start_with(Start {
        settings,
        ..Start::default()
    })
    .await;
    let body = json!({"email": "a@example.com", "displayName": "x".repeat(2000)});
    let response = edge
        .admin(Method::POST, USERS)
        .json(&body)
        .send()
        .await
        .unwrap();
    problem(response, 413, "BODY_TOO_LARGE").await;

    // Without a length in front, the bytes are counted as they come.
    let chunks = (0..40).map(|_| Ok::<_, std::io::Error>(vec![b' '; 100]));
    let request = edge
        .admin(Method::POST, USERS)
        .header("content-type", "application/json");
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    let response = request.body(body).send().await.unwrap();
    problem(response, 413, "BODY_TOO_LARGE").await;

    let fits = json!({"email": "a@example.com", "displayName": "x".repeat(900)});
    let response = edge
        .admin(Method::POST, USERS)
        .json(&fits)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_over_the_limit_is_refused() {
    let edge = Edge::start().await;
    let path = format!("/api/v1/users?pageToken={}", "a".repeat(9000));
    let response = edge.admin(Method::GET, &path).send().await.unwrap();
    problem(response, 414, "URI_TOO_LONG").await;

    let request = edge
        .admin(Method::GET, USERS)
        .header("x-padding", "a".repeat(40_000));
    problem(request.send().await.unwrap(), 431, "HEADERS_TOO_LARGE").await;
    assert_eq!(edge.accounts.calls(), 0);
}
