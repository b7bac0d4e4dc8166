//! How long connections to a database are waited for. The pool says so by an event, and by nothing else.

use std::time::Duration;

use metrics::{Histogram, histogram};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::layer::{Context, Layer};

/// The target of the pool's event, which it emits at the level and above the wait that its options say.
pub(crate) const TARGET: &str = "sqlx::pool::acquire";

/// Counts the event's waits into `db_pool_wait_seconds`.
pub(crate) struct Waits(Histogram);

impl Waits {
    pub(crate) fn new() -> Self {
        Self(histogram!("db_pool_wait_seconds"))
    }
}

struct Seconds(Option<f64>);

impl Visit for Seconds {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == "acquired_after_secs" {
            self.0 = Some(value);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

impl<S: Subscriber> Layer<S> for Waits {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut seconds = Seconds(None);
        event.record(&mut seconds);
        if let Some(wait) = seconds
            .0
            .and_then(|it| Duration::try_from_secs_f64(it).ok())
        {
            self.0.record(wait);
        }
    }
}
