//! Who is let in at the edge.

use portico_caller::{Audience, Claims};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{ADA, Edge, Issuer, problem};

const USERS: &str = "/api/v1/users";

/// Sends one token and checks how it is refused.
async fn refused(edge: &Edge, token: &str, code: &str) -> Value {
    let response = edge.get(USERS).bearer_auth(token).send().await.unwrap();
    let challenge = response.headers()["www-authenticate"]
        .to_str()
        .unwrap()
        .to_owned();
    assert_eq!(challenge, r#"Bearer error="invalid_token""#);
    let calls = edge.accounts.calls();
    assert_eq!(calls, 0, "a refused call must not reach the service");
    problem(response, 401, code).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_token_is_asked_for() {
    let edge = Edge::start().await;
    let response = edge.get(USERS).send().await.unwrap();
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
    problem(response, 401, "TOKEN_MISSING").await;
    let response = edge
        .get(USERS)
        .basic_auth("a", Some("b"))
        .send()
        .await
        .unwrap();
    problem(response, 401, "TOKEN_MISSING").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_tokens_are_refused_at_the_edge() {
    let edge = Edge::start().await;
    let good = Issuer::claims("users:read");

    let expired = Claims {
        iat: good.iat - 900,
        exp: good.iat - 300,
        ..good.clone()
    };
    refused(&edge, &edge.issuer.sign(&expired), "TOKEN_EXPIRED").await;

    let elsewhere = Claims {
        aud: Audience::One("somebody-else".to_owned()),
        ..good.clone()
    };
    refused(&edge, &edge.issuer.sign(&elsewhere), "TOKEN_INVALID").await;

    let foreign = Claims {
        iss: "https://evil.test".to_owned(),
        ..good.clone()
    };
    refused(&edge, &edge.issuer.sign(&foreign), "TOKEN_INVALID").await;

    let forged = Issuer::new().sign(&good);
    refused(&edge, &forged, "TOKEN_INVALID").await;

    let header = json!({"alg": "none", "typ": "at+jwt", "kid": "k-1"});
    let unsigned = format!("{}.", Issuer::unsigned(&header, &good));
    refused(&edge, &unsigned, "TOKEN_INVALID").await;

    refused(&edge, "no-token-at-all", "TOKEN_INVALID").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tokens_are_one_too_many() {
    let edge = Edge::start().await;
    let request = edge
        .admin(Method::GET, USERS)
        .header("authorization", "Bearer other");
    problem(request.send().await.unwrap(), 401, "TOKEN_INVALID").await;
    assert_eq!(edge.accounts.calls(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_session_is_refused() {
    let edge = Edge::start().await;
    let token = edge.issuer.token("users:read");
    let response = edge.get(USERS).bearer_auth(&token).send().await.unwrap();
    assert_eq!(response.status(), 200);
    edge.denylist
        .deny("s-1", std::time::Duration::from_mins(1))
        .await;
    let response = edge.get(USERS).bearer_auth(&token).send().await.unwrap();
    problem(response, 401, "SESSION_REVOKED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_scope_is_named() {
    let edge = Edge::start().await;
    let token = edge.issuer.token("sessions:read");
    let response = edge.get(USERS).bearer_auth(&token).send().await.unwrap();
    assert_eq!(
        response.headers()["www-authenticate"],
        r#"Bearer error="insufficient_scope", scope="users:read""#
    );
    problem(response, 403, "INSUFFICIENT_SCOPE").await;
    assert_eq!(edge.accounts.calls(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_it_is_decides_the_service() {
    let edge = Edge::start().await;
    let token = edge.issuer.token("");
    let path = format!("/api/v1/users/{ADA}");
    let response = edge.get(&path).bearer_auth(&token).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(edge.accounts.calls(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_route_takes_anybody_even_with_a_bad_token() {
    let edge = Edge::start().await;
    let login = json!({"email": "a@example.com", "password": "right"});
    let request = edge
        .request(Method::POST, "/api/v1/auth/login")
        .json(&login);
    let response = request.bearer_auth("stale").send().await.unwrap();
    assert_eq!(response.status(), 200);
    let sent = edge.accounts.metadata();
    assert_eq!(sent.get("authorization").unwrap(), "Bearer stale");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_session_is_denied_before_the_answer_arrives() {
    let edge = Edge::start().await;
    let token = edge.issuer.token("users:read");
    let logout = edge
        .request(Method::POST, "/api/v1/auth/logout")
        .bearer_auth(&token);
    let response = logout.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key("portico-ended-session"));
    assert_eq!(response.json::<Value>().await.unwrap(), json!({}));
    let response = edge.get(USERS).bearer_auth(&token).send().await.unwrap();
    problem(response, 401, "SESSION_REVOKED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_refresh_may_end_a_session_too() {
    let edge = Edge::start().await;
    let body = json!({"refreshToken": "used"});
    let request = edge
        .request(Method::POST, "/api/v1/auth/refresh")
        .json(&body);
    problem(request.send().await.unwrap(), 401, "INVALID_GRANT").await;
    assert!(edge.denylist.is_denied("s-1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_exchanged_once_and_services_see_the_token_alone() {
    const KEY: &str = "ptc_0123456789";
    let edge = Edge::start().await;
    let token = edge.issuer.sign(&Issuer::claims("users:read"));
    edge.accounts.take_key(KEY, &token);
    for _ in 0..3 {
        let response = edge.get(USERS).bearer_auth(KEY).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let sent = edge.accounts.metadata();
        assert_eq!(
            sent.get("authorization").unwrap(),
            &format!("Bearer {token}")
        );
    }
    assert_eq!(edge.accounts.exchanges(), 1);
    let create = edge.request(Method::POST, USERS).bearer_auth(KEY);
    let response = create.json(&json!({})).send().await.unwrap();
    problem(response, 403, "INSUFFICIENT_SCOPE").await;

    // Where nobody asks for a token, nobody sees the key either.
    let login = edge
        .request(Method::POST, "/api/v1/auth/login")
        .bearer_auth(KEY);
    let body = json!({"email": "a@example.com", "password": "right"});
    assert_eq!(login.json(&body).send().await.unwrap().status(), 200);
    assert!(edge.accounts.metadata().get("authorization").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_not_good_is_refused_without_asking_twice() {
    let edge = Edge::start().await;
    for _ in 0..3 {
        let response = edge
            .get(USERS)
            .bearer_auth("ptc_wrong")
            .send()
            .await
            .unwrap();
        let challenge = response.headers()["www-authenticate"].to_str().unwrap();
        assert_eq!(challenge, r#"Bearer error="invalid_token""#);
        problem(response, 401, "API_KEY_INVALID").await;
    }
    assert_eq!(edge.accounts.exchanges(), 1);
    let long = format!("ptc_{}", "x".repeat(100));
    let response = edge.get(USERS).bearer_auth(long).send().await.unwrap();
    problem(response, 401, "API_KEY_INVALID").await;
    assert_eq!(edge.accounts.exchanges(), 1, "it cannot be a key");
    assert_eq!(edge.accounts.calls(), 0);
}
