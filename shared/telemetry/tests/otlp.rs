//! Export of traces, seen from a collector. What a process installs, it installs once, so each case
//! runs in a process of its own: this program again, with other variables.

use std::{
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use http_body_util::BodyExt;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, trace::v1::Span as Received,
};
use portico_telemetry::{
    LogFormat, init,
    propagation::Incoming,
    trace::{SpanKind, Trace},
};
use prost::Message;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    runtime::Handle,
    sync::mpsc,
    time::timeout,
};
use tonic::{Status, body::Body, transport::Server};
use tower::service_fn;
use tracing::info_span;

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// The span that calls in `child`.
const CALLER: u64 = 0x00f0_67aa_0ba9_02b7;

/// The traces of which one is recorded, one is not, and one is not and fails.
const RECORDED: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
const UNSAMPLED: u128 = RECORDED + 1;
const FAILED: u128 = RECORDED + 2;

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
    for (trace, flag) in [(RECORDED, 1), (UNSAMPLED, 0), (FAILED, 0)] {
        let traceparent = format!("00-{trace:032x}-{CALLER:016x}-0{flag}");
        let trace_of_request = Trace::begin(
            &Incoming::new(Some(&traceparent), None),
            || info_span!("exported-span", request_id = "r-1"),
            |trace_id| info_span!("plain-span", request_id = "r-1", trace_id),
        );
        let work = async {
            info_span!("inner-span").in_scope(|| tracing::info!("inside"));
        };
        trace_of_request.scope(work).await;
        if trace == FAILED {
            trace_of_request.failed(SpanKind::Server, || ("failed-span".into(), Vec::new()));
        }
    }
    let began = Instant::now();
    telemetry.shutdown().await;
    assert!(began.elapsed() < Duration::from_secs(4));
}

/// The spans of an export, by name.
fn spans(export: &[u8]) -> Vec<Received> {
    let request = ExportTraceServiceRequest::decode(export).expect("an export");
    let resources = request.resource_spans.into_iter();
    let scopes = resources.flat_map(|resource| resource.scope_spans);
    let mut spans: Vec<_> = scopes.flat_map(|scope| scope.spans).collect();
    spans.sort_by(|a, b| a.name.cmp(&b.name));
    spans
}

fn assert_is_right(spans: &[Received]) {
    let names: Vec<_> = spans.iter().map(|span| &*span.name).collect();
    assert_eq!(names, ["exported-span", "failed-span", "inner-span"]);
    let [exported, failed, inner] = spans else {
        panic!("three spans");
    };
    let caller = CALLER.to_be_bytes();
    assert_eq!(exported.trace_id, RECORDED.to_be_bytes());
    assert_eq!(exported.parent_span_id, caller);
    assert_eq!(inner.trace_id, RECORDED.to_be_bytes());
    assert_eq!(inner.parent_span_id, exported.span_id);
    // What was not recorded is, alone, when it failed.
    assert_eq!(failed.trace_id, FAILED.to_be_bytes());
    assert_eq!(failed.parent_span_id, caller);
    assert_eq!(failed.kind, 2, "a server's");
    assert_eq!(failed.status.as_ref().map(|status| status.code), Some(2));
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
    // A gRPC message comes behind its length.
    assert_is_right(&spans(&export[5..]));
    assert!(String::from_utf8_lossy(&export).contains("portico-child"));

    let log = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = log.lines().filter(|line| line.contains("inside")).collect();
    assert_eq!(lines.len(), 3, "{log}");
    for (line, trace) in lines.iter().zip([RECORDED, UNSAMPLED, FAILED]) {
        let id = format!("\"trace_id\":\"{trace:032x}\"");
        assert!(line.contains(&id), "{id} not in {line}");
        assert!(line.contains(r#""request_id":"r-1""#), "{line}");
    }
    assert!(lines[0].contains(r#""span_id":""#), "{}", lines[0]);
    // The export itself goes over HTTP/2, whose crates would log every header at this level.
    assert!(
        !log.contains(r#""target":"h2"#) && !log.contains(r#""target":"hyper"#),
        "{log}"
    );
}

#[tokio::test]
async fn spans_reach_a_collector_that_speaks_http() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
    ];
    let collector = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        let (head, length) = loop {
            assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
            let Some(end) = request.windows(4).position(|it| it == b"\r\n\r\n") else {
                continue;
            };
            let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
            let length = head
                .lines()
                .find_map(|it| it.strip_prefix("content-length: "));
            break (
                head.clone(),
                end + 4 + length.unwrap().parse::<usize>().unwrap(),
            );
        };
        while request.len() < length {
            assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
        }
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        let body =
            request[request.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4..].to_vec();
        (head, body)
    };
    let collector = timeout(Duration::from_secs(30), collector);
    let (output, received) = tokio::join!(run_child(&variables), collector);
    assert!(output.status.success(), "{output:?}");
    let (head, body) = received.unwrap_or_else(|_| panic!("nothing came: {output:?}"));
    assert!(head.starts_with("post /v1/traces http/1.1"), "{head}");
    assert!(
        head.contains("content-type: application/x-protobuf"),
        "{head}"
    );
    assert_is_right(&spans(&body));
}

#[tokio::test]
async fn a_collector_that_is_away_holds_nobody_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for protocol in ["grpc", "http/protobuf"] {
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ];
        let output = run_child(&variables).await;
        assert!(output.status.success(), "{protocol}: {output:?}");
    }
}

#[tokio::test]
async fn settings_that_are_none_are_refused_by_name() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
    for (variable, value, refusal) in [
        ("RUST_LOG", "a=b=c", "Filter("),
        ("OTEL_TRACES_SAMPLER", "sometimes", "Name(\"sometimes\")"),
        ("OTEL_TRACES_SAMPLER_ARG", "2", "Ratio(\"2\")"),
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "http/json",
            "Protocol(\"http/json\")",
        ),
    ] {
        let output = run_child(&[endpoint, (variable, value)]).await;
        assert!(!output.status.success(), "{variable}={value}");
        let log = String::from_utf8_lossy(&output.stderr);
        let shown = format!("{log}{}", String::from_utf8_lossy(&output.stdout));
        assert!(shown.contains(refusal), "{refusal} not in {shown}");
    }
}
