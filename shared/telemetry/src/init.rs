//! Installing logs, metrics and traces, once per process.

use std::{sync::Mutex, time::Duration};

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithTonicConfig, tonic_types::transport::ClientTlsConfig};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing::{Metadata, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, FilterFn},
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::{LogFormat, Metrics, log::Json, propagation};

/// How long [`Telemetry::shutdown`] waits for the last spans to leave.
const LAST_EXPORT: Duration = Duration::from_secs(3);

/// Crates that write headers, bodies, connection options or statements into their events below
/// `INFO`. None of that may reach a log or a trace, whatever `RUST_LOG` says.
const TALKATIVE: [&str; 10] = [
    "actix_http",
    "actix_web",
    "h2",
    "hyper",
    "hyper_util",
    "redis",
    "rustls",
    "sea_orm",
    "sqlx",
    "tonic",
];

/// What is logged when `RUST_LOG` does not say: these crates tell at each start, as `INFO`, what nobody
/// asked for.
const DEFAULT: &str = "info,actix_server=warn,sea_orm_migration=warn,sqlx=warn";

/// Why telemetry could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `RUST_LOG` is not a list of directives.
    #[error("RUST_LOG: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The exporter refused its settings (`OTEL_EXPORTER_OTLP_…`).
    #[error("OTEL_EXPORTER_OTLP_ENDPOINT: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// Traces are exported over a connection that needs a runtime.
    #[error("telemetry with traces must start inside a tokio runtime")]
    NoRuntime,
}

/// What [`init`] installed. Cloning is cheap, and all clones are the same.
#[derive(Clone, Debug)]
pub struct Telemetry {
    metrics: Metrics,
    traces: Option<SdkTracerProvider>,
}

static INSTALLED: Mutex<Option<Telemetry>> = Mutex::new(None);

/// Installs logs on standard error (filtered by `RUST_LOG`; when it is not set `info`, and `warn` for
/// crates that are noisy at a start), the metrics recorder, and, when `OTEL_EXPORTER_OTLP_ENDPOINT` is set, the export of traces by OTLP over gRPC.
/// Sampling follows `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` (parent-based and always on
/// when not set), names follow `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`.
///
/// Only the first call in a process installs anything; later ones, as tests make, get the same.
pub fn init(service: &'static str, format: LogFormat) -> Result<Telemetry, Error> {
    let mut installed = INSTALLED
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(telemetry) = &*installed {
        return Ok(telemetry.clone());
    }

    let filter = filter(variable("RUST_LOG").as_deref())?;
    let traces = match variable("OTEL_EXPORTER_OTLP_ENDPOINT") {
        Some(endpoint) if !endpoint.is_empty() => Some(exporting(service, &endpoint)?),
        _ => None,
    };

    // A subscriber that a test installed before stays; there is nothing to repair. Layers do not stand in
    // an `Option`, which would keep the dispatcher from them.
    let _ = match &traces {
        None => tracing_subscriber::registry()
            .with(lines(service, format, filter))
            .try_init(),
        Some(provider) => {
            // What the layer would add by itself says nothing of a call, and each attribute is made and
            // sent with every span. Contexts are handed on by the span, so none is activated.
            let spans = tracing_opentelemetry::layer()
                .with_tracer(provider.tracer("portico"))
                .with_location(false)
                .with_threads(false)
                .with_tracked_inactivity(false)
                .with_context_activation(false)
                .with_filter(LevelFilter::INFO.and(discreet()));
            tracing_subscriber::registry()
                .with(spans)
                .with(lines(service, format, filter))
                .try_init()
        }
    };
    if traces.is_some() {
        propagation::set_recording();
    }

    let telemetry = Telemetry {
        metrics: Metrics::install(),
        traces,
    };
    *installed = Some(telemetry.clone());
    Ok(telemetry)
}

/// What is logged, after the directives of `RUST_LOG`. Those that name no level for the rest leave it
/// silent, as everywhere.
fn filter(directives: Option<&str>) -> Result<EnvFilter, Error> {
    let directives = directives.map_or("", str::trim);
    let directives = if directives.is_empty() {
        DEFAULT
    } else {
        directives
    };
    Ok(EnvFilter::builder().parse(directives)?)
}

/// The layer that writes log lines.
fn lines<S>(
    service: &'static str,
    format: LogFormat,
    filter: EnvFilter,
) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let filter = filter.and(discreet());
    if format.is_json() {
        Json::new(service, std::io::stderr)
            .with_filter(filter)
            .boxed()
    } else {
        let text = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        text.with_filter(filter).boxed()
    }
}

impl Telemetry {
    /// The metrics of this process.
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
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

/// A provider that exports in batches from a thread of its own: when the collector is slow or away,
/// spans are dropped, and no caller waits.
fn exporting(service: &'static str, endpoint: &str) -> Result<SdkTracerProvider, Error> {
    if tokio::runtime::Handle::try_current().is_err() {
        return Err(Error::NoRuntime);
    }
    let mut exporter = SpanExporter::builder().with_tonic();
    if endpoint.starts_with("https:") {
        exporter = exporter.with_tls_config(ClientTlsConfig::new().with_enabled_roots());
    }
    let exporter = exporter.build()?;
    let mut resource = Resource::builder();
    if variable("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name(service);
    }
    Ok(SdkTracerProvider::builder()
        .with_resource(resource.build())
        .with_batch_exporter(exporter)
        .build())
}

/// The filter by [`is_discreet`]. Its hint lets disabled levels be skipped by one comparison.
fn discreet() -> FilterFn<fn(&Metadata<'_>) -> bool> {
    FilterFn::new(is_discreet as fn(&Metadata<'_>) -> bool).with_max_level_hint(LevelFilter::TRACE)
}

fn is_discreet(metadata: &Metadata<'_>) -> bool {
    if *metadata.level() <= tracing::Level::INFO {
        return true;
    }
    let root = metadata.target().split("::").next().unwrap_or_default();
    !TALKATIVE.contains(&root)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the standard names of OpenTelemetry and RUST_LOG are read as they are, not as configuration"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of two lines of a start, and of a warning and a detail, are heard.
    fn heard(directives: Option<&str>) -> [bool; 4] {
        let subscriber = tracing_subscriber::registry().with(filter(directives).unwrap());
        tracing::subscriber::with_default(subscriber, || {
            [
                tracing::enabled!(target: "portico_service::process", tracing::Level::INFO),
                tracing::enabled!(target: "sea_orm_migration::migrator", tracing::Level::INFO),
                tracing::enabled!(target: "actix_server::worker", tracing::Level::WARN),
                tracing::enabled!(target: "portico_service::process", tracing::Level::DEBUG),
            ]
        })
    }

    #[test]
    fn a_start_is_quiet_unless_somebody_asks() {
        for unset in [None, Some(""), Some(" ")] {
            assert_eq!(heard(unset), [true, false, true, false], "{unset:?}");
        }
        assert_eq!(heard(Some("info")), [true, true, true, false]);
        assert_eq!(heard(Some("debug")), [true, true, true, true]);
        assert_eq!(
            heard(Some("info,sea_orm_migration=off")),
            [true, false, true, false]
        );
        assert!(filter(Some("a=b=c")).is_err());
    }

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
