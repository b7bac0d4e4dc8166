//! Whether Redis is there: asks seldom while it is away, and says so once at either end.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use metrics::{counter, gauge};
use tokio::time::Instant;
use tracing::{info, warn};

use super::fault::Fault;
use crate::Error;

/// How often a call is let through to look whether Redis is back, in milliseconds.
const PROBE_EVERY_MILLIS: u64 = 250;

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
        let then = now + PROBE_EVERY_MILLIS;
        let order = Ordering::Relaxed;
        now >= due
            && self
                .next_try
                .compare_exchange(due, then, order, order)
                .is_ok()
    }

    /// Takes note of how a call ended. A refused command is an answer, so Redis is there.
    pub(super) fn saw(&self, operation: &'static str, fault: Option<&Fault>) {
        if let Some(Fault { error, cause }) = fault {
            counter!("cache_errors_total", "operation" => operation).increment(1);
            if matches!(error, Error::Refused(_)) {
                warn!(operation, cause, "redis refused a command");
            }
        }
        let away = fault.is_some_and(|fault| fault.error == Error::Away);
        if away {
            let then = self.now() + PROBE_EVERY_MILLIS;
            self.next_try.store(then, Ordering::Relaxed);
        }
        if self.away.load(Ordering::Relaxed) == away
            || self.away.swap(away, Ordering::Relaxed) == away
        {
            return;
        }
        gauge!("cache_fallback_active").set(if away { 1.0 } else { 0.0 });
        if let Some(Fault { cause, .. }) = fault.filter(|_| away) {
            warn!(operation, cause, "redis is away, going on without it");
        } else {
            info!("redis is back");
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
