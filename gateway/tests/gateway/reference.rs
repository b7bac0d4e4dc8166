//! The OpenAPI document and the page that shows it.

use reqwest::{Method, Response, header};
use serde_json::{Value, json};

use crate::support::{Edge, Orders, Start, eventually};

async fn document(edge: &Edge) -> Value {
    let response = edge.get("/openapi.json").send().await.unwrap();
    response.json().await.unwrap()
}

fn said<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
    response.headers().get(name)?.to_str().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_there_at_once_and_for_everybody() {
    let edge = Edge::start().await;
    let response = edge.get("/openapi.json").send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(said(&response, "content-type"), Some("application/json"));
    assert_eq!(said(&response, "cache-control"), Some("no-cache"));
    let document: Value = response.json().await.unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let get = &document["paths"]["/api/v1/users/{id}"]["get"];
    assert_eq!(get["operationId"], "UserService_GetUser");
    assert_eq!(get["summary"], "Reads one account");
    let problem = &document["components"]["schemas"]["Problem"]["properties"];
    assert!(problem.get("requestId").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_the_document_is_not_sent_it_again() {
    let edge = Edge::start().await;
    let first = edge.get("/openapi.json").send().await.unwrap();
    let etag = said(&first, "etag").unwrap().to_owned();
    let again = edge
        .get("/openapi.json")
        .header(header::IF_NONE_MATCH, &etag);
    let again = again.send().await.unwrap();
    assert_eq!(again.status(), 304);
    assert_eq!(said(&again, "etag"), Some(etag.as_str()));
    assert!(again.bytes().await.unwrap().is_empty());
    let head = edge.request(Method::HEAD, "/openapi.json").send().await;
    assert_eq!(said(&head.unwrap(), "etag"), Some(etag.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_mounted_is_in_the_document() {
    let orders = Orders::start().await;
    let edge = Edge::start_with(Start {
        upstreams: vec![("orders", orders.url())],
        ..Start::default()
    })
    .await;
    eventually("the service is described", || async {
        let paths = document(&edge).await["paths"].clone();
        paths.get("/api/v1/orders/{name}").is_some()
    })
    .await;
    let document = document(&edge).await;
    let order = &document["paths"]["/api/v1/orders/{name}"]["get"];
    assert_eq!(order["security"], json!([]));
    let cancel = &document["paths"]["/api/v1/orders/{name}:cancel"]["post"];
    assert_eq!(cancel["security"], json!([{"accessToken": []}]));
    // What was not granted is not told.
    let text = document.to_string();
    for name in ["Usurp", "Pose", "PurgeOrders"] {
        assert!(!text.contains(name), "{name}");
    }
    assert!(document["paths"].get("/api/v1/users/{id}").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_comes_whole_from_here() {
    let edge = Edge::start().await;
    let page = edge.get("/docs").send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert_eq!(
        said(&page, "content-type"),
        Some("text/html; charset=utf-8")
    );
    let policy = said(&page, "content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"));
    let html = page.text().await.unwrap();
    let files: Vec<&str> = html
        .split('"')
        .filter(|it| it.starts_with("docs/"))
        .collect();
    assert_eq!(files.len(), 3, "{html}");
    for file in files {
        let response = edge.get(&format!("/{file}")).send().await.unwrap();
        assert_eq!(response.status(), 200, "{file}");
        let gzip = response.headers().contains_key(header::CONTENT_ENCODING);
        assert_eq!(
            response.bytes().await.unwrap().starts_with(&[0x1f, 0x8b]),
            gzip,
            "{file}"
        );
    }
}
