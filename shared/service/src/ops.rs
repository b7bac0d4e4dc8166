//! The port for those who run the process: probes and metrics. It is not meant for the public.

use std::{io, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{Response, StatusCode, header},
    routing::get,
};
use portico_telemetry::Metrics;
use tokio::{net::TcpListener, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::Readiness;

/// How often recorded samples are folded together.
const UPKEEP: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Ops {
    metrics: Metrics,
    readiness: Readiness,
}

/// Serves until `stop`:
///
/// * `/health` answers 200 as long as the process answers at all;
/// * `/ready` answers 200 or 503, with each check, its state, and since when (JSON);
/// * `/metrics` answers in Prometheus' text format.
pub async fn serve(
    listener: TcpListener,
    metrics: Metrics,
    readiness: Readiness,
    stop: CancellationToken,
) -> io::Result<()> {
    let upkeep = metrics.clone();
    let app = Router::new()
        .route("/health", get(async || "ok\n"))
        .route("/ready", get(ready))
        .route("/metrics", get(render))
        .with_state(Ops { metrics, readiness });
    // It does not drain: probes are asked again, and an open scrape must not hold up a stop.
    tokio::select! {
        result = axum::serve(listener, app).into_future() => result,
        () = stop.cancelled() => Ok(()),
        () = keep_up(upkeep) => Ok(()),
    }
}

async fn keep_up(metrics: Metrics) {
    let mut ticks = tokio::time::interval(UPKEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        metrics.run_upkeep();
    }
}

async fn ready(State(ops): State<Ops>) -> Response<Body> {
    let state = ops.readiness.state();
    let status = if state.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = serde_json::to_string(&state).expect("a state is plain data");
    answer(status, "application/json", body)
}

async fn render(State(ops): State<Ops>) -> Response<Body> {
    let text = ops.metrics.render();
    answer(
        StatusCode::OK,
        "text/plain; version=0.0.4; charset=utf-8",
        text,
    )
}

fn answer(status: StatusCode, kind: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    headers.insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-store"),
    );
    response
}

#[cfg(test)]
mod tests;
