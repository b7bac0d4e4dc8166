//! Services that are away, late or broken.

use std::time::{Duration, Instant};

use reqwest::Method;

use crate::support::{ADA, Edge, Orders, Reflection, Start, eventually, problem};

const ORDER: &str = "/api/v1/orders/o-1";

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_away_answers_503_and_comes_back() {
    let orders = Orders::start().await;
    let upstreams = vec![("orders", orders.url())];
    let edge = Edge::start_with(Start {
        upstreams,
        ..Start::default()
    })
    .await;
    let status = || async { edge.get(ORDER).send().await.unwrap().status().as_u16() };
    eventually("the service is mounted", || async { status().await == 200 }).await;

    let listen = orders.addr.to_string();
    orders.stop().await;
    let response = edge.get(ORDER).send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "1");
    problem(response, 503, "UNAVAILABLE").await;

    let _back = Orders::deploy(&listen, "", Reflection::V1).await;
    eventually("the service is back", || async { status().await == 200 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_service_is_not_waited_for() {
    let orders = Orders::start().await;
    let edge = Edge::start_with(Start {
        upstreams: vec![("orders", orders.url())],
        settings: vec![("GATEWAY__REQUEST_TIMEOUT_SECONDS", "1")],
        ..Start::default()
    })
    .await;
    eventually("the service is mounted", || async {
        edge.get(ORDER).send().await.unwrap().status() == 200
    })
    .await;
    let started = Instant::now();
    let response = edge.get("/api/v1/orders/slow").send().await.unwrap();
    problem(response, 504, "DEADLINE_EXCEEDED").await;
    let took = started.elapsed();
    assert!(
        took > Duration::from_millis(900) && took < Duration::from_secs(4),
        "{took:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_never_was_there_hinders_nobody() {
    let upstreams = vec![("ghost", "http://127.0.0.1:1".to_owned())];
    let edge = Edge::start_with(Start {
        upstreams,
        ..Start::default()
    })
    .await;
    edge.frame.readiness.wait().await;
    assert_eq!(edge.get("/ready").send().await.unwrap().status(), 200);
    assert_eq!(
        edge.get("/.well-known/jwks.json")
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    problem(edge.get(ORDER).send().await.unwrap(), 404, "NOT_FOUND").await;
    eventually("probes are told of it", || async {
        let checks = edge.frame.readiness.state().checks;
        let of = |name| checks.iter().find(|it| it.name == name).unwrap();
        let (ghost, auth) = (of("upstream ghost"), of("upstream auth"));
        auth.ready && ghost.reason.as_deref() == Some("it cannot be reached")
    })
    .await;
}

/// Long enough for two looks at every upstream.
const LOOKS: Duration = Duration::from_millis(2500);

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_contract_leaves_the_last_good_one() {
    let orders = Orders::start().await;
    let upstreams = vec![("orders", orders.url())];
    let edge = Edge::start_with(Start {
        upstreams,
        ..Start::default()
    })
    .await;
    let status = || async { edge.get(ORDER).send().await.unwrap().status().as_u16() };
    eventually("the service is mounted", || async { status().await == 200 }).await;

    let listen = orders.addr.to_string();
    orders.stop().await;
    let _broken = Orders::deploy_broken(&listen).await;
    tokio::time::sleep(LOOKS).await;
    assert_eq!(status().await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reflection_that_loses_options_takes_none_of_our_routes() {
    let edge = Edge::start_with(Start {
        forgetful: true,
        ..Start::default()
    })
    .await;
    tokio::time::sleep(LOOKS).await;
    let path = format!("/api/v1/users/{ADA}");
    assert_eq!(
        edge.admin(Method::GET, &path)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_what_runs() {
    let orders = Orders::start().await;
    let upstreams = vec![("orders", orders.url())];
    let edge = Edge::start_with(Start {
        upstreams,
        ..Start::default()
    })
    .await;
    eventually("the service is mounted", || async {
        edge.get(ORDER).send().await.unwrap().status() == 200
    })
    .await;
    let request = edge.get("/api/v1/orders/second").send();
    let stop = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        edge.frame.stop.cancel();
    };
    let (response, ()) = tokio::join!(request, stop);
    assert_eq!(response.unwrap().status(), 200);
    edge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_rpc_has_the_time_that_its_policy_gives() {
    const HURRIED: &str = r#"
        rpc Hurry(Order) returns (Order) {
          option (google.api.http) = {get: "/api/v1/hurried/{name}"};
          option (portico.policy.v1.policy) = {
            access: ACCESS_PUBLIC
            timeout: {nanos: 300000000}
          };
        }
    "#;
    let orders = Orders::deploy("127.0.0.1:0", HURRIED, Reflection::V1).await;
    let edge = Edge::start_with(Start {
        upstreams: vec![("orders", orders.url())],
        ..Start::default()
    })
    .await;
    eventually("the service is mounted", || async {
        let hurried = edge.get("/api/v1/hurried/o-1").send().await.unwrap();
        hurried.status() == 200
    })
    .await;
    let started = Instant::now();
    let response = edge.get("/api/v1/hurried/slow").send().await.unwrap();
    problem(response, 504, "DEADLINE_EXCEEDED").await;
    // The gateway's own is ten seconds.
    assert!(started.elapsed() < Duration::from_secs(8));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_upstream_cannot_do_is_refused_and_the_gateway_goes_on_answering() {
    let orders = Orders::start().await;
    let edge = Edge::start_with(Start {
        upstreams: vec![("orders", orders.url())],
        settings: vec![("GATEWAY__UPSTREAM_CONCURRENCY", "1")],
        ..Start::default()
    })
    .await;
    let status = || async { edge.get(ORDER).send().await.unwrap().status().as_u16() };
    eventually("the service is mounted", || async { status().await == 200 }).await;
    let holding = edge.get("/api/v1/orders/slow").send();
    let others = async {
        eventually("the only place is taken", || async {
            status().await == 503
        })
        .await;
        let all = (0..40).map(|_| edge.get(ORDER).send());
        let all = futures_util::future::join_all(all);
        let health = async {
            for path in ["/health", "/ready"] {
                assert_eq!(edge.get(path).send().await.unwrap().status(), 200);
            }
        };
        tokio::join!(all, health).0
    };
    let others = tokio::select! {
        _ = holding => panic!("it takes longer"),
        others = others => others,
    };
    for response in others {
        let response = response.unwrap();
        assert_eq!(response.headers()["retry-after"], "1");
        problem(response, 503, "OVERLOADED").await;
    }
    // The caller who held the place has gone.
    eventually("there is room again", || async { status().await == 200 }).await;
}
