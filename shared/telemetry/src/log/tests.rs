use std::{
    io,
    sync::{Arc, Mutex},
};

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde_json::Value;
use tracing_subscriber::{Registry, layer::SubscriberExt};

use super::*;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn parsed(&self) -> Vec<Value> {
        let bytes = self.0.lock().unwrap();
        bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }
}

fn logged(what: impl FnOnce()) -> Vec<Value> {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = Registry::default().with(Json::new("test", move || writer.clone()));
    tracing::subscriber::with_default(subscriber, what);
    lines.parsed()
}

#[test]
fn fields_keep_their_types() {
    let lines =
        logged(|| tracing::info!(count = 3, ok = true, text = "a \"quoted\"\nline", "done"));
    assert_eq!(lines[0]["level"], "INFO");
    assert_eq!(lines[0]["service"], "test");
    assert_eq!(lines[0]["message"], "done");
    assert_eq!(lines[0]["count"], 3);
    assert_eq!(lines[0]["ok"], true);
    assert_eq!(lines[0]["text"], "a \"quoted\"\nline");
    assert!(lines[0]["timestamp"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn an_error_shows_its_causes() {
    let lines = logged(|| {
        let inner = io::Error::other("disk full");
        let outer = io::Error::other(Wrapped(inner));
        tracing::error!(error = &outer as &dyn std::error::Error, "not saved");
    });
    assert_eq!(lines[0]["error"], "cannot save: disk full");
}

#[derive(Debug)]
struct Wrapped(io::Error);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot save")
    }
}

impl std::error::Error for Wrapped {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn the_request_id_reaches_lines_in_inner_spans() {
    let lines = logged(|| {
        let trace_id = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128;
        let outer = tracing::info_span!("outer", request_id = "r-1", trace_id);
        let _outer = outer.enter();
        let _inner = tracing::info_span!("inner", other = 1).entered();
        tracing::info!("inside");
    });
    assert_eq!(lines[0]["request_id"], "r-1");
    assert_eq!(lines[0]["trace_id"], "0af7651916cd43dd8448eb211c80319c");
}

#[test]
fn a_recorded_span_gives_its_ids() {
    let lines = Lines::default();
    let writer = lines.clone();
    let provider = SdkTracerProvider::builder().build();
    let subscriber = Registry::default()
        .with(tracing_opentelemetry::layer().with_tracer(provider.tracer("test")))
        .with(Json::new("test", move || writer.clone()));
    tracing::subscriber::with_default(subscriber, || {
        let _span = tracing::info_span!("recorded").entered();
        tracing::info!("inside");
    });
    let line = &lines.parsed()[0];
    assert_eq!(line["trace_id"].as_str().unwrap().len(), 32);
    assert_eq!(line["span_id"].as_str().unwrap().len(), 16);
    assert_ne!(line["span_id"], "0000000000000000");
}

#[test]
fn a_terminal_shows_no_field_that_is_a_traces() {
    let lines = Lines::default();
    let writer = lines.clone();
    let text = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .fmt_fields(Plain);
    tracing::subscriber::with_default(Registry::default().with(text), || {
        let span = tracing::info_span!(
            "request",
            request_id = "r-1",
            client.address = "192.0.2.7",
            trace_id = 7_u128
        );
        span.in_scope(|| tracing::info!(count = 3, "done"));
    });
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    for shown in ["done", "count=3", "r-1", "00000000000000000000000000000007"] {
        assert!(text.contains(shown), "{shown} not in {text}");
    }
    assert!(!text.contains("192.0.2.7"), "{text}");
}
