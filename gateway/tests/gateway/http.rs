//! What HTTP itself asks for: methods, headers, paths.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{ADA, Edge, problem};

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_is_proto_json() {
    let edge = Edge::start().await;
    let response = edge
        .admin(Method::GET, "/api/v1/users?pageSize=7")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    let list: Value = response.json().await.unwrap();
    assert_eq!(list["users"][0]["displayName"], "Ada");
    assert_eq!(list["nextPageToken"], "next");
    assert_eq!(edge.accounts.listed().page_size, 7);

    let body = json!({"email": "a@example.com"});
    let response = edge
        .admin(Method::POST, "/api/v1/users")
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(edge.accounts.created().user.unwrap().email, "a@example.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_says_how_it_may_be_kept() {
    let edge = Edge::start().await;
    let plain = edge
        .admin(Method::GET, "/api/v1/users")
        .send()
        .await
        .unwrap();
    assert_eq!(plain.headers()["cache-control"], "no-store");
    assert_eq!(plain.headers()["x-content-type-options"], "nosniff");
    let missing = edge.get("/nothing").send().await.unwrap();
    assert_eq!(missing.headers()["cache-control"], "no-store");
    assert_eq!(missing.headers()["x-content-type-options"], "nosniff");

    let path = format!("/api/v1/users/{ADA}");
    let said = edge.admin(Method::GET, &path).send().await.unwrap();
    assert_eq!(said.headers()["cache-control"], "private, max-age=5");
    assert!(!said.headers().contains_key("set-cookie"));
    let keys = edge.get("/.well-known/jwks.json").send().await.unwrap();
    assert_eq!(keys.headers()["cache-control"], "public, max-age=300");
    let keys: Value = keys.json().await.unwrap();
    assert_eq!(keys["keys"][0]["kid"], "shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn head_is_get_without_its_body() {
    let edge = Edge::start().await;
    let path = format!("/api/v1/users/{ADA}");
    let response = edge.admin(Method::HEAD, &path).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["etag"], "\"e-1\"");
    assert!(response.bytes().await.unwrap().is_empty());
    let response = edge.request(Method::HEAD, &path).send().await.unwrap();
    assert_eq!(response.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn options_names_the_methods() {
    let edge = Edge::start().await;
    let path = format!("/api/v1/users/{ADA}");
    let response = edge.request(Method::OPTIONS, &path).send().await.unwrap();
    assert_eq!(response.status(), 204);
    let mut allow: Vec<_> = response.headers()["allow"]
        .to_str()
        .unwrap()
        .split(", ")
        .collect();
    allow.sort_unstable();
    assert_eq!(allow, ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH"]);
    let response = edge
        .request(Method::OPTIONS, "/nothing")
        .send()
        .await
        .unwrap();
    problem(response, 404, "NOT_FOUND").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_keeps_its_id_when_it_is_sane() {
    let edge = Edge::start().await;
    let request = edge
        .admin(Method::GET, "/api/v1/users")
        .header("x-request-id", "r-42");
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["x-request-id"], "r-42");
    assert_eq!(
        edge.accounts.metadata().get("x-request-id").unwrap(),
        "r-42"
    );
    let request = edge.get("/nothing").header("x-request-id", "<script>");
    let response = request.send().await.unwrap();
    assert_ne!(response.headers()["x-request-id"], "<script>");
    problem(response, 404, "NOT_FOUND").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn spoofed_headers_go_no_further() {
    let edge = Edge::start().await;
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = edge
        .admin(Method::GET, "/api/v1/users")
        .header("x-forwarded-for", "6.6.6.6")
        .header("x-forwarded-host", "evil.test")
        .header("forwarded", "for=6.6.6.6")
        .header("portico-user-agent", "forged")
        .header("portico-caller", "admin")
        .header("grpc-timeout", "1n")
        .header("grpc-encoding", "gzip")
        .header("cookie", "a=b")
        .header("user-agent", "browser/1")
        .header("traceparent", parent);
    assert_eq!(request.send().await.unwrap().status(), 200);
    let sent = edge.accounts.metadata();
    assert_eq!(sent.get("x-forwarded-for").unwrap(), "127.0.0.1");
    assert_eq!(sent.get("portico-user-agent").unwrap(), "browser/1");
    assert_eq!(sent.get("traceparent").unwrap(), parent);
    assert!(sent.get("grpc-timeout").unwrap().to_str().unwrap() != "1n");
    for gone in [
        "x-forwarded-host",
        "forwarded",
        "portico-caller",
        "cookie",
        "grpc-encoding",
    ] {
        assert!(sent.get(gone).is_none(), "{gone}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_readiness_answer_everybody() {
    let edge = Edge::start().await;
    edge.frame.readiness.wait().await;
    for (path, status) in [("/health", "alive"), ("/ready", "ready")] {
        let response = edge.get(path).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(
            response.json::<Value>().await.unwrap(),
            json!({"status": status})
        );
    }
    edge.frame.readiness.check("database").down("locked");
    let response = edge.get("/ready").send().await.unwrap();
    let document = problem(response, 503, "UNAVAILABLE").await;
    assert!(!document.to_string().contains("locked"));
    assert_eq!(edge.get("/health").send().await.unwrap().status(), 200);
}

/// Sends bytes as they are and answers the first line.
async fn raw(edge: &Edge, request: &str) -> String {
    let mut stream = TcpStream::connect(edge.addr).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_paths_reach_nothing_else() {
    let edge = Edge::start().await;
    let token = edge.issuer.token("users:read users:write");
    let cases = [
        ("GET //api/v1/users", "404"),
        ("GET /api/v1/../v1/users", "400"),
        ("GET /api/v1/x/%2e%2E/users", "400"),
        ("GET /api%2fv1%2fusers", "404"),
        ("GET /api/v1/users%2f", "404"),
        ("GET /api/v1/users/a%2fb", "404"),
        ("GET /api/v1/users;x=1", "404"),
        ("GET /API/V1/USERS", "404"),
        ("GET /api/v1/users%00", "404"),
        ("OPTIONS *", "404"),
        ("TRACE /api/v1/users", "405"),
        ("BREW /api/v1/users", "405"),
    ];
    for (line, status) in cases {
        let request = format!(
            "{line} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
        );
        let answer = raw(&edge, &request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{line}: {answer}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_without_tls_is_spoken() {
    let edge = Edge::start().await;
    let client = reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let url = format!("http://{}/.well-known/jwks.json", edge.addr);
    let response = client.get(url).send().await.unwrap();
    assert_eq!(response.version(), reqwest::Version::HTTP_2);
    assert_eq!(response.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_finishes_and_frees_the_port() {
    let edge = Edge::start().await;
    edge.frame.readiness.wait().await;
    let addr = edge.addr;
    assert_eq!(edge.get("/health").send().await.unwrap().status(), 200);
    let readiness = edge.frame.readiness.clone();
    edge.stop().await;
    assert!(!readiness.is_ready());
    assert!(TcpStream::connect(addr).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_without_a_request_do_not_hold_up_a_stop() {
    let edge = Edge::start().await;
    edge.frame.readiness.wait().await;
    let silent = TcpStream::connect(edge.addr).await.unwrap();
    let mut kept = TcpStream::connect(edge.addr).await.unwrap();
    kept.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = [0; 12];
    kept.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    let client = reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let url = format!("http://{}/health", edge.addr);
    assert_eq!(client.get(url).send().await.unwrap().status(), 200);
    ends_at_once(edge).await;
    drop((silent, kept, client));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_was_refused_does_not_hold_up_a_stop() {
    let edge = Edge::start().await;
    edge.frame.readiness.wait().await;
    let mut sending = TcpStream::connect(edge.addr).await.unwrap();
    let head = "POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    let head = format!("{head}content-length: 90000000\r\n\r\n");
    sending.write_all(head.as_bytes()).await.unwrap();
    sending.write_all(&vec![b' '; 100_000]).await.unwrap();
    let mut answer = [0; 12];
    sending.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    ends_at_once(edge).await;
    drop(sending);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_never_ends_does_not_hold_up_a_stop() {
    let edge = Edge::start().await;
    edge.frame.readiness.wait().await;
    let mut half = TcpStream::connect(edge.addr).await.unwrap();
    half.write_all(b"GET /health HTTP/1.1\r\nhost:")
        .await
        .unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    ends_at_once(edge).await;
    drop(half);
}

async fn ends_at_once(edge: Edge) {
    let started = std::time::Instant::now();
    edge.stop().await;
    let took = started.elapsed();
    assert!(took < std::time::Duration::from_millis(1500), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preface_may_come_in_pieces() {
    let edge = Edge::start().await;
    let mut client = TcpStream::connect(edge.addr).await.unwrap();
    client.set_nodelay(true).unwrap();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for piece in preface.chunks(3) {
        client.write_all(piece).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    // An empty frame of settings; the answer begins with the server's own.
    client
        .write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])
        .await
        .unwrap();
    let mut frame = [0; 9];
    client.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3], 4, "{frame:?}");

    // The same letters, and then it is HTTP/1 after all.
    let mut client = TcpStream::connect(edge.addr).await.unwrap();
    for piece in ["PR", "OPFIND / HTTP/1.1\r\nhost: x\r\n\r\n"] {
        client.write_all(piece.as_bytes()).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let mut answer = [0; 12];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 404");
}
