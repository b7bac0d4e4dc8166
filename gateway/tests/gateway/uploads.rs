//! Streams that go up, forms, and bodies that are no JSON.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use reqwest::{Body, Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};
use tokio_stream::wrappers::ReceiverStream;

use crate::support::{Edge, Feed, Orders, Start, eventually, problem};

const IMPORT: &str = "/api/v1/feeds/f-1:import";
const NDJSON: &str = "application/x-ndjson";

async fn start(settings: Vec<(&'static str, &'static str)>) -> (Edge, Feed, Orders) {
    let feed = Feed::default();
    let running = feed.start().await;
    let edge = Edge::start_with(Start {
        upstreams: vec![("feed", running.url())],
        settings,
        ..Start::default()
    })
    .await;
    eventually("the service is mounted", || async {
        let submitted = edge.request(Method::POST, "/api/v1/feed:submit").send();
        submitted.await.unwrap().status() == 200
    })
    .await;
    (edge, feed, running)
}

fn import(edge: &Edge, body: impl Into<Body>) -> RequestBuilder {
    let request = edge.request(Method::POST, IMPORT);
    request.header("content-type", NDJSON).body(body)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_is_a_message() {
    let (edge, feed, _running) = start(vec![]).await;
    let body = "{\"sequence\": \"1\"}\n\n{\"text\":\"b\"}\r\n{}";
    let response = import(&edge, body).send().await.unwrap();
    assert_eq!(response.status(), 200);
    // What the path says goes with each.
    let summary: Value = response.json().await.unwrap();
    assert_eq!(summary, json!({"count": "3", "text": "f-1f-1f-1"}));
    let none: Value = import(&edge, "")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(none, json!({}));
    assert_eq!((feed.whole(), feed.cut()), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_line_is_named_and_nothing_counts_as_whole() {
    let (edge, feed, _running) = start(vec![]).await;
    let bad = [
        (
            "{}\n{\"sequence\": {}}\n{}\n",
            400,
            "INVALID_FIELD",
            2,
            Some("sequence"),
        ),
        ("{}\n\n{\"nope\": 1}", 400, "UNKNOWN_FIELD", 3, Some("nope")),
        ("{", 400, "INVALID_JSON", 1, None),
    ];
    for (body, status, code, line, field) in bad {
        let response = import(&edge, body).send().await.unwrap();
        let told = problem(response, status, code).await;
        assert_eq!(told["line"], line);
        let prefix = format!("line {line}: ");
        assert!(
            told["detail"].as_str().unwrap().starts_with(&prefix),
            "{told}"
        );
        if let Some(field) = field {
            assert_eq!(told["errors"][0]["field"], field);
        }
    }
    let (lines, body) = mpsc::channel(1);
    let body = Body::wrap_stream(ReceiverStream::new(body).map(Ok::<_, std::io::Error>));
    let sending = import(&edge, body).send();
    let saying = async {
        lines.send("{}\n").await.unwrap();
        eventually("the service has the first line", || async {
            feed.given() > 0
        })
        .await;
        lines.send("{}\noops\n").await.unwrap();
    };
    let (response, ()) = tokio::join!(sending, saying);
    assert_eq!(
        problem(response.unwrap(), 400, "INVALID_JSON").await["line"],
        3
    );
    eventually("the service hears of it", || async { feed.cut() == 1 }).await;
    assert_eq!(feed.whole(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_holds_for_a_line() {
    let (edge, _feed, _running) = start(vec![("GATEWAY__BODY_LIMIT_BYTES", "1024")]).await;
    let line = |length: usize| format!("{{\"text\":\"{}\"}}\n", "x".repeat(length));
    let many = line(1000).repeat(100);
    let summary: Value = import(&edge, many)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(summary["count"], "100");
    let long = line(10) + &line(1024);
    let told = problem(
        import(&edge, long).send().await.unwrap(),
        413,
        "BODY_TOO_LARGE",
    )
    .await;
    assert_eq!(told["line"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_asked_for_by_their_type() {
    let (edge, _feed, _running) = start(vec![]).await;
    let request = edge.request(Method::POST, IMPORT).json(&json!({}));
    problem(request.send().await.unwrap(), 415, "UNSUPPORTED_MEDIA_TYPE").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_goes_leaves_an_upload_that_is_cut_off() {
    let (edge, feed, _running) = start(vec![]).await;
    let h2 = Client::builder().http2_prior_knowledge().build().unwrap();
    for (index, client) in [Client::new(), h2].into_iter().enumerate() {
        let url = format!("http://{}{IMPORT}", edge.addr);
        let lines = stream::iter([Ok::<_, std::io::Error>("{}\n")]).chain(stream::pending());
        let request = client.post(url).header("content-type", NDJSON);
        let sending = request.body(Body::wrap_stream(lines)).send();
        let given = feed.given();
        tokio::select! {
            _ = sending => panic!("the upload never ends"),
            () = eventually("a line arrived", || async { feed.given() > given }) => {}
        }
        eventually("the service hears of it", || async {
            feed.cut() == index + 1
        })
        .await;
    }
    assert_eq!(feed.whole(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_taken_that_the_service_has_no_room_for() {
    let (edge, _feed, _running) = start(vec![]).await;
    let mut socket = TcpStream::connect(edge.addr).await.unwrap();
    let head = format!(
        "POST {IMPORT} HTTP/1.1\r\nhost: x\r\ncontent-type: {NDJSON}\r\ncontent-length: 999999999\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(b"{\"text\":\"stall\"}\n").await.unwrap();
    let line = format!("{{\"text\":\"{}\"}}\n", "x".repeat(10_000));
    let mut taken = 0;
    while let Ok(written) =
        tokio::time::timeout(Duration::from_secs(2), socket.write(line.as_bytes())).await
    {
        taken += written.unwrap();
        assert!(taken < 64 * 1024 * 1024, "everything is taken");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_need_not_wait_for_the_end() {
    let (edge, _feed, _running) = start(vec![]).await;
    let lines = stream::iter([Ok::<_, std::io::Error>("{}\n{\"text\":\"enough\"}\n")]);
    let body = Body::wrap_stream(lines.chain(stream::pending()));
    let response = import(&edge, body).send().await.unwrap();
    let summary: Value = response.json().await.unwrap();
    assert_eq!(summary["count"], "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ways_at_once() {
    let (edge, _feed, _running) = start(vec![]).await;
    let h2 = Client::builder().http2_prior_knowledge().build().unwrap();
    for client in [Client::new(), h2] {
        let (lines, body) = mpsc::channel(1);
        let body = Body::wrap_stream(ReceiverStream::new(body).map(Ok::<_, std::io::Error>));
        let url = format!("http://{}/api/v1/feeds/f-1:echo", edge.addr);
        lines.send("{\"sequence\":1}\n").await.unwrap();
        let request = client.post(url).header("content-type", NDJSON).body(body);
        let mut response = request.send().await.unwrap();
        let first = response.chunk().await.unwrap().unwrap();
        assert_eq!(first, "{\"sequence\":\"1\",\"feed\":\"f-1\"}\n");
        lines.send("{\"sequence\":2}\n").await.unwrap();
        let second = response.chunk().await.unwrap().unwrap();
        assert_eq!(second, "{\"sequence\":\"2\",\"feed\":\"f-1\"}\n");
        lines.send("oops\n").await.unwrap();
        let last = response.chunk().await.unwrap().unwrap();
        let last: Value = serde_json::from_slice(&last).unwrap();
        assert_eq!(last["error"]["line"], 3);
        assert_eq!(response.text().await.unwrap(), "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_up_in_pieces() {
    let (edge, _feed, _running) = start(vec![("GATEWAY__BODY_LIMIT_BYTES", "1024")]).await;
    let request = edge.request(Method::POST, "/api/v1/files/a.png");
    let request = request.header("content-type", "image/png");
    let response = request.body(vec![7; 100_000]).send().await.unwrap();
    let summary: Value = response.json().await.unwrap();
    assert_eq!(
        summary,
        json!({"count": "100000", "text": "a.png image/png"})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_and_comes_as_it_is() {
    let (edge, _feed, _running) = start(vec![]).await;
    let request = edge.request(Method::PUT, "/api/v1/files/a.png");
    let request = request.header("content-type", "image/png");
    let response = request.body(&b"\x00\xff"[..]).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "image/png");
    assert_eq!(response.bytes().await.unwrap(), &b"\x00\xff"[..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_taken_where_the_body_is_the_request() {
    let (edge, _feed, _running) = start(vec![]).await;
    let submit = |body: &'static str| {
        edge.request(Method::POST, "/api/v1/feed:submit")
            .header(
                "content-type",
                "application/x-www-form-urlencoded; charset=UTF-8",
            )
            .body(body)
            .send()
    };
    let event: Value = submit("sequence=7&text=a+b%26")
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(event, json!({"sequence": "7", "text": "a b&"}));
    let told = problem(submit("nope=1").await.unwrap(), 400, "UNKNOWN_FIELD").await;
    assert_eq!(told["errors"][0]["field"], "nope");
    problem(submit("sequence=x").await.unwrap(), 400, "INVALID_FIELD").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_over_the_limit_is_the_services_fault() {
    let (edge, _feed, _running) = start(vec![]).await;
    let request = edge
        .request(Method::POST, "/api/v1/feed:submit")
        .json(&json!({"text": "huge"}));
    problem(request.send().await.unwrap(), 502, "REPLY_TOO_LARGE").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let (edge, feed, _running) = start(vec![("GATEWAY__REQUEST_TIMEOUT_SECONDS", "1")]).await;
    let paths = [
        ("/api/v1/feed:submit", "application/json"),
        (IMPORT, NDJSON),
    ];
    for (path, media_type) in paths {
        let mut socket = TcpStream::connect(edge.addr).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {media_type}\r\ncontent-length: 9\r\n\r\n{{}}\n"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let read = tokio::time::timeout(Duration::from_secs(8), socket.read_to_string(&mut answer));
        read.await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.contains("REQUEST_TIMEOUT"), "{answer}");
    }
    eventually("the service hears of it", || async { feed.cut() == 1 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_nobody_reads_on_ends_its_connection() {
    let (edge, _feed, _running) = start(vec![]).await;
    for (path, media_type, line, status) in [
        ("/api/v1/nowhere", NDJSON, "{}\n", "HTTP/1.1 404"),
        (IMPORT, "text/plain", "{}\n", "HTTP/1.1 415"),
        (IMPORT, NDJSON, "no JSON\n", "HTTP/1.1 400"),
    ] {
        let mut socket = TcpStream::connect(edge.addr).await.unwrap();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {media_type}\r\ntransfer-encoding: chunked\r\n\r\n\
             {:x}\r\n{line}\r\n",
            line.len()
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let ended =
            tokio::time::timeout(Duration::from_secs(8), socket.read_to_string(&mut answer));
        assert!(ended.await.is_ok(), "{path} stays open: {answer}");
        assert!(answer.starts_with(status), "{path}: {answer}");
    }
}
