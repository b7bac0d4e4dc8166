//! Export of traces, seen from a collector. What a process installs, it installs once, so each case
//! runs in a process of its own: this program again, with other variables.

use std::{
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use http_body_util::BodyExt;
use portico_telemetry::{LogFormat, init};
use tokio::{net::TcpListener, runtime::Handle, sync::mpsc, time::timeout};
use tonic::{Status, body::Body, transport::Server};
use tower::service_fn;

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// Runs the test `child` of this program with those variables.
async fn run_child(variables: &[(&str, &str)]) -> Output {
    let program = std::env::current_exe().expect("a test is a program");
    let mut command = Command::new(program);
    command
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .envs(variables.iter().copied())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped());
    tokio::task::spawn_blocking(move || command.output())
        .await
        .expect("starting a program does not panic")
        .expect("this program can be started again")
}

#[tokio::test]
#[ignore = "runs only as a process of the other tests"]
async fn child() {
    let telemetry = init("portico-child", LogFormat::Json).unwrap();
    tracing::info_span!("exported-span").in_scope(|| tracing::info!("inside"));
    let began = Instant::now();
    telemetry.shutdown().await;
    assert!(began.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn spans_reach_the_collector() {
    let (received, mut exports) = mpsc::channel(16);
    let collector = service_fn(move |request: http::Request<Body>| {
        let received = received.clone();
        async move {
            assert_eq!(request.uri().path(), EXPORT);
            let body = request.into_body().collect().await.unwrap().to_bytes();
            received.send(body).await.unwrap();
            Ok::<_, Status>(Status::unimplemented("seen").into_http::<Body>())
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    Handle::current().spawn(Server::builder().serve_with_incoming(
        collector,
        tokio_stream::wrappers::TcpListenerStream::new(listener),
    ));

    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint),
        ("RUST_LOG", "trace"),
    ];
    let output = run_child(&variables).await;
    assert!(output.status.success(), "{output:?}");
    let export = timeout(Duration::from_secs(5), exports.recv())
        .await
        .unwrap()
        .unwrap();
    let text = String::from_utf8_lossy(&export);
    for expected in ["portico-child", "exported-span", "service.name"] {
        assert!(text.contains(expected), "{expected} not in {text}");
    }
    let log = String::from_utf8_lossy(&output.stderr);
    let line = log.lines().find(|line| line.contains("inside")).unwrap();
    assert!(line.contains(r#""trace_id":""#), "{line}");
    // The export itself goes over HTTP/2, whose crates would log every header at this level.
    assert!(
        !log.contains(r#""target":"h2"#) && !log.contains(r#""target":"hyper"#),
        "{log}"
    );
}

#[tokio::test]
async fn a_collector_that_is_away_holds_nobody_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let output = run_child(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]).await;
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test]
async fn a_filter_that_is_none_is_refused() {
    let output = run_child(&[("RUST_LOG", "a=b=c")]).await;
    assert!(!output.status.success());
    let log = String::from_utf8_lossy(&output.stderr);
    let shown = format!("{log}{}", String::from_utf8_lossy(&output.stdout));
    assert!(shown.contains("Filter("), "{shown}");
}
