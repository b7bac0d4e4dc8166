//! Ids of traces and spans. Some are drawn before it is known whether there will be a span.

use std::cell::Cell;

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};

thread_local! {
    static NEXT: Cell<(Option<TraceId>, Option<SpanId>)> = const { Cell::new((None, None)) };
}

/// Gives random ids, unless [`with`] has some that were drawn before.
#[derive(Debug, Default)]
pub(crate) struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        let (trace, span) = NEXT.get();
        NEXT.set((None, span));
        trace.unwrap_or_else(|| self.0.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        let (trace, span) = NEXT.get();
        NEXT.set((trace, None));
        span.unwrap_or_else(|| self.0.new_span_id())
    }
}

/// Starts a span whose ids are these, where they are given.
pub(super) fn with<T>(
    trace: Option<TraceId>,
    span: Option<SpanId>,
    start: impl FnOnce() -> T,
) -> T {
    NEXT.set((trace, span));
    let started = start();
    // Nothing is left over for another span, should this one not have been started.
    NEXT.set((None, None));
    started
}

pub(super) fn trace() -> TraceId {
    RandomIdGenerator::default().new_trace_id()
}

pub(super) fn span() -> SpanId {
    RandomIdGenerator::default().new_span_id()
}
