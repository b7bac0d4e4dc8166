//! The recorder behind the `metrics` facade, rendered for Prometheus.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::figures;

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
                Table::get().describe();
                Self(handle)
            })
            .clone()
    }

    /// All metrics in Prometheus' text format (version 0.0.4).
    pub fn render(&self) -> String {
        let mut text = self.0.render();
        figures::render(&mut text);
        text
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

/// What `METRICS.md` says: the one place where metrics are described.
pub struct Table(Vec<Row>);

/// A metric's row.
#[derive(Debug)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// The names of its labels.
    pub labels: Vec<&'static str>,
    /// What it answers.
    pub answers: &'static str,
}

impl Table {
    /// The table.
    pub fn get() -> &'static Self {
        static TABLE: OnceLock<Table> = OnceLock::new();
        TABLE.get_or_init(|| {
            Self(
                include_str!("../METRICS.md")
                    .lines()
                    .filter_map(row)
                    .collect(),
            )
        })
    }

    /// All rows, in their order.
    pub fn rows(&self) -> &[Row] {
        &self.0
    }

    /// The row of a metric.
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.0.iter().find(|row| row.name == name)
    }

    /// Tells the recorder what each metric answers.
    fn describe(&self) {
        use metrics::{describe_counter, describe_gauge, describe_histogram};

        for row in &self.0 {
            match row.kind {
                "counter" => describe_counter!(row.name, row.answers),
                "gauge" => describe_gauge!(row.name, row.answers),
                _ => describe_histogram!(row.name, row.answers),
            }
        }
    }
}

/// Reads a line of the page, when it is a metric's: name, kind, labels with what they can be, process,
/// question.
fn row(line: &'static str) -> Option<Row> {
    let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
    let name = cells.next()?.strip_suffix('`')?;
    let kind = cells.next()?;
    // A label stands first in what is said of it, and more of them with commas between.
    let labels = cells.next()?.split(';').flat_map(|about| {
        let names = about.split(':').next().unwrap_or_default();
        names.split(',').map(|name| name.trim().trim_matches('`'))
    });
    let labels = labels.filter(|label| !label.is_empty()).collect();
    let answers = cells.nth(1)?;
    Some(Row {
        name,
        kind,
        labels,
        answers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_read_as_it_is_written() {
        let table = Table::get();
        let row = table.row("http_requests_total").unwrap();
        assert_eq!(row.kind, "counter");
        assert_eq!(row.labels, ["method", "route", "status_code"]);
        assert!(row.answers.ends_with('?'), "{row:?}");
        assert!(table.row("active_connections").unwrap().labels.is_empty());
        let row = table.row("grpc_client_handled_total").unwrap();
        assert_eq!(row.labels, ["grpc_service", "grpc_method", "grpc_code"]);
        for row in table.rows() {
            let kinds = ["counter", "gauge", "histogram"];
            assert!(kinds.contains(&row.kind), "{row:?}");
            let is_total = row.name.ends_with("_total");
            assert_eq!(row.kind == "counter", is_total, "{row:?}");
            assert!(!row.answers.is_empty(), "{row:?}");
            let plain = |label: &&str| label.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            assert!(row.labels.iter().all(plain), "{row:?}");
        }
    }
}
