//! Whether Redis is there: asks seldom while it is away, and says so once at either end.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use metrics::{counter, gauge};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::Error;

/// How often a call is let through to look whether Redis is back.
const PROBE_EVERY: Duration = Duration::from_millis(250);

pub(super) struct Health {
    start: Instant,
    away: AtomicBool,
    /// When the next call may try, in milliseconds after `start`.
    next_try: AtomicU64,
}

impl Health {
    pub(super) fn new() -> Self {
        gauge!("cache_fallback_active").set(0.0);
        Self {
            start: Instant::now(),
            away: AtomicBool::new(false),
            next_try: AtomicU64::new(0),
        }
    }

    /// Always, while Redis is there; else for one call every so often.
    pub(super) fn may_try(&self) -> bool {
        if !self.away.load(Ordering::Relaxed) {
            return true;
        }
        let (now, due) = (self.now(), self.next_try.load(Ordering::Relaxed));
        let then = now + PROBE_EVERY.as_millis() as u64;
        let order = Ordering::Relaxed;
        now >= due && self.next_try.compare_exchange(due, then, order, order).is_ok()
    }

    /// Takes note of how a call ended. A refused command is an answer, so Redis is there.
    pub(super) fn saw(&self, operation: &'static str, error: Option<&Error>) {
        if let Some(error) = error {
            counter!("cache_errors_total", "operation" => operation).increment(1);
            if matches!(error, Error::Refused(_)) {
                warn!(operation, %error, "redis refused a command");
            }
        }
        let away = matches!(error, Some(Error::Away));
        if away {
            let then = self.now() + PROBE_EVERY.as_millis() as u64;
            self.next_try.store(then, Ordering::Relaxed);
        }
        if self.away.load(Ordering::Relaxed) == away || self.away.swap(away, Ordering::Relaxed) == away
        {
            return;
        }
        gauge!("cache_fallback_active").set(if away { 1.0 } else { 0.0 });
        if away {
            warn!(operation, "redis is away, going on without it");
        } else {
            info!("redis is back");
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
