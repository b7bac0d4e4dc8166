//! The port for those who run the process: probes, metrics, and what is logged. It is not meant for the
//! public: whoever reaches it can make the process talk more, though never of secrets.

mod log_level;

use std::{
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, State},
    http::{Response, StatusCode, header},
    routing::get,
};
use portico_telemetry::Telemetry;
use tokio::{net::TcpListener, sync::oneshot, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::Readiness;

/// How often recorded samples are folded together, and a changed log level is looked at. Until then each takes
/// eight bytes in its histogram.
const UPKEEP: Duration = Duration::from_secs(1);

/// How often the process shows that it still runs its tasks.
const BEAT: Duration = Duration::from_secs(1);

/// How long it may show nothing before it counts as dead. Longer than any overload lets a task wait.
const STILL: Duration = Duration::from_secs(30);

/// What the port shows.
#[derive(Clone)]
pub struct Ops {
    telemetry: Telemetry,
    readiness: Readiness,
    /// Whether the process was ready once.
    started: Arc<AtomicBool>,
    beats: Beats,
}

/// When the process last ran a task, in seconds after its start.
#[derive(Clone)]
struct Beats {
    start: Instant,
    last: Arc<AtomicU64>,
}

impl Beats {
    async fn go_on(self) {
        loop {
            self.last
                .store(self.start.elapsed().as_secs(), Ordering::Relaxed);
            tokio::time::sleep(BEAT).await;
        }
    }

    fn are_late(&self) -> bool {
        let last = Duration::from_secs(self.last.load(Ordering::Relaxed));
        self.start.elapsed().saturating_sub(last) > STILL
    }
}

impl Ops {
    /// Around what there is to show.
    pub fn new(telemetry: Telemetry, readiness: Readiness) -> Self {
        Self {
            telemetry,
            readiness,
            started: Arc::default(),
            beats: Beats {
                start: Instant::now(),
                last: Arc::default(),
            },
        }
    }

    /// Serves until `stop`, from a thread of its own, so that probes are answered whatever the rest of the
    /// process is busy with:
    ///
    /// * `/health` answers 200 as long as the process runs its tasks, whatever it depends on;
    /// * `/startup` answers 200 once the process has been ready, and 503 before;
    /// * `/ready` answers 200 or 503, with each check, its state, and since when (JSON);
    /// * `/metrics` answers in Prometheus' text format;
    /// * `/log-level` shows (GET), changes for a while (PUT) and restores (DELETE) what is logged.
    ///
    /// The future is the serving as a task of the process' runtime, whose liveness it shows.
    pub fn start(
        self,
        listener: TcpListener,
        stop: CancellationToken,
    ) -> io::Result<impl Future<Output = io::Result<()>> + Send + use<>> {
        let listener = listener.into_std()?;
        let beats = self.beats.clone();
        let (ended, end) = oneshot::channel();
        thread::Builder::new()
            .name("ops".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                let result = runtime.and_then(|runtime| {
                    runtime.block_on(async {
                        serve(TcpListener::from_std(listener)?, self, stop).await
                    })
                });
                // Nobody may be waiting for the end.
                let _ = ended.send(result);
            })?;
        Ok(async {
            tokio::select! {
                result = end => result.unwrap_or_else(|_| Err(io::Error::other("the port's thread panicked"))),
                () = beats.go_on() => Ok(()),
            }
        })
    }
}

async fn serve(listener: TcpListener, ops: Ops, stop: CancellationToken) -> io::Result<()> {
    let app = Router::new()
        .route("/health", get(health))
        .route("/startup", get(startup))
        .route("/ready", get(ready))
        .route("/metrics", get(render))
        .route(
            "/log-level",
            get(log_level::show)
                .put(log_level::change)
                .delete(log_level::restore),
        )
        .layer(DefaultBodyLimit::max(log_level::BODY))
        .with_state(ops.clone());
    // It does not drain: probes are asked again, and an open scrape must not hold up a stop.
    tokio::select! {
        result = axum::serve(listener, app).into_future() => result,
        () = stop.cancelled() => Ok(()),
        () = keep_up(&ops) => Ok(()),
        () = begin(&ops) => Ok(()),
    }
}

async fn keep_up(ops: &Ops) {
    let (metrics, level) = (ops.telemetry.metrics(), ops.telemetry.log_level());
    let mut ticks = tokio::time::interval(UPKEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        metrics.run_upkeep();
        level.look();
    }
}

/// Takes note when the process is ready for the first time.
async fn begin(ops: &Ops) {
    ops.readiness.wait().await;
    ops.started.store(true, Ordering::Relaxed);
    std::future::pending::<()>().await;
}

async fn health(State(ops): State<Ops>) -> Response<Body> {
    if ops.beats.are_late() {
        return text(
            StatusCode::SERVICE_UNAVAILABLE,
            "the process runs no task\n",
        );
    }
    text(StatusCode::OK, "ok\n")
}

async fn startup(State(ops): State<Ops>) -> Response<Body> {
    if ops.started.load(Ordering::Relaxed) {
        return text(StatusCode::OK, "started\n");
    }
    text(StatusCode::SERVICE_UNAVAILABLE, "starting\n")
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
    let text = ops.telemetry.metrics().render();
    answer(
        StatusCode::OK,
        "text/plain; version=0.0.4; charset=utf-8",
        text,
    )
}

fn text(status: StatusCode, text: &str) -> Response<Body> {
    answer(status, "text/plain; charset=utf-8", text.to_owned())
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
