//! Streams that come down.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use portico_service::Clock;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::support::{Edge, Feed, Issuer, Orders, SOON, Start, eventually, problem};

const EVENTS: &str = "text/event-stream";

async fn start(settings: Vec<(&'static str, &'static str)>) -> (Edge, Feed, Orders) {
    let feed = Feed::default();
    let running = feed.start().await;
    let edge = beside(running.url(), settings).await;
    mounted(&edge).await;
    (edge, feed, running)
}

async fn beside(url: String, settings: Vec<(&'static str, &'static str)>) -> Edge {
    Edge::start_with(Start {
        upstreams: vec![("feed", url)],
        settings,
        ..Start::default()
    })
    .await
}

async fn mounted(edge: &Edge) {
    eventually("the service is mounted", || async {
        let submitted = edge.request(Method::POST, "/api/v1/feed:submit").send();
        submitted.await.unwrap().status() == 200
    })
    .await;
}

async fn events(edge: &Edge, query: &str) -> Response {
    let path = format!("/api/v1/feed:watch?{query}");
    let request = edge.get(&path).header("accept", EVENTS);
    request.send().await.unwrap()
}

/// What has come when so much of it is there.
async fn until(response: &mut Response, so: impl Fn(&str) -> bool) -> String {
    let mut text = String::new();
    while !so(&text) {
        let chunk = timeout(Duration::from_secs(20), response.chunk()).await;
        let chunk = chunk.expect("more comes").unwrap().expect("it goes on");
        text += std::str::from_utf8(&chunk).unwrap();
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_the_default() {
    let (edge, feed, _running) = start(vec![]).await;
    for accept in ["*/*", "application/x-ndjson", "application/json"] {
        let request = edge
            .get("/api/v1/feed:watch?count=2")
            .header("accept", accept);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "application/x-ndjson");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let text = response.text().await.unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|it| serde_json::from_str(it).unwrap())
            .collect();
        assert_eq!(
            lines,
            [
                json!({"sequence": "1", "text": "a\nb"}),
                json!({"sequence": "2", "text": "a\nb"})
            ]
        );
        assert!(text.ends_with('\n'));
    }
    eventually("the streams are closed", || async { feed.open() == 0 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_to_those_who_accept_them() {
    let (edge, _feed, _running) = start(vec![]).await;
    let response = events(&edge, "count=2").await;
    assert_eq!(response.headers()["content-type"], EVENTS);
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    assert_eq!(
        response.text().await.unwrap(),
        "id: 1\ndata: {\"sequence\":\"1\",\"text\":\"a\\nb\"}\n\n\
         id: 2\ndata: {\"sequence\":\"2\",\"text\":\"a\\nb\"}\n\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_taken_up_where_they_were_cut_off() {
    let (edge, _feed, _running) = start(vec![]).await;
    let mut response = events(&edge, "count=3&mode=quiet").await;
    let text = until(&mut response, |text| text.contains("id: 3\n")).await;
    let last = text
        .lines()
        .filter_map(|line| line.strip_prefix("id: "))
        .next_back();
    drop(response);
    // The header wins over the query that the client opened the stream with.
    let path = "/api/v1/feed:watch?count=5&after=1";
    let request = edge.get(path).header("accept", EVENTS);
    let request = request.header("last-event-id", last.unwrap());
    let text = request.send().await.unwrap().text().await.unwrap();
    let ids: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("id: "))
        .collect();
    assert_eq!(ids, ["4", "5"]);

    let request = edge.get(path).header("last-event-id", "x");
    problem(request.send().await.unwrap(), 400, "INVALID_FIELD").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_refused_has_its_status() {
    let (edge, _feed, _running) = start(vec![]).await;
    problem(
        events(&edge, "mode=refuse").await,
        409,
        "FAILED_PRECONDITION",
    )
    .await;
    problem(events(&edge, "mode=fail").await, 409, "FAILED_PRECONDITION").await;
    problem(events(&edge, "mode=break").await, 500, "INTERNAL").await;
    problem(events(&edge, "nothing=1").await, 400, "UNKNOWN_FIELD").await;
    problem(
        edge.get("/api/v1/feed:follow").send().await.unwrap(),
        401,
        "TOKEN_MISSING",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_the_last_thing_in_a_stream() {
    let (edge, _feed, _running) = start(vec![]).await;
    let response = edge
        .get("/api/v1/feed:watch?count=2&mode=fail")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let id = response.headers()["x-request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let text = response.text().await.unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(text.lines().count(), 3);
    assert_eq!(last["error"]["code"], "FAILED_PRECONDITION");
    assert_eq!(last["error"]["status"], 409);
    assert_eq!(last["error"]["requestId"], id);

    let text = events(&edge, "count=1&mode=break")
        .await
        .text()
        .await
        .unwrap();
    let (_, last) = text.split_once("event: error\ndata: ").unwrap();
    let last: Value = serde_json::from_str(last.trim_end()).unwrap();
    assert_eq!(last["code"], "INTERNAL");
    assert!(!text.contains("table x"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_goes_away_is_told() {
    let feed = Feed::default();
    let running = feed.start().await;
    let wire = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", wire.local_addr().unwrap());
    let cut = CancellationToken::new();
    let edge = beside(url, vec![]).await;
    let carrying = {
        let cut = cut.clone();
        let to = running.addr;
        edge.frame.tasks.spawn(async move {
            while let Some(Ok((mut here, _))) = cut.run_until_cancelled(wire.accept()).await {
                let mut there = TcpStream::connect(to).await.unwrap();
                let cut = cut.clone();
                #[expect(clippy::disallowed_methods, reason = "it ends with the connection")]
                tokio::spawn(async move {
                    let carried = copy_bidirectional(&mut here, &mut there);
                    cut.run_until_cancelled(carried).await
                });
            }
        })
    };
    mounted(&edge).await;
    let mut response = events(&edge, "count=1&mode=quiet").await;
    until(&mut response, |text| text.contains("id: 1")).await;
    cut.cancel();
    carrying.await.unwrap();
    let text = until(&mut response, |text| text.contains("event: error")).await;
    assert!(text.contains("UNAVAILABLE"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_stream_begins_and_beats() {
    let (edge, _feed, _running) = start(vec![("GATEWAY__REQUEST_TIMEOUT_SECONDS", "2")]).await;
    let started = Instant::now();
    let mut response = events(&edge, "mode=silent").await;
    assert_eq!(response.status(), 200);
    assert!(started.elapsed() < Duration::from_secs(4));
    // Far beyond the timeout of a request, which does not hold for a stream.
    let text = until(&mut response, |text| !text.is_empty()).await;
    assert_eq!(text, ":\n\n");
    assert!(started.elapsed() > Duration::from_secs(14));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_frees_the_call_within_a_second() {
    let (edge, feed, _running) = start(vec![]).await;
    let h2 = Client::builder().http2_prior_knowledge().build().unwrap();
    let h1 = Client::new();
    for client in [h1, h2] {
        for accept in [EVENTS, "*/*"] {
            let url = format!("http://{}/api/v1/feed:watch?count=1&mode=quiet", edge.addr);
            let mut response = client
                .get(url)
                .header("accept", accept)
                .send()
                .await
                .unwrap();
            until(&mut response, |text| text.contains('1')).await;
            assert_eq!(feed.open(), 1);
            let gone = Instant::now();
            drop(response);
            eventually("the call is cancelled", || async { feed.open() == 0 }).await;
            assert!(gone.elapsed() < SOON, "{:?}", gone.elapsed());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_before_the_first_message_frees_the_call_too() {
    let (edge, feed, _running) = start(vec![]).await;
    let h2 = Client::builder().http2_prior_knowledge().build().unwrap();
    for client in [Client::new(), h2] {
        let url = format!("http://{}/api/v1/feed:watch?mode=silent", edge.addr);
        let waiting = timeout(Duration::from_millis(300), client.get(url).send()).await;
        assert!(waiting.is_err(), "lines wait for the first message");
        let gone = Instant::now();
        eventually("the call is cancelled", || async { feed.open() == 0 }).await;
        assert!(gone.elapsed() < SOON, "{:?}", gone.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_taken_that_the_caller_has_no_room_for() {
    let (edge, feed, _running) = start(vec![]).await;
    let mut slow = TcpStream::connect(edge.addr).await.unwrap();
    let count = 1_000_000;
    let request =
        format!("GET /api/v1/feed:watch?mode=long&count={count} HTTP/1.1\r\nhost: x\r\n\r\n");
    slow.write_all(request.as_bytes()).await.unwrap();
    let seen = Cell::new(0);
    // The buffers of two connections and of their windows fill up, and then it stands still.
    eventually("the service waits", || async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let before = seen.replace(feed.given());
        before == feed.given() && before > 0
    })
    .await;
    assert!(feed.given() < count / 5, "{}", feed.given());
    // Another stream of the same service is not held up.
    let other = edge.get("/api/v1/feed:watch?count=2").send().await.unwrap();
    assert_eq!(other.text().await.unwrap().lines().count(), 2);
    let mut buffer = vec![0; 64 * 1024];
    let mut read = 0;
    while read < 32 * 1024 * 1024 {
        read += slow.read(&mut buffer).await.unwrap();
    }
    assert!(feed.given() > seen.get(), "it goes on when there is room");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_takes_its_streams_along() {
    let (edge, feed, _running) = start(vec![]).await;
    let token = edge.issuer.token("");
    for accept in [EVENTS, "*/*"] {
        let request = edge.get("/api/v1/feed:follow?count=1&mode=quiet");
        let request = request.header("accept", accept).bearer_auth(&token);
        let mut response = request.send().await.unwrap();
        until(&mut response, |text| text.contains('1')).await;
        edge.denylist.deny_here("s-1", Duration::from_secs(1));
        let text = until(&mut response, |text| text.contains("error")).await;
        assert!(text.contains("SESSION_REVOKED"), "{text}");
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    eventually("the calls are over", || async { feed.open() == 0 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_end_with_their_token() {
    let (edge, _feed, _running) = start(vec![]).await;
    let mut claims = Issuer::claims("");
    claims.exp = u64::try_from(Clock::system().now().timestamp()).unwrap() - 28;
    let token = edge.issuer.sign(&claims);
    let request = edge.get("/api/v1/feed:follow?count=1&mode=quiet");
    let request = request.header("accept", EVENTS).bearer_auth(&token);
    let mut response = request.send().await.unwrap();
    let text = until(&mut response, |text| text.contains("error")).await;
    assert!(
        text.contains("id: 1\n") && text.contains("TOKEN_EXPIRED"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_events_with_a_word_and_lets_lines_finish() {
    let (edge, _feed, _running) = start(vec![("GATEWAY__REQUEST_TIMEOUT_SECONDS", "3")]).await;
    let mut watching = events(&edge, "count=1&mode=quiet").await;
    until(&mut watching, |text| text.contains("id: 1")).await;
    let path = "/api/v1/feed:watch?count=1&mode=quiet";
    let mut lines = edge.get(path).send().await.unwrap();
    until(&mut lines, |text| text.contains('\n')).await;
    let stopped = Instant::now();
    edge.frame.stop.cancel();
    let last = until(&mut watching, |text| text.contains("event: error")).await;
    assert!(last.contains("UNAVAILABLE") && stopped.elapsed() < Duration::from_secs(2));
    let last = until(&mut lines, |text| text.contains("error")).await;
    assert!(last.contains("UNAVAILABLE") && stopped.elapsed() > Duration::from_millis(2500));
    edge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_comes_down_as_it_is() {
    let (edge, feed, _running) = start(vec![]).await;
    let response = edge.get("/api/v1/feed:download").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/csv");
    assert_eq!(response.text().await.unwrap(), "id,name\n1,a\n");

    // There is no room for a problem, so the body is cut off.
    let response = edge
        .get("/api/v1/feed:download?mode=fail")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let mut pieces = response.bytes_stream();
    let mut failed = false;
    while let Some(piece) = pieces.next().await {
        failed |= piece.is_err();
    }
    assert!(failed);
    eventually("the streams are closed", || async { feed.open() == 0 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn head_opens_no_stream_for_long() {
    let (edge, feed, _running) = start(vec![]).await;
    let request = edge.request(Method::HEAD, "/api/v1/feed:watch?count=1&mode=quiet");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    eventually("the stream is closed", || async { feed.open() == 0 }).await;
}
