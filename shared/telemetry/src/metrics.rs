//! The recorder behind the `metrics` facade, rendered for Prometheus.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Upper bounds of every histogram, in seconds: from 1 ms, dense where answers usually are.
const BUCKETS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// The metrics of this process.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// The recorder of this process; the first call installs it.
    pub(crate) fn install() -> Self {
        static RECORDER: OnceLock<Metrics> = OnceLock::new();
        RECORDER
            .get_or_init(|| {
                let recorder = PrometheusBuilder::new()
                    .set_buckets(&BUCKETS)
                    .expect("the buckets are not empty")
                    .build_recorder();
                let handle = recorder.handle();
                // Only another recorder, installed by a test before, can be in the way. Then this one
                // renders nothing, and nothing else breaks.
                let _ = metrics::set_global_recorder(recorder);
                describe();
                Self(handle)
            })
            .clone()
    }

    /// All metrics in Prometheus' text format (version 0.0.4).
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Folds recorded histogram samples into their buckets. Without a call now and then, samples pile
    /// up in memory; the ops port calls it every few seconds.
    pub fn run_upkeep(&self) {
        self.0.run_upkeep();
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

fn describe() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

    describe_histogram!(
        "http_request_duration_seconds",
        Unit::Seconds,
        "How long HTTP requests took, by route template"
    );
    describe_counter!(
        "http_requests_total",
        "HTTP requests answered, by route template"
    );
    describe_gauge!("active_connections", "Open client connections");
    describe_counter!("grpc_server_handled_total", "gRPC calls answered");
    describe_histogram!(
        "grpc_server_handling_seconds",
        Unit::Seconds,
        "How long gRPC calls took, to the last byte of the answer"
    );
    describe_counter!("grpc_client_handled_total", "gRPC calls made and answered");
    describe_histogram!(
        "grpc_client_handling_seconds",
        Unit::Seconds,
        "How long gRPC calls to other services took, to the last byte of the answer"
    );
}
