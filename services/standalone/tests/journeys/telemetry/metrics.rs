//! The page that describes metrics is true.

use std::{collections::BTreeSet, fs, path::Path};

use portico_telemetry::{Row, Table};

use crate::{
    client::Client,
    world::{self, World},
};

/// One line of a scrape: a metric's name, without what a histogram adds to it, and the names and values of its
/// labels.
pub struct Sample {
    pub name: String,
    pub labels: Vec<(String, String)>,
}

/// What an ops port shows.
pub async fn scrape(ops: &str) -> Vec<Sample> {
    let answer = Client::new(ops).get("/metrics").send().await;
    answer.status(200);
    let lines = answer.text.lines();
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(sample).collect()
}

fn sample(line: &str) -> Sample {
    let (series, _value) = line.rsplit_once(' ').expect("a value");
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let base = ["_bucket", "_sum", "_count"]
        .iter()
        .filter_map(|part| name.strip_suffix(part))
        .find(|base| {
            Table::get()
                .row(base)
                .is_some_and(|row| row.kind == "histogram")
        });
    let labels = labels.trim_end_matches('}').split("\",");
    let labels = labels.filter_map(|label| label.split_once("=\""));
    let labels =
        labels.map(|(key, value)| (key.to_owned(), value.trim_end_matches('"').to_owned()));
    Sample {
        name: base.unwrap_or(name).to_owned(),
        labels: labels.collect(),
    }
}

fn faults(samples: &[Sample]) -> BTreeSet<String> {
    let mut faults = BTreeSet::new();
    for sample in samples {
        let Some(row) = Table::get().row(&sample.name) else {
            faults.insert(format!("{} is not in METRICS.md", sample.name));
            continue;
        };
        for (label, _) in &sample.labels {
            let of_histogram = row.kind == "histogram" && label == "le";
            if !of_histogram && !row.labels.contains(&label.as_str()) {
                faults.insert(format!(
                    "METRICS.md has no label {label} of {}",
                    sample.name
                ));
            }
        }
    }
    faults
}

async fn every_metric_is_described(world: World) {
    let world = crate::exercise(world).await;
    for ops in world.ops() {
        let samples = scrape(&ops).await;
        assert!(samples.len() > 100, "{ops} shows next to nothing");
        let faults = faults(&samples);
        assert!(faults.is_empty(), "{ops}: {faults:#?}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_of_the_standalone_is_described() {
    if world::running().is_none() {
        every_metric_is_described(World::standalone_process(&[]).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_of_three_processes_is_described() {
    if world::running().is_none()
        && let Some(world) = World::three_processes().await
    {
        every_metric_is_described(world).await;
    }
}

#[test]
fn every_metric_that_is_described_is_written_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut sources = String::new();
    for folder in ["gateway/src", "services", "shared"] {
        read(&root.join(folder), &mut sources);
    }
    let unwritten: Vec<&Row> = Table::get()
        .rows()
        .iter()
        .filter(|row| !sources.contains(&format!("\"{}\"", row.name)))
        .collect();
    assert!(unwritten.is_empty(), "{unwritten:#?}");
}

/// Reads the source files below a folder, save tests.
fn read(folder: &Path, sources: &mut String) {
    let entries = fs::read_dir(folder).expect("a folder of sources");
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("tests") {
            read(&path, sources);
        } else if path.extension().is_some_and(|it| it == "rs") {
            sources.push_str(&fs::read_to_string(&path).expect("a source file"));
        }
    }
}
