//! What the REST edge counts. Every label is bounded: methods by a list, routes by being templates.

use std::{cell::RefCell, collections::HashMap, sync::Arc, time::Duration};

use metrics::{Counter, Histogram, counter, gauge, histogram};

/// The most label combinations that one thread remembers the instruments of.
const REMEMBERED: usize = 8192;

type Key = (&'static str, u16, Arc<str>);

thread_local! {
    // Looking an instrument up by its labels costs more than using it, so each worker keeps its own.
    static INSTRUMENTS: RefCell<HashMap<Key, (Counter, Histogram)>> = RefCell::default();
}

/// Counts one answered request. `route` is the route's template (`/api/v1/users/{id}`), never a path; a
/// request that matched none goes under one constant name.
pub fn observe(method: &str, route: &Arc<str>, status: u16, elapsed: Duration) {
    let key = (known_method(method), status, Arc::clone(route));
    INSTRUMENTS.with_borrow_mut(|instruments| {
        if instruments.len() >= REMEMBERED && !instruments.contains_key(&key) {
            instruments.clear();
        }
        let (total, duration) = instruments
            .entry(key)
            .or_insert_with_key(|(method, status, route)| register(method, route, *status));
        total.increment(1);
        duration.record(elapsed);
    });
}

fn register(method: &'static str, route: &Arc<str>, status: u16) -> (Counter, Histogram) {
    let status = status.to_string();
    (
        counter!("http_requests_total",
            "method" => method, "route" => Arc::clone(route), "status_code" => status.clone()),
        histogram!("http_request_duration_seconds",
            "method" => method, "route" => Arc::clone(route), "status_code" => status),
    )
}

/// The method's name when it is one of HTTP's own (RFC 9110 and 5789), otherwise `OTHER`.
pub fn known_method(method: &str) -> &'static str {
    match method {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "TRACE" => "TRACE",
        "CONNECT" => "CONNECT",
        _ => "OTHER",
    }
}

/// One open client connection, counted in `active_connections` until it is dropped.
#[derive(Debug)]
pub struct Connection(());

impl Connection {
    /// Counts a connection that was accepted.
    pub fn open() -> Self {
        gauge!("active_connections").increment(1.0);
        Self(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        gauge!("active_connections").decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Metrics;

    #[test]
    fn requests_are_counted_by_template() {
        let metrics = Metrics::install();
        let route: Arc<str> = "/telemetry-test/{id}".into();
        observe("GET", &route, 200, Duration::from_millis(3));
        observe("GET", &route, 200, Duration::from_millis(30));
        observe("BREW", &route, 405, Duration::from_millis(1));
        metrics.run_upkeep();
        let text = metrics.render();
        for line in [
            r#"http_requests_total{method="GET",route="/telemetry-test/{id}",status_code="200"} 2"#,
            r#"http_requests_total{method="OTHER",route="/telemetry-test/{id}",status_code="405"} 1"#,
            r#"http_request_duration_seconds_bucket{method="GET",route="/telemetry-test/{id}",status_code="200",le="0.005"} 1"#,
            r#"http_request_duration_seconds_count{method="GET",route="/telemetry-test/{id}",status_code="200"} 2"#,
        ] {
            assert!(text.contains(line), "{line} not in\n{text}");
        }
    }

    #[test]
    fn a_closed_connection_is_no_longer_active() {
        let metrics = Metrics::install();
        let first = Connection::open();
        let second = Connection::open();
        assert!(metrics.render().contains("active_connections 2"));
        drop((first, second));
        assert!(metrics.render().contains("active_connections 0"));
    }
}
