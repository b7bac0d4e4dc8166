//! The span of a request, after OpenTelemetry's conventions for HTTP.

use actix_web::{
    HttpRequest,
    http::{Version, header::USER_AGENT},
};
use portico_telemetry::{
    http::known_method,
    propagation::{Incoming, TRACEPARENT, TRACESTATE},
    trace::{KeyValue, SpanKind, Trace},
};
use tracing::{Span, field::Empty, info_span};

use crate::admission::Client;

/// Opens a span named `{METHOD} {template}` below the caller's own, if it sent a `traceparent` and the request
/// is recorded at all. `template` is none where no route was met. The query is left out: it may hold what
/// nobody should read.
pub fn begin(
    request: &HttpRequest,
    client: &Client,
    template: Option<&str>,
    request_id: &str,
) -> Trace {
    let header = |name| request.headers().get(name).and_then(|it| it.to_str().ok());
    let traceparent = header(TRACEPARENT);
    let tracestate = traceparent.and_then(|_| header(TRACESTATE));
    Trace::begin(
        &Incoming::new(traceparent, tracestate),
        || recorded(request, client, template, request_id),
        |trace_id| info_span!("request", request_id, trace_id),
    )
}

fn recorded(
    request: &HttpRequest,
    client: &Client,
    template: Option<&str>,
    request_id: &str,
) -> Span {
    let (method, original) = method(request);
    info_span!(
        "request",
        otel.name = name(method, template),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.request.method_original = original,
        http.route = template,
        http.response.status_code = Empty,
        error.type = Empty,
        url.path = request.path(),
        url.scheme = "http",
        network.protocol.version = version(request),
        client.address = %client.address,
        user_agent.original = request.headers().get(USER_AGENT).and_then(|it| it.to_str().ok()),
        request_id,
    )
}

/// Says how a request ended. Only the server's own faults make a span one of an error; a request that was not
/// recorded is, by itself, when it ended so.
pub fn close(
    trace: &Trace,
    request: &HttpRequest,
    template: Option<&str>,
    request_id: &str,
    status: u16,
) {
    let span = trace.span();
    span.record("http.response.status_code", status);
    if status < 500 {
        return;
    }
    span.record("error.type", status);
    span.record("otel.status_code", "ERROR");
    trace.failed(SpanKind::Server, || {
        let (method, original) = method(request);
        let mut attributes = vec![
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.response.status_code", i64::from(status)),
            KeyValue::new("error.type", status.to_string()),
            KeyValue::new("url.path", request.path().to_owned()),
            KeyValue::new("url.scheme", "http"),
            KeyValue::new("request_id", request_id.to_owned()),
        ];
        if let Some(template) = template {
            attributes.push(KeyValue::new("http.route", template.to_owned()));
        }
        if let Some(original) = original {
            attributes.push(KeyValue::new(
                "http.request.method_original",
                original.to_owned(),
            ));
        }
        (name(method, template).into(), attributes)
    });
}

/// The method as conventions write it, and what it was when they have no word for it.
fn method(request: &HttpRequest) -> (&'static str, Option<&str>) {
    match known_method(request.method().as_str()) {
        "OTHER" => ("_OTHER", Some(request.method().as_str())),
        known => (known, None),
    }
}

fn name(method: &'static str, template: Option<&str>) -> String {
    let method = if method == "_OTHER" { "HTTP" } else { method };
    template.map_or_else(
        || method.to_owned(),
        |template| format!("{method} {template}"),
    )
}

fn version(request: &HttpRequest) -> &'static str {
    match request.version() {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    }
}
