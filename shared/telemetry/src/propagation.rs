//! W3C Trace Context (`traceparent`, `tracestate`) in and out of header maps.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator},
    trace::{SpanContext, TraceContextExt},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::trace;

/// The header that names a trace and the caller's span.
pub const TRACEPARENT: &str = "traceparent";

/// The header with what vendors add to it.
pub const TRACESTATE: &str = "tracestate";

/// What a caller says of its trace.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    traceparent: Option<&'a str>,
    tracestate: Option<&'a str>,
}

impl<'a> Incoming<'a> {
    /// Around the two headers.
    pub fn new(traceparent: Option<&'a str>, tracestate: Option<&'a str>) -> Self {
        Self {
            traceparent,
            tracestate,
        }
    }

    /// As a call's headers have them.
    pub fn of(headers: &'a HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let traceparent = text(TRACEPARENT);
        Self::new(traceparent, traceparent.and_then(|_| text(TRACESTATE)))
    }

    /// The caller's span; an invalid one when there is none, or a malformed one.
    pub(crate) fn context(&self) -> SpanContext {
        if self.traceparent.is_none() {
            return SpanContext::NONE;
        }
        let context = TraceContextPropagator::new().extract_with_context(&Context::new(), self);
        context.span().span_context().clone()
    }

    /// The id of a well-formed trace.
    pub(crate) fn trace_id(&self) -> Option<u128> {
        let context = self.context();
        let bytes = context.trace_id().to_bytes();
        context.is_valid().then(|| u128::from_be_bytes(bytes))
    }
}

impl Extractor for Incoming<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            TRACEPARENT => self.traceparent,
            TRACESTATE => self.tracestate,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT, TRACESTATE]
    }
}

/// The `traceparent` of a context.
pub(crate) fn written(context: &Context) -> Option<String> {
    let mut headers = HeaderMap::new();
    TraceContextPropagator::new().inject_context(context, &mut Writer(&mut headers));
    let value = headers.get(TRACEPARENT)?;
    value.to_str().ok().map(str::to_owned)
}

/// Writes a span's context, replacing what was there. Writes nothing when spans are not recorded, so that a
/// caller's own `traceparent` passes through untouched.
pub(crate) fn inject(span: &Span, headers: &mut HeaderMap) {
    if !trace::is_recording() {
        return;
    }
    let context = span.context();
    if context.span().span_context().is_valid() {
        TraceContextPropagator::new().inject_context(&context, &mut Writer(headers));
    } else if let Some(context) = trace::carried() {
        headers.insert(TRACEPARENT, unsampled(&context));
        let state = context.trace_state().header();
        if !state.is_empty() {
            Writer(headers).set(TRACESTATE, state);
        }
    }
}

/// The `traceparent` of a span that is not recorded (Trace Context, section 3.2). It is made for nearly every
/// call, so by hand.
fn unsampled(context: &SpanContext) -> HeaderValue {
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
    hex(&context.trace_id().to_bytes(), &mut text[3..35]);
    hex(&context.span_id().to_bytes(), &mut text[36..52]);
    let mut value = HeaderValue::from_bytes(&text).expect("digits are visible ASCII");
    value.set_sensitive(true);
    value
}

fn hex(bytes: &[u8], out: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (byte, out) in bytes.iter().zip(out.chunks_exact_mut(2)) {
        out[0] = DIGITS[usize::from(byte >> 4)];
        out[1] = DIGITS[usize::from(byte & 15)];
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
    use opentelemetry::trace::{SpanId, TraceFlags, TraceId, TraceState};

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(value: &str) -> HeaderMap {
        let mut map = HeaderMap::new();
        map.insert(TRACEPARENT, value.parse().unwrap());
        map
    }

    #[test]
    fn a_context_goes_in_and_out() {
        let sent = headers(PARENT);
        let incoming = Incoming::of(&sent);
        let context = Context::new().with_remote_span_context(incoming.context());
        let mut out = HeaderMap::new();
        TraceContextPropagator::new().inject_context(&context, &mut Writer(&mut out));
        assert_eq!(out[TRACEPARENT], PARENT);
        let id = incoming.trace_id().map(|id| format!("{id:032x}"));
        assert_eq!(id.as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
    }

    #[test]
    fn what_is_not_recorded_is_written_as_any_other() {
        let trace = TraceId::from(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
        let span = SpanId::from(0x00ad_6b71_6920_3331);
        let flags = TraceFlags::default();
        let context = SpanContext::new(trace, span, flags, false, TraceState::NONE);
        let value = unsampled(&context);
        assert_eq!(
            value,
            "00-0af7651916cd43dd8448eb211c80319c-00ad6b7169203331-00"
        );
        let read = Incoming::new(value.to_str().ok(), None).context();
        assert_eq!((read.trace_id(), read.span_id()), (trace, span));
        assert!(!read.is_sampled());
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
            let sent = headers(bad);
            let incoming = Incoming::of(&sent);
            assert!(!incoming.context().is_valid(), "{bad}");
            assert_eq!(incoming.trace_id(), None, "{bad}");
        }
    }
}
