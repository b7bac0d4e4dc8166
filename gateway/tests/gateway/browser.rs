//! What browsers and caches are told.

use reqwest::Method;
use serde_json::Value;

use crate::support::{ADA, Edge, Start, problem};

const PAGE: &str = "https://app.example.org";

async fn edge() -> Edge {
    Edge::start_with(Start {
        settings: vec![
            ("GATEWAY__CORS_ORIGINS", "https://app.example.org"),
            ("AUTH__ISSUER", "https://api.example.org"),
            ("GATEWAY__COMPRESS_FROM_BYTES", "16"),
        ],
        ..Start::default()
    })
    .await
}

fn ada() -> String {
    format!("/api/v1/users/{ADA}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_an_allowed_origin_may_ask_and_read() {
    let edge = edge().await;
    let request = edge
        .request(Method::OPTIONS, &ada())
        .header("origin", PAGE)
        .header("access-control-request-method", "PATCH")
        .header("access-control-request-headers", "authorization");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 204);
    let headers = response.headers();
    assert_eq!(headers["access-control-allow-origin"], PAGE);
    assert!(
        headers["access-control-allow-methods"]
            .to_str()
            .unwrap()
            .contains("PATCH")
    );
    let sent = headers["access-control-allow-headers"].to_str().unwrap();
    assert!(
        sent.contains("authorization") && sent.contains("if-match"),
        "{sent}"
    );
    assert_eq!(headers["vary"], "origin");

    // A problem is for reading, too.
    for (response, status) in [
        (edge.admin(Method::GET, &ada()), 200),
        (edge.get(&ada()), 401),
    ] {
        let response = response.header("origin", PAGE).send().await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["access-control-allow-origin"], PAGE);
        let read = response.headers()["access-control-expose-headers"].to_str();
        assert!(read.unwrap().contains("ratelimit"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_origin_is_let_in_and_cookies_never_are() {
    let edge = edge().await;
    for origin in [
        "https://evil.test",
        "null",
        "https://app.example.org.evil.test",
    ] {
        let preflight = edge
            .request(Method::OPTIONS, &ada())
            .header("origin", origin)
            .header("access-control-request-method", "DELETE");
        let read = edge.admin(Method::GET, &ada()).header("origin", origin);
        for request in [preflight, read] {
            let response = request.header("cookie", "a=b").send().await.unwrap();
            let headers = response.headers();
            let allowed = headers
                .keys()
                .any(|it| it.as_str().starts_with("access-control"));
            assert!(!allowed, "{origin}: {headers:?}");
            assert_eq!(headers["vary"], "origin");
        }
    }
    let own = edge
        .get("/health")
        .header("origin", PAGE)
        .send()
        .await
        .unwrap();
    assert!(
        !own.headers()
            .contains_key("access-control-allow-credentials")
    );
    // Pages of others have no business with the pages of ours.
    let page = edge
        .get("/docs")
        .header("origin", PAGE)
        .send()
        .await
        .unwrap();
    assert!(!page.headers().contains_key("access-control-allow-origin"));
    // Nobody is allowed unless somebody was named.
    let plain = Edge::start().await;
    let read = plain.get("/.well-known/jwks.json").header("origin", PAGE);
    let response = read.send().await.unwrap();
    assert!(
        !response
            .headers()
            .contains_key("access-control-allow-origin")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_keeps_a_browser_from_doing_more() {
    let edge = edge().await;
    for path in ["/health", "/nothing", "/.well-known/jwks.json", &ada()] {
        let response = edge.get(path).send().await.unwrap();
        let headers = response.headers();
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["x-frame-options"], "DENY", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        assert_eq!(headers["strict-transport-security"], "max-age=31536000");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; frame-ancestors 'none'"));
    }
    let page = edge.get("/docs").send().await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("script-src 'self'") && policy.contains("frame-ancestors 'none'"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_kept_by_nobody() {
    let edge = edge().await;
    let login = serde_json::json!({"email": "a@example.com", "password": "right"});
    let request = edge.request(Method::POST, "/api/v1/auth/login");
    let request = request.header("accept-encoding", "gzip").json(&login);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert!(!response.headers().contains_key("content-encoding"));
    assert!(!response.headers().contains_key("etag"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_who_has_it_gets_no_second_copy() {
    let edge = edge().await;
    for tags in ["\"e-1\"", "W/\"e-1\"", "\"x\", \"e-1\"", "*"] {
        for method in [Method::GET, Method::HEAD] {
            let request = edge.admin(method, &ada()).header("if-none-match", tags);
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 304, "{tags}");
            assert_eq!(response.headers()["etag"], "\"e-1\"");
            assert_eq!(response.headers()["cache-control"], "private, max-age=5");
            assert!(response.bytes().await.unwrap().is_empty());
        }
    }
    let request = edge
        .admin(Method::GET, &ada())
        .header("if-none-match", "\"e-0\"");
    let response = request.send().await.unwrap();
    assert_eq!(response.json::<Value>().await.unwrap()["etag"], "e-1");
    // Without a good token nobody learns whether the tag is the right one.
    let request = edge.get(&ada()).header("if-none-match", "\"e-1\"");
    problem(request.send().await.unwrap(), 401, "TOKEN_MISSING").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_compressed_and_what_has_a_strong_tag_is_not() {
    let edge = edge().await;
    let ask = |path: &str| {
        edge.admin(Method::GET, path)
            .header("accept-encoding", "gzip")
            .send()
    };
    let list = ask("/api/v1/users").await.unwrap();
    assert_eq!(list.headers()["vary"], "accept-encoding");
    let one = ask(&ada()).await.unwrap();
    assert!(!one.headers().contains_key("content-encoding"));
    assert_eq!(one.headers()["etag"], "\"e-1\"");
    let reference = ask("/openapi.json").await.unwrap();
    assert_eq!(reference.headers()["content-encoding"], "gzip");
    let packed = reference.bytes().await.unwrap();
    assert!(packed.starts_with(&[0x1f, 0x8b]));
    let plain = edge.get("/openapi.json").send().await.unwrap();
    assert!(plain.json::<Value>().await.unwrap()["paths"].is_object());
}
