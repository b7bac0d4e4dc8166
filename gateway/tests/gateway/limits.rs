//! How often requests may come, and whose they are.

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{ADA, Edge, Issuer, Start, eventually, problem};

async fn edge(settings: &[(&'static str, &'static str)]) -> Edge {
    Edge::start_with(Start {
        settings: settings.to_vec(),
        ..Start::default()
    })
    .await
}

fn ada() -> String {
    format!("/api/v1/users/{ADA}")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_says_how_much_is_left() {
    let edge = edge(&[("GATEWAY__RATE_LIMITS", "authenticated=account:3/1h")]).await;
    for left in [2, 1, 0] {
        let response = edge.admin(Method::GET, &ada()).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let headers = response.headers();
        assert_eq!(
            headers["ratelimit-policy"],
            "\"authenticated-account\";q=3;w=3600"
        );
        let said = headers["ratelimit"].to_str().unwrap();
        let start = format!("\"authenticated-account\";r={left};t=");
        assert!(said.starts_with(&start), "{said}");
    }
    let calls = edge.accounts.calls();
    let response = edge.admin(Method::GET, &ada()).send().await.unwrap();
    let wait: u64 = response.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=1200).contains(&wait), "{wait}");
    assert!(response.headers().contains_key("ratelimit"));
    let document = problem(response, 429, "RATE_LIMITED").await;
    assert_eq!(
        document["detail"],
        "the limit authenticated-account is 3 requests in 3600 seconds"
    );
    assert_eq!(edge.accounts.calls(), calls);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_account_has_a_limit_of_its_own() {
    let edge = edge(&[("GATEWAY__RATE_LIMITS", "authenticated=account:1/1h")]).await;
    assert_eq!(
        edge.admin(Method::GET, &ada())
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    assert_eq!(
        edge.admin(Method::GET, &ada())
            .send()
            .await
            .unwrap()
            .status(),
        429
    );
    let mut claims = Issuer::claims("users:read");
    claims.sub = "018f0000-0000-7000-8000-0000000000bb".to_owned();
    let other = edge.issuer.sign(&claims);
    let response = edge.get(&ada()).bearer_auth(other).send().await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_key_and_a_client_are_limited_by_themselves() {
    let edge = edge(&[("GATEWAY__RATE_LIMITS", "authenticated=client:1/1h")]).await;
    let token = edge.issuer.token("users:read");
    edge.accounts.take_key("ptc_key_one", &token);
    let ask = |token: &str| edge.get(&ada()).bearer_auth(token).send();
    assert_eq!(ask("ptc_key_one").await.unwrap().status(), 200);
    assert_eq!(ask("ptc_key_one").await.unwrap().status(), 429);
    // Its own token, of the client that it names.
    assert_eq!(ask(&token).await.unwrap().status(), 200);
    assert_eq!(ask(&token).await.unwrap().status(), 429);
    // People who sign in with Portico itself are no client.
    let mut claims = Issuer::claims("users:read");
    claims.client_id = "portico".to_owned();
    let person = edge.issuer.sign(&claims);
    for _ in 0..3 {
        assert_eq!(ask(&person).await.unwrap().status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_that_a_policy_names_counts_its_rpcs_alone() {
    let limits = "credentials=address:2/1h,public=address:50/1h";
    let edge = edge(&[("GATEWAY__RATE_LIMITS", limits)]).await;
    let login = json!({"email": "a@example.com", "password": "wrong"});
    for status in [401, 401, 429] {
        let request = edge.request(Method::POST, "/api/v1/auth/login");
        let response = request.json(&login).send().await.unwrap();
        assert_eq!(response.status(), status);
        let policy = &response.headers()["ratelimit-policy"];
        assert_eq!(policy, "\"credentials-address\";q=2;w=3600");
    }
    let keys = edge.get("/.well-known/jwks.json").send().await.unwrap();
    assert_eq!(keys.status(), 200);
    assert_eq!(
        keys.headers()["ratelimit-policy"],
        "\"public-address\";q=50;w=3600"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_tokens_are_counted_and_then_not_even_looked_at() {
    let edge = edge(&[("GATEWAY__RATE_LIMITS", "refused=address:2/1h")]).await;
    let ask = |token: &'static str| edge.get(&ada()).bearer_auth(token).send();
    problem(ask("nonsense").await.unwrap(), 401, "TOKEN_INVALID").await;
    problem(ask("ptc_unknown").await.unwrap(), 401, "API_KEY_INVALID").await;
    problem(ask("nonsense").await.unwrap(), 429, "RATE_LIMITED").await;
    let exchanges = edge.accounts.exchanges();
    problem(ask("ptc_another").await.unwrap(), 429, "RATE_LIMITED").await;
    assert_eq!(edge.accounts.exchanges(), exchanges);
    // Who has a good token is let in from the same address.
    assert_eq!(
        edge.admin(Method::GET, &ada())
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_are_never_limited() {
    let edge = edge(&[("GATEWAY__RATE_LIMITS", "public=address:1/1h")]).await;
    for _ in 0..5 {
        assert_eq!(edge.get("/health").send().await.unwrap().status(), 200);
    }
    assert_eq!(edge.get("/docs").send().await.unwrap().status(), 200);
    problem(edge.get("/docs").send().await.unwrap(), 429, "RATE_LIMITED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_on_one_redis_hold_one_limit() {
    let Some(redis) = portico_testing::redis() else {
        return;
    };
    let redis = redis.database();
    let start = || {
        Edge::start_with(Start {
            settings: vec![("GATEWAY__RATE_LIMITS", "public=address:5/1h")],
            redis: Some(redis.clone()),
            ..Start::default()
        })
    };
    let (one, other) = (start().await, start().await);
    let mut served = 0;
    for edge in [&one, &other].into_iter().cycle().take(12) {
        let response = edge.get("/.well-known/jwks.json").send().await.unwrap();
        served += u32::from(response.status() == 200);
    }
    assert_eq!(served, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_trusted_proxy_is_believed_when_it_says_whose_a_request_is() {
    let limits = ("GATEWAY__RATE_LIMITS", "public=address:1/1h");
    let ask = |edge: &Edge, from: &'static str| {
        let request = edge.get("/.well-known/jwks.json");
        request.header("x-forwarded-for", from).send()
    };
    let trusting = edge(&[limits, ("GATEWAY__TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    assert_eq!(ask(&trusting, "203.0.113.7").await.unwrap().status(), 200);
    let seen = trusting.accounts.metadata();
    assert_eq!(seen.get("x-forwarded-for").unwrap(), "203.0.113.7");
    assert_eq!(
        ask(&trusting, "6.6.6.6, 203.0.113.7")
            .await
            .unwrap()
            .status(),
        429
    );
    assert_eq!(ask(&trusting, "2001:db8::1").await.unwrap().status(), 200);
    assert_eq!(ask(&trusting, "2001:db8::2").await.unwrap().status(), 429);

    let plain = edge(&[limits]).await;
    assert_eq!(ask(&plain, "203.0.113.7").await.unwrap().status(), 200);
    let seen = plain.accounts.metadata();
    assert_eq!(seen.get("x-forwarded-for").unwrap(), "127.0.0.1");
    assert_eq!(ask(&plain, "203.0.113.8").await.unwrap().status(), 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_holds_so_many_connections_and_no_more() {
    let edge = edge(&[("GATEWAY__CONNECTIONS_PER_ADDRESS", "2")]).await;
    let open = async || {
        let mut stream = TcpStream::connect(edge.addr).await.unwrap();
        let asked = stream
            .write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
            .await;
        let mut answer = [0; 12];
        let read = stream.read_exact(&mut answer).await;
        (asked.is_ok() && read.is_ok() && &answer == b"HTTP/1.1 200").then_some(stream)
    };
    let (one, two) = (open().await, open().await);
    assert!(one.is_some() && two.is_some());
    assert!(open().await.is_none());
    drop(one);
    eventually("a seat became free", async || open().await.is_some()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_requests_run_on_one_connection() {
    let edge = edge(&[("GATEWAY__REQUESTS_PER_CONNECTION", "4")]).await;
    let client = reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let slow = || {
        let url = format!("http://{}/api/v1/auth/login", edge.addr);
        let body = async_body();
        let request = client.post(url).header("content-type", "application/json");
        edge.frame.tasks.spawn(request.body(body).send())
    };
    let running: Vec<_> = (0..4).map(|_| slow()).collect();
    let health = format!("http://{}/health", edge.addr);
    eventually("the connection was full", async || {
        client.get(&health).send().await.unwrap().status() == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    // Others have connections of their own.
    assert_eq!(edge.get("/health").send().await.unwrap().status(), 200);
    for request in running {
        request.abort();
    }
}

/// A body that begins and does not go on.
fn async_body() -> reqwest::Body {
    let parts = futures_util::StreamExt::chain(
        futures_util::stream::iter([Ok::<_, std::io::Error>("{")]),
        futures_util::stream::pending(),
    );
    reqwest::Body::wrap_stream(parts)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_head_and_a_slow_body_end_in_time() {
    let settings = [
        ("GATEWAY__HEAD_TIMEOUT_SECONDS", "1"),
        ("GATEWAY__REQUEST_TIMEOUT_SECONDS", "1"),
    ];
    let edge = edge(&settings).await;
    let login = "POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    for (sent, status) in [
        ("", ""),
        ("GET /health HTTP/1.1\r\nhost:", "HTTP/1.1 408"),
        ("PRI * HTTP/2.0\r\n\r\nSM", ""),
        (
            &format!("{login}content-length: 9\r\n\r\n{{"),
            "HTTP/1.1 408",
        ),
        (
            &format!("{login}transfer-encoding: chunked\r\n\r\n1\r\n{{\r\n"),
            "HTTP/1.1 408",
        ),
    ] {
        let mut stream = TcpStream::connect(edge.addr).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let patience = std::time::Duration::from_secs(15);
        // A connection that is reset has ended as well.
        let ended = tokio::time::timeout(patience, stream.read_to_end(&mut answer)).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            ended.is_ok(),
            "{sent:?}: its connection stays open: {answer:?}"
        );
        assert!(answer.starts_with(status), "{sent:?}: {answer:?}");
    }
    assert_eq!(edge.get("/health").send().await.unwrap().status(), 200);
}
