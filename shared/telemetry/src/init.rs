//! Installing logs, metrics and traces, once per process.

use std::{sync::Mutex, time::Duration};

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracer, SdkTracerProvider},
};
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer,
    filter::{FilterExt, Targets},
    fmt,
    layer::SubscriberExt,
    registry::LookupSpan,
    reload,
    util::SubscriberInitExt,
};

use crate::{
    LogFormat, LogLevel, Metrics, export, figures,
    filter::{self, Recorded},
    log::{Count, Json, Plain},
    trace::{self, Ids, SamplerError, Sampling},
    waits::{self, Waits},
};

/// How long [`Telemetry::shutdown`] waits for the last spans to leave.
const LAST_EXPORT: Duration = Duration::from_secs(3);

/// Why telemetry could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `RUST_LOG` is not a list of directives.
    #[error("RUST_LOG: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The sampler is none.
    #[error(transparent)]
    Sampler(#[from] SamplerError),
    /// The protocol is none.
    #[error("OTEL_EXPORTER_OTLP_PROTOCOL: `{0}` is unknown; there are grpc and http/protobuf")]
    Protocol(String),
    /// The exporter refused its settings (`OTEL_EXPORTER_OTLP_…`).
    #[error("OTEL_EXPORTER_OTLP_ENDPOINT: {0}")]
    Exporter(opentelemetry_otlp::ExporterBuildError),
    /// A secure endpoint needs certificate roots.
    #[error("OTEL_EXPORTER_OTLP_ENDPOINT: no certificate roots: {0}")]
    Roots(#[source] std::io::Error),
    /// Traces are exported over a connection that needs a runtime.
    #[error("telemetry with traces must start inside a tokio runtime")]
    NoRuntime,
}

/// What [`init`] installed. Cloning is cheap, and all clones are the same.
#[derive(Clone, Debug)]
pub struct Telemetry {
    metrics: Metrics,
    level: LogLevel,
    traces: Option<SdkTracerProvider>,
}

static INSTALLED: Mutex<Option<Telemetry>> = Mutex::new(None);

/// Installs logs on standard error (filtered by `RUST_LOG`; when it is not set `info`, and `warn` for
/// crates that are noisy at a start), the metrics recorder, and, when `OTEL_EXPORTER_OTLP_ENDPOINT` is set,
/// the export of traces by OTLP, over gRPC or HTTP (`OTEL_EXPORTER_OTLP_PROTOCOL`). Sampling follows
/// `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` (the caller's decision, and a tenth of what no caller
/// decided on, when not set), names follow `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`.
///
/// Only the first call in a process installs anything; later ones, as tests make, get the same.
pub fn init(service: &'static str, format: LogFormat) -> Result<Telemetry, Error> {
    let mut installed = INSTALLED
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(telemetry) = &*installed {
        return Ok(telemetry.clone());
    }

    let directives = variable("RUST_LOG").filter(|it| !it.trim().is_empty());
    let directives = directives.unwrap_or_else(|| filter::DEFAULT.to_owned());
    // First, so that what comes after finds it.
    let metrics = Metrics::install();
    figures::begin(service);
    let traces = match export::endpoint() {
        Some(endpoint) => Some(exporting(service, &endpoint)?),
        None => None,
    };

    // A subscriber that a test installed before stays; there is nothing to repair. Layers do not stand in
    // an `Option`, which would keep the dispatcher from them.
    let level = match &traces {
        None => {
            let (lines, level) = lines(service, format, &directives)?;
            let _ = tracing_subscriber::registry()
                .with(lines)
                .with(waits())
                .try_init();
            level
        }
        Some((provider, _)) => {
            let (lines, level) = lines(service, format, &directives)?;
            let _ = tracing_subscriber::registry()
                .with(spans(provider.tracer("portico")).with_filter(Recorded))
                .with(lines)
                .with(waits())
                .try_init();
            level
        }
    };
    let traces = traces.map(|(provider, sampling)| {
        trace::record(sampling, Some(provider.tracer("portico")));
        provider
    });

    let telemetry = Telemetry {
        metrics,
        level,
        traces,
    };
    *installed = Some(telemetry.clone());
    Ok(telemetry)
}

/// The layer that records spans. What it would add by itself says nothing of a call, and each attribute is
/// made and sent with every span. Contexts are handed on by the span, so none is activated.
pub(crate) fn spans<S>(tracer: SdkTracer) -> tracing_opentelemetry::OpenTelemetryLayer<S, SdkTracer>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_level(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false)
}

/// The layer that hears how long connections were waited for.
fn waits<S: Subscriber + for<'a> LookupSpan<'a>>() -> impl Layer<S> {
    let only = Targets::new().with_target(waits::TARGET, LevelFilter::INFO);
    Waits::new().with_filter(only)
}

/// The layer that writes log lines, and what changes them later.
fn lines<S>(
    service: &'static str,
    format: LogFormat,
    directives: &str,
) -> Result<(Box<dyn Layer<S> + Send + Sync>, LogLevel), Error>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let (filter, handle) = reload::Layer::new(filter::directives(directives)?);
    let level = LogLevel::new(directives, move |filter| handle.reload(filter));
    let filter = filter.and(filter::lines());
    let lines = if format.is_json() {
        Json::new(service, std::io::stderr)
            .and_then(Count::new())
            .with_filter(filter)
            .boxed()
    } else {
        let text = fmt::layer().with_writer(std::io::stderr).fmt_fields(Plain);
        text.and_then(Count::new()).with_filter(filter).boxed()
    };
    Ok((lines, level))
}

impl Telemetry {
    /// The metrics of this process.
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// What is logged, to be changed.
    pub fn log_level(&self) -> LogLevel {
        self.level.clone()
    }

    /// Exports what spans are left, for at most three seconds.
    pub async fn shutdown(self) {
        let Some(traces) = self.traces else { return };
        let flush = tokio::task::spawn_blocking(move || traces.shutdown_with_timeout(LAST_EXPORT));
        match tokio::time::timeout(LAST_EXPORT, flush).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%error, "last spans not exported"),
            Ok(Err(error)) => tracing::warn!(%error, "last spans not exported"),
            Err(_) => tracing::warn!("last spans not exported in time"),
        }
    }
}

/// A provider that exports in batches from a thread of its own, and which requests are recorded.
fn exporting(
    service: &'static str,
    endpoint: &str,
) -> Result<(SdkTracerProvider, Sampling), Error> {
    if tokio::runtime::Handle::try_current().is_err() {
        return Err(Error::NoRuntime);
    }
    let sampling = Sampling::parse(
        variable("OTEL_TRACES_SAMPLER").as_deref(),
        variable("OTEL_TRACES_SAMPLER_ARG").as_deref(),
    )?;
    let mut resource = Resource::builder();
    if variable("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name(service);
    }
    let provider = SdkTracerProvider::builder()
        .with_resource(resource.build())
        .with_id_generator(Ids::default())
        // It was decided before there was a span.
        .with_sampler(Sampler::AlwaysOn)
        .with_span_processor(export::processor(endpoint)?)
        .build();
    Ok((provider, sampling))
}

/// A variable that is set to something.
#[expect(
    clippy::disallowed_methods,
    reason = "the standard names of OpenTelemetry and RUST_LOG are read as they are, not as configuration"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_start_gets_what_the_first_installed() {
        let first = init("test", LogFormat::Json).unwrap();
        let second = init("test", LogFormat::Pretty).unwrap();
        metrics::counter!("telemetry_init_test_total").increment(1);
        for telemetry in [first, second] {
            assert!(
                telemetry
                    .metrics()
                    .render()
                    .contains("telemetry_init_test_total 1")
            );
        }
    }
}
