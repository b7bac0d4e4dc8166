use std::{collections::VecDeque, task::Poll, time::Duration};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt;
use opentelemetry::trace::{SpanKind, TracerProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tower::{Layer, ServiceExt, service_fn};
use tracing_subscriber::{Layer as _, Registry, layer::SubscriberExt};

use super::*;
use crate::{
    Metrics,
    filter::Recorded,
    propagation,
    propagation::Incoming,
    trace::{self, Ids, Sampling, Trace},
};

type Request = http::Request<Body>;
type Response = http::Response<Body>;

/// Frames that are all there from the start, and then an end or a wait.
struct Frames(VecDeque<Result<Frame<Bytes>, Status>>, bool);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match self.0.pop_front() {
            None if self.1 => Poll::Pending,
            frame => Poll::Ready(frame),
        }
    }
}

fn trailers(code: Code) -> Frame<Bytes> {
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from(i32::from(code)));
    Frame::trailers(trailers)
}

fn streamed(frames: Vec<Result<Frame<Bytes>, Status>>, waits: bool) -> Response {
    Response::new(Body::new(Frames(frames.into(), waits)))
}

fn request(path: &str) -> Request {
    http::Request::post(path).body(Body::empty()).unwrap()
}

/// Calls a method whose answer is made by `answer`, reads the answer to its end, and looks up the line
/// that counts it.
async fn counted(method: &str, code: &str, answer: fn() -> Result<Response, Status>) -> bool {
    let metrics = Metrics::install();
    let path = format!("/layer.Test/{method}");
    let inner = service_fn(move |_: Request| async move { answer().map_err(BoxError::from) });
    let server = ServerLayer::new([&path]).layer(inner);
    let client = ClientLayer::new().layer(server);
    if let Ok(response) = client.oneshot(request(&path)).await {
        let _ =
            tokio::time::timeout(Duration::from_millis(20), response.into_body().collect()).await;
    }
    let text = metrics.render();
    ["server", "client"].iter().all(|side| {
        text.contains(&format!(
            "grpc_{side}_handled_total{{grpc_service=\"layer.Test\",grpc_method=\"{method}\",grpc_code=\"{code}\"}} 1"
        ))
    })
}

#[tokio::test]
async fn the_code_comes_from_wherever_the_answer_has_it() {
    let in_headers = || Ok(Status::not_found("no").into_http());
    assert!(counted("Headers", "NotFound", in_headers).await);
    let in_trailers = || {
        let data = Frame::data(Bytes::from_static(b"x"));
        Ok(streamed(vec![Ok(data), Ok(trailers(Code::Ok))], false))
    };
    assert!(counted("Trailers", "OK", in_trailers).await);
    let broken = || Ok(streamed(vec![Err(Status::data_loss("half"))], false));
    assert!(counted("Broken", "DataLoss", broken).await);
    let cut = || {
        Ok(streamed(
            vec![Ok(Frame::data(Bytes::from_static(b"x")))],
            false,
        ))
    };
    assert!(counted("Cut", "Unknown", cut).await);
    let failed = || Err(Status::unavailable("away"));
    assert!(counted("Failed", "Unavailable", failed).await);
    let endless = || {
        Ok(streamed(
            vec![Ok(Frame::data(Bytes::from_static(b"x")))],
            true,
        ))
    };
    assert!(counted("Dropped", "Canceled", endless).await);
}

#[tokio::test]
async fn a_client_learns_no_method_that_does_not_exist() {
    let metrics = Metrics::install();
    let inner = service_fn(|_: Request| async {
        Ok::<_, BoxError>(Status::unimplemented("no").into_http::<Body>())
    });
    let client = ClientLayer::new().layer(inner);
    for number in 0..50 {
        let path = format!("/invented.Service/Method{number}");
        client.clone().oneshot(request(&path)).await.unwrap();
    }
    let text = metrics.render();
    assert!(!text.contains("invented"), "{text}");
    assert!(
        text.contains("grpc_client_handled_total{grpc_service=\"unknown\""),
        "{text}"
    );
}

fn attribute(span: &SpanData, key: &str) -> Option<String> {
    let found = span
        .attributes
        .iter()
        .find(|attribute| attribute.key.as_str() == key)?;
    Some(found.value.to_string())
}

#[tokio::test]
async fn one_trace_goes_through_client_and_server() {
    trace::record(Sampling::ALL, None);
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .with_id_generator(Ids::default())
        .build();
    let layer = crate::init::spans(provider.tracer("test")).with_filter(Recorded);
    // While there is one dispatcher alone, tracing asks the thread that meets a callsite first, which may
    // be another test's and know of none: then the span would be off for good. With two it asks both.
    let _second = tracing::Dispatch::new(Registry::default());
    let _guard = tracing::subscriber::set_default(Registry::default().with(layer));

    let inner = service_fn(|request: Request| async move {
        assert!(request.headers().contains_key(propagation::TRACEPARENT));
        tracing::info_span!("work").in_scope(|| {});
        Ok::<_, BoxError>(Status::internal("a fault").into_http::<Body>())
    });
    let server = ServerLayer::new(["/trace.Test/Call"]).layer(inner);
    let client = ClientLayer::new().layer(server);
    let mut call = request("/trace.Test/Call");
    call.headers_mut()
        .insert("x-request-id", "r-7".parse().unwrap());
    // A client's call belongs to what it is made for.
    let asked = Trace::begin(
        &Incoming::new(None, None),
        || tracing::info_span!("asked"),
        |_| tracing::Span::none(),
    );
    drop(asked.scope(client.oneshot(call)).await.unwrap());
    drop(asked);

    let spans = exporter.get_finished_spans().unwrap();
    let find = |name: &str, kind: SpanKind| {
        spans
            .iter()
            .find(|span| span.name == name && span.span_kind == kind)
            .unwrap_or_else(|| panic!("{name} not in {spans:?}"))
    };
    let client = find("trace.Test/Call", SpanKind::Client);
    let server = find("trace.Test/Call", SpanKind::Server);
    let work = find("work", SpanKind::Internal);
    assert_eq!(server.parent_span_id, client.span_context.span_id());
    assert_eq!(work.parent_span_id, server.span_context.span_id());
    let asked = find("asked", SpanKind::Internal);
    assert_eq!(client.parent_span_id, asked.span_context.span_id());
    for span in [client, server, work] {
        assert_eq!(span.span_context.trace_id(), asked.span_context.trace_id());
    }
    for span in [client, server] {
        let said = |key| attribute(span, key);
        assert_eq!(said("rpc.system.name").as_deref(), Some("grpc"));
        assert_eq!(said("rpc.method").as_deref(), Some("trace.Test/Call"));
        let code = said("rpc.response.status_code");
        assert_eq!(code.as_deref(), Some("INTERNAL"));
        assert_eq!(said("error.type"), code);
        assert!(matches!(
            span.status,
            opentelemetry::trace::Status::Error { .. }
        ));
    }
    assert_eq!(attribute(server, "request_id").as_deref(), Some("r-7"));
}

#[test]
fn paths_are_split_as_grpc_writes_them() {
    assert_eq!(split("/a.B/C"), Some(("a.B", "C")));
    for bad in ["", "/", "/a", "/a/", "//b", "a/b", "/a/b/c"] {
        assert_eq!(split(bad), None, "{bad}");
    }
}
