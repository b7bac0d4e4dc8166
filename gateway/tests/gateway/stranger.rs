//! A service that the gateway never heard of when it was built.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{ADA, Edge, Orders, Reflection, Start, eventually, problem};

const ORDER: &str = "/api/v1/orders/o-1";

async fn beside(orders: &Orders) -> Edge {
    let upstreams = vec![("orders", orders.url())];
    Edge::start_with(Start {
        upstreams,
        ..Start::default()
    })
    .await
}

async fn status(edge: &Edge, path: &str) -> u16 {
    edge.get(path).send().await.unwrap().status().as_u16()
}

async fn mounted(edge: &Edge) {
    eventually("the service is mounted", || async {
        status(edge, ORDER).await == 200
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_routes_appear_by_reflection() {
    let orders = Orders::start().await;
    let edge = beside(&orders).await;
    mounted(&edge).await;
    let order: Value = edge.get(ORDER).send().await.unwrap().json().await.unwrap();
    assert_eq!(order["name"], "o-1");
    assert_eq!(order["said"], "GetOrder");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_older_reflection_will_do() {
    let orders = Orders::deploy("127.0.0.1:0", "", Reflection::V1Alpha).await;
    let edge = beside(&orders).await;
    mounted(&edge).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_policy_holds_and_none_means_a_token() {
    let orders = Orders::start().await;
    let edge = beside(&orders).await;
    mounted(&edge).await;
    let cancel = "/api/v1/orders/o-1:cancel";
    let response = edge.request(Method::POST, cancel).send().await.unwrap();
    problem(response, 401, "TOKEN_MISSING").await;
    let token = edge.issuer.token("");
    let request = edge
        .request(Method::POST, cancel)
        .bearer_auth(token)
        .json(&json!({"cents": "5"}));
    let order: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(
        order,
        json!({"name": "o-1", "cents": "5", "said": "CancelOrder"})
    );
    let response = edge
        .admin(Method::POST, "/api/v1/orders:purge")
        .send()
        .await
        .unwrap();
    problem(response, 404, "NOT_FOUND").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_that_others_have_are_refused_to_it() {
    let orders = Orders::start().await;
    let edge = beside(&orders).await;
    mounted(&edge).await;
    let path = format!("/api/v1/users/{ADA}");
    let response = edge.get(&path).send().await.unwrap();
    problem(response, 401, "TOKEN_MISSING").await;
    let user: Value = edge
        .admin(Method::GET, &path)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(user["email"], "ada@example.com");
    let response = edge
        .get("/.well-known/openid-configuration")
        .send()
        .await
        .unwrap();
    // Auth's, whose stand-in offers none of it.
    problem(response, 501, "UNIMPLEMENTED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_word_on_sessions_does_not_count() {
    let orders = Orders::start().await;
    let edge = beside(&orders).await;
    mounted(&edge).await;
    assert!(!edge.denylist.is_denied("s-1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redeployed_service_is_picked_up() {
    let orders = Orders::start().await;
    let edge = beside(&orders).await;
    mounted(&edge).await;
    let shipped = "/api/v1/shipments/o-1";
    assert_eq!(status(&edge, shipped).await, 404);

    let listen = orders.addr.to_string();
    orders.stop().await;
    let more = r#"
      rpc ShipOrder(Order) returns (Order) {
        option (google.api.http) = {get: "/api/v1/shipments/{name}"};
        option (portico.policy.v1.policy) = {access: ACCESS_PUBLIC};
      }"#;
    let orders = Orders::deploy(&listen, more, Reflection::V1).await;
    eventually("the new route appears", || async {
        status(&edge, shipped).await == 200
    })
    .await;
    mounted(&edge).await;
    let order: Value = edge
        .get(shipped)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(order["said"], "ShipOrder");
    drop(orders);
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_rules_cost_one_rpc_and_no_more() {
    let more = r#"
      rpc Crooked(Order) returns (Order) {
        option (google.api.http) = {get: "/api/v1/crooked/{no_such_field}"};
      }"#;
    let orders = Orders::deploy("127.0.0.1:0", more, Reflection::V1).await;
    let edge = beside(&orders).await;
    mounted(&edge).await;
    assert_eq!(status(&edge, "/api/v1/crooked/x").await, 404);
}
