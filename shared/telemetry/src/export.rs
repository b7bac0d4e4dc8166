//! Sending spans to a collector, from a queue that nobody waits for.

mod http;

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use metrics::{Counter, counter};
use opentelemetry::Context;
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, WithExportConfig, WithHttpConfig, WithTonicConfig,
    tonic_types::transport::ClientTlsConfig,
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor},
};

use crate::init::{Error, variable};

/// How many spans may wait when `OTEL_BSP_MAX_QUEUE_SIZE` does not say.
const QUEUE: usize = 2048;

/// How many go in one message when `OTEL_BSP_MAX_EXPORT_BATCH_SIZE` does not say: a quarter of what the SDK would
/// send, for which it takes a quarter of the memory.
const BATCH: usize = 128;

static THE_QUEUE: OnceLock<Arc<Queue>> = OnceLock::new();

/// How many spans wait for the collector; `None` where none are exported.
pub(crate) fn queued() -> Option<usize> {
    let queue = THE_QUEUE.get()?;
    Some(queue.length.load(Ordering::Relaxed))
}

/// Where spans go, as the standard variables say; `None` when nowhere.
pub(crate) fn endpoint() -> Option<String> {
    if variable("OTEL_SDK_DISABLED").is_some_and(|it| it.eq_ignore_ascii_case("true"))
        || variable("OTEL_TRACES_EXPORTER").is_some_and(|it| it == "none")
    {
        return None;
    }
    variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        .or_else(|| variable("OTEL_EXPORTER_OTLP_ENDPOINT"))
}

/// What exports to there, by the protocol that `OTEL_EXPORTER_OTLP_PROTOCOL` names.
pub(crate) fn processor(endpoint: &str) -> Result<Bounded, Error> {
    let protocol = variable("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
        .or_else(|| variable("OTEL_EXPORTER_OTLP_PROTOCOL"));
    match protocol.as_deref() {
        None | Some("grpc") => {
            let mut exporter = opentelemetry_otlp::SpanExporter::builder().with_tonic();
            if endpoint.starts_with("https:") {
                exporter = exporter.with_tls_config(ClientTlsConfig::new().with_enabled_roots());
            }
            Ok(Bounded::new(exporter.build()?))
        }
        Some("http/protobuf") => {
            let exporter = opentelemetry_otlp::SpanExporter::builder()
                .with_http()
                .with_http_client(http::Client::new(endpoint)?)
                .with_protocol(Protocol::HttpBinary);
            Ok(Bounded::new(exporter.build()?))
        }
        Some(other) => Err(Error::Protocol(other.to_owned())),
    }
}

/// The spans on their way.
#[derive(Debug)]
struct Queue {
    length: AtomicUsize,
    limit: usize,
    away: AtomicBool,
    exported: Count,
    full: Count,
    failed: Count,
}

/// A counter, which has no words for itself.
struct Count(Counter);

impl Count {
    fn add(&self, spans: usize) {
        self.0.increment(u64::try_from(spans).unwrap_or(u64::MAX));
    }
}

impl fmt::Debug for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Count")
    }
}

impl Queue {
    fn new(limit: usize) -> Self {
        let dropped = |reason| counter!("trace_spans_dropped_total", "reason" => reason);
        Self {
            length: AtomicUsize::new(0),
            limit,
            away: AtomicBool::new(false),
            exported: Count(counter!("trace_spans_exported_total")),
            full: Count(dropped("queue_full")),
            failed: Count(dropped("export_failed")),
        }
    }

    fn left(&self, spans: usize, result: &OTelSdkResult) {
        self.length.fetch_sub(spans, Ordering::Relaxed);
        match result {
            Ok(()) => self.exported.add(spans),
            Err(_) => self.failed.add(spans),
        }
        match (result, self.away.swap(result.is_err(), Ordering::Relaxed)) {
            (Err(error), false) => {
                tracing::warn!(%error, "the collector takes no spans; they are dropped");
            }
            (Ok(()), true) => tracing::info!("the collector takes spans again"),
            _ => {}
        }
    }
}

/// Exports in batches from a thread of its own. What finds the queue full is dropped and counted, and so is
/// what the collector did not take: nobody waits, and memory is bounded.
#[derive(Debug)]
pub(crate) struct Bounded {
    inner: BatchSpanProcessor,
    queue: Arc<Queue>,
}

impl Bounded {
    fn new(exporter: impl SpanExporter + 'static) -> Self {
        let limit = variable("OTEL_BSP_MAX_QUEUE_SIZE").and_then(|it| it.parse().ok());
        let queue = Arc::new(Queue::new(limit.unwrap_or(QUEUE)));
        // A second one is a test's.
        let _ = THE_QUEUE.set(Arc::clone(&queue));
        let exporter = Counted {
            inner: exporter,
            queue: Arc::clone(&queue),
        };
        let mut config = BatchConfigBuilder::default();
        if variable("OTEL_BSP_MAX_EXPORT_BATCH_SIZE").is_none() {
            config = config.with_max_export_batch_size(BATCH);
        }
        let inner = BatchSpanProcessor::builder(exporter)
            .with_batch_config(config.build())
            .build();
        Self { inner, queue }
    }
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        let queue = &self.queue;
        if queue.length.fetch_add(1, Ordering::Relaxed) >= queue.limit {
            queue.length.fetch_sub(1, Ordering::Relaxed);
            queue.full.add(1);
            return;
        }
        self.inner.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[derive(Debug)]
struct Counted<E> {
    inner: E,
    queue: Arc<Queue>,
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let result = self.inner.export(batch).await;
        self.queue.left(spans, &result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

impl From<ExporterBuildError> for Error {
    fn from(error: ExporterBuildError) -> Self {
        Self::Exporter(error)
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{Tracer, TracerProvider};
    use opentelemetry_sdk::trace::SdkTracerProvider;

    use super::*;
    use crate::Metrics;

    /// A collector that never answers.
    #[derive(Debug)]
    struct Silent;

    impl SpanExporter for Silent {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            std::thread::sleep(Duration::from_mins(1));
            Ok(())
        }
    }

    #[test]
    fn a_full_queue_drops_and_counts() {
        const MORE: usize = 5000;
        let metrics = Metrics::install();
        let processor = Bounded::new(Silent);
        let queue = Arc::clone(&processor.queue);
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .build();
        let tracer = provider.tracer("test");
        for _ in 0..QUEUE + MORE {
            drop(tracer.start("span"));
        }
        assert_eq!(queue.length.load(Ordering::Relaxed), QUEUE);
        let line = format!("trace_spans_dropped_total{{reason=\"queue_full\"}} {MORE}");
        assert!(metrics.render().contains(&line), "{}", metrics.render());
        // Ending it would wait for the export.
        std::mem::forget(provider);
    }
}
