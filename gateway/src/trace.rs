//! The span of a request, after OpenTelemetry's conventions for HTTP.

use actix_web::{HttpRequest, http::header::USER_AGENT};
use http::HeaderMap;
use portico_telemetry::propagation;
use tracing::{Span, field::Empty, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::headers;

/// Opens a span named `{METHOD} {template}` below the caller's own, if it sent a `traceparent`. The
/// query is left out: it may hold what nobody should read.
pub fn span(request: &HttpRequest, template: &str, request_id: &str) -> Span {
    let span = info_span!(
        "request",
        otel.name = format_args!("{} {template}", request.method()),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = %request.method(),
        http.route = template,
        http.response.status_code = Empty,
        url.path = request.path(),
        network.protocol.version = ?request.version(),
        client.address = request.peer_addr().map(|peer| tracing::field::display(peer.ip())),
        user_agent.original = request.headers().get(USER_AGENT).and_then(|it| it.to_str().ok()),
        request_id,
    );
    if propagation::is_recording() {
        let mut sent = HeaderMap::new();
        headers::trace_context(request.headers(), &mut sent);
        let parent = propagation::extract(&sent);
        // Fails only where no OpenTelemetry layer is installed, and then there is no trace to join.
        let _ = span.set_parent(parent);
    }
    span
}

/// Records how a request ended. Only the server's own faults make a span one of an error.
pub fn close(span: &Span, status: u16) {
    span.record("http.response.status_code", status);
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
}
