//! Traces: which requests are recorded, and what becomes of those that are not.
//!
//! Whether a request is recorded is decided before its span is made, so one that is not costs next to
//! nothing: it has a span for log lines alone, and hands on a `traceparent` that says so. When it fails, it
//! is recorded after the fact, by itself, under the ids that it handed on: so the failures of all processes
//! that took part in it meet in one trace, though nothing else of it was kept.

mod ids;
mod sampling;

use std::{
    borrow::Cow,
    cell::Cell,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use metrics::Counter;
use opentelemetry::{
    Context,
    trace::{Span as _, SpanContext, Status, TraceContextExt, TraceFlags, Tracer as _},
};
pub use opentelemetry::{KeyValue, trace::SpanKind};
use opentelemetry_sdk::trace::SdkTracer;
use tokio::task::futures::TaskLocalFuture;
use tracing::{Instrument, Span, instrument::Instrumented};
use tracing_opentelemetry::OpenTelemetrySpanExt;

pub(crate) use self::ids::Ids;
pub use self::sampling::{SamplerError, Sampling};
use crate::propagation::{self, Incoming};

/// The most failures in a second that are recorded after the fact. An outage would otherwise send the
/// collector more than a quiet day.
const FAILURES: u64 = 100;

/// Links of one span; the SDK's own limit.
const LINKS: usize = 128;

static TRACING: OnceLock<Tracing> = OnceLock::new();

struct Tracing {
    sampling: Sampling,
    tracer: Option<SdkTracer>,
    sampled: Counter,
    unsampled: Counter,
}

tokio::task_local! {
    /// What calls of a task hand on whose request is not recorded.
    static CARRIED: Option<SpanContext>;
}

thread_local! {
    /// Whether the span that is just being made begins a recorded trace.
    static BEGINS: Cell<bool> = const { Cell::new(false) };
}

/// Traces are recorded from now on. Only the first call counts.
pub(crate) fn record(sampling: Sampling, tracer: Option<SdkTracer>) {
    let counter = |sampled| metrics::counter!("trace_requests_total", "sampled" => sampled);
    // A second call comes from a test, and wants the same.
    let _ = TRACING.set(Tracing {
        sampling,
        tracer,
        sampled: counter("true"),
        unsampled: counter("false"),
    });
}

/// Whether this process records traces at all, which it does when it knows a collector.
pub fn is_recording() -> bool {
    TRACING.get().is_some()
}

/// Whether the span that is just being made begins a recorded trace.
pub(crate) fn begins() -> bool {
    BEGINS.get()
}

/// The part of one request or call in a trace.
#[derive(Debug)]
pub struct Trace {
    span: Span,
    unsampled: Option<Unsampled>,
}

#[derive(Debug)]
struct Unsampled {
    own: SpanContext,
    caller: SpanContext,
    began: SystemTime,
}

impl Trace {
    /// Decides what becomes of a request. `recorded` makes the span of one that is recorded, with all its
    /// attributes; `plain` the span of one that is not, for log lines, under the trace's id where it has one.
    pub fn begin(
        incoming: &Incoming<'_>,
        recorded: impl FnOnce() -> Span,
        plain: impl FnOnce(Option<u128>) -> Span,
    ) -> Self {
        let Some(tracing) = TRACING.get() else {
            let span = plain(incoming.trace_id());
            return Self {
                span,
                unsampled: None,
            };
        };
        let caller = incoming.context();
        let decided = caller.is_valid().then(|| caller.is_sampled());
        let trace = match decided {
            Some(_) => caller.trace_id(),
            None => ids::trace(),
        };
        if tracing.sampling.takes(decided, trace) {
            tracing.sampled.increment(1);
            let span = beginning(recorded);
            start(&span, below(caller), Some(trace));
            return Self {
                span,
                unsampled: None,
            };
        }
        tracing.unsampled.increment(1);
        let state = caller.trace_state().clone();
        let own = SpanContext::new(trace, ids::span(), TraceFlags::default(), false, state);
        Self {
            span: plain(Some(u128::from_be_bytes(trace.to_bytes()))),
            unsampled: Some(Unsampled {
                own,
                caller,
                began: SystemTime::now(),
            }),
        }
    }

    /// The request's span.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// Runs what the request does as part of its trace.
    pub fn scope<F: Future>(
        &self,
        work: F,
    ) -> Instrumented<impl Future<Output = F::Output> + use<F>> {
        let carried = self.unsampled.as_ref().map(|it| it.own.clone());
        let scoped: TaskLocalFuture<_, F> = CARRIED.scope(carried, work);
        scoped.instrument(self.span.clone())
    }

    /// Takes note that the request failed by a fault of this side. One that was not recorded is recorded
    /// now, as a span that `describe` names; of these at most a hundred in a second.
    pub fn failed(
        &self,
        kind: SpanKind,
        describe: impl FnOnce() -> (Cow<'static, str>, Vec<KeyValue>),
    ) {
        let (Some(unsampled), Some(tracer)) = (&self.unsampled, tracer()) else {
            return;
        };
        if !has_room(unsampled.began) {
            return;
        }
        let (name, attributes) = describe();
        let builder = tracer
            .span_builder(name)
            .with_kind(kind)
            .with_start_time(unsampled.began)
            .with_attributes(attributes);
        let context = below(unsampled.caller.clone());
        let own = &unsampled.own;
        let mut span = ids::with(Some(own.trace_id()), Some(own.span_id()), || {
            builder.start_with_context(tracer, &context)
        });
        span.set_status(Status::error(""));
        span.end();
    }
}

/// Whether the failures of this second leave room for one more.
fn has_room(now: SystemTime) -> bool {
    /// The second, and below it how many there were.
    static SECOND: AtomicU64 = AtomicU64::new(0);
    let now = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let begin = now.as_secs() << 16;
    let next = |seen: u64| Some(if seen < begin { begin } else { seen + 1 });
    let seen = SECOND.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    seen.is_ok_and(|seen| seen < begin || (seen & 0xffff) + 1 < FAILURES)
}

fn tracer() -> Option<&'static SdkTracer> {
    TRACING.get()?.tracer.as_ref()
}

/// The context below a caller's span, if there is a caller.
fn below(caller: SpanContext) -> Context {
    let context = Context::new();
    if caller.is_valid() {
        context.with_remote_span_context(caller)
    } else {
        context
    }
}

/// A span that begins a recorded trace in this process.
fn beginning(make: impl FnOnce() -> Span) -> Span {
    BEGINS.set(true);
    let span = make();
    BEGINS.set(false);
    span
}

/// Starts a span below a context, at once, since its ids are given.
fn start(span: &Span, parent: Context, trace: Option<opentelemetry::TraceId>) {
    // It fails only where spans are not recorded, and then nothing is lost.
    let _ = span.set_parent(parent);
    ids::with(trace, None, || span.context());
}

/// The span of work that was caused by what other traces did, named by their `traceparent`s: a trace of its
/// own, linked to them. It is recorded when one of them is; otherwise there is no span.
pub fn caused_by<'a>(
    traceparents: impl IntoIterator<Item = &'a str>,
    make: impl FnOnce() -> Span,
) -> Span {
    if !is_recording() {
        return Span::none();
    }
    let causes = traceparents
        .into_iter()
        .map(|it| Incoming::new(Some(it), None).context())
        .filter(SpanContext::is_sampled)
        .take(LINKS);
    let mut causes = causes.peekable();
    if causes.peek().is_none() {
        return Span::none();
    }
    let span = beginning(make);
    for cause in causes {
        span.add_link(cause);
    }
    start(&span, Context::new(), None);
    span
}

/// The `traceparent` by which later work may name what is being done now as its cause; `None` when that is
/// not recorded.
pub fn current_cause() -> Option<String> {
    if !is_recording() {
        return None;
    }
    let context = Span::current().context();
    context
        .span()
        .span_context()
        .is_sampled()
        .then(|| propagation::written(&context))?
}

/// What tasks hand on that are not recorded.
pub(crate) fn carried() -> Option<SpanContext> {
    CARRIED.try_with(Clone::clone).ok().flatten()
}

/// A call of something outside that has just ended.
pub struct Ended {
    /// What the span is called.
    pub name: Cow<'static, str>,
    /// What it says.
    pub attributes: Vec<KeyValue>,
    /// Whether the call failed.
    pub failed: bool,
}

/// Records a client's call that took `elapsed` and has just ended, below the current span. When that is not
/// recorded, `describe` is not asked.
pub fn ended(elapsed: Duration, describe: impl FnOnce() -> Ended) {
    let Some(tracer) = tracer() else { return };
    let parent = Span::current().context();
    if !parent.span().span_context().is_sampled() {
        return;
    }
    let Ended {
        name,
        attributes,
        failed,
    } = describe();
    let end = SystemTime::now();
    let builder = tracer
        .span_builder(name)
        .with_kind(SpanKind::Client)
        .with_start_time(end.checked_sub(elapsed).unwrap_or(end))
        .with_attributes(attributes);
    let mut span = builder.start_with_context(tracer, &parent);
    if failed {
        span.set_status(Status::error(""));
    }
    span.end_with_timestamp(end);
}
