//! W3C Trace Context (`traceparent`, `tracestate`) in and out of header maps.

use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The header that names a trace and the caller's span.
pub const TRACEPARENT: &str = "traceparent";

/// Whether spans are recorded in this process at all; otherwise nothing is worth parsing.
static RECORDING: AtomicBool = AtomicBool::new(false);

pub(crate) fn set_recording() {
    RECORDING.store(true, Ordering::Relaxed);
}

/// Whether this process records spans, which it does when `OTEL_EXPORTER_OTLP_ENDPOINT` is set.
pub fn is_recording() -> bool {
    RECORDING.load(Ordering::Relaxed)
}

/// The caller's trace context; an empty context when the headers hold none, or a malformed one.
pub fn extract(headers: &HeaderMap) -> Context {
    TraceContextPropagator::new().extract_with_context(&Context::new(), &Reader(headers))
}

/// Writes the current span's context, replacing what was there. Writes nothing when spans are not
/// recorded, so that a caller's own `traceparent` passes through untouched.
pub fn inject_current(headers: &mut HeaderMap) {
    inject(&Span::current(), headers);
}

pub(crate) fn inject(span: &Span, headers: &mut HeaderMap) {
    if is_recording() && !span.is_disabled() {
        TraceContextPropagator::new().inject_context(&span.context(), &mut Writer(headers));
    }
}

/// The trace id of a well-formed `traceparent`, as 32 lowercase hexadecimal digits.
pub(crate) fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(TRACEPARENT)?.to_str().ok()?;
    let id = value.get(3..35)?;
    let whole = value.as_bytes().get(2) == Some(&b'-') && value.as_bytes().get(35) == Some(&b'-');
    let hex = id
        .bytes()
        .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    (whole && hex && id.bytes().any(|b| b != b'0')).then_some(id)
}

struct Reader<'a>(&'a HeaderMap);

impl Extractor for Reader<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct Writer<'a>(&'a mut HeaderMap);

impl Injector for Writer<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(mut value)) = (key.parse::<HeaderName>(), HeaderValue::try_from(value))
        {
            // Never the same twice: in the connection's table of headers it would push out what is.
            value.set_sensitive(true);
            self.0.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TraceContextExt;

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(value: &str) -> HeaderMap {
        let mut map = HeaderMap::new();
        map.insert(TRACEPARENT, value.parse().unwrap());
        map
    }

    #[test]
    fn a_context_goes_in_and_out() {
        let context = extract(&headers(PARENT));
        let mut out = HeaderMap::new();
        TraceContextPropagator::new().inject_context(&context, &mut Writer(&mut out));
        assert_eq!(out[TRACEPARENT], PARENT);
        assert_eq!(
            trace_id(&headers(PARENT)),
            Some("0af7651916cd43dd8448eb211c80319c")
        );
    }

    #[test]
    fn a_malformed_context_is_none() {
        for bad in [
            "",
            "00",
            "x",
            &"0".repeat(55),
            "00-zzf7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert!(
                !extract(&headers(bad)).span().span_context().is_valid(),
                "{bad}"
            );
            assert_eq!(trace_id(&headers(bad)), None, "{bad}");
        }
    }
}
