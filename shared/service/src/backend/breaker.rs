//! Which endpoints are left alone because they fail.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use tonic::Code;

/// So many failures, one after the other, are no accident.
const FAILURES: u32 = 5;

/// How long an endpoint is left alone: at first, and at most. It doubles each time.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// How long a single call may take to show that the endpoint is back, before another one may try.
const PROBE: Duration = Duration::from_secs(1);

/// The breaker of one endpoint, shared by all workers. Closed, it lets every call through; open, none;
/// after a pause one call at a time, of which the first good one closes it.
pub(super) struct Breaker {
    since: Instant,
    /// Until when it is open, in milliseconds; 0 while it is closed.
    until: AtomicU64,
    /// Failures since the last good answer.
    failures: AtomicU32,
    /// How often it has opened since it was closed for good.
    pauses: AtomicU32,
}

impl Breaker {
    pub fn new() -> Self {
        Self {
            since: Instant::now(),
            until: AtomicU64::new(0),
            failures: AtomicU32::new(0),
            pauses: AtomicU32::new(0),
        }
    }

    pub fn is_open(&self) -> bool {
        self.until.load(Relaxed) != 0
    }

    /// Whether a call may go through now. Asked only for a call that then goes.
    pub fn admits(&self) -> bool {
        let until = self.until.load(Relaxed);
        if until == 0 {
            return true;
        }
        let now = self.now();
        // One of those who come together is the probe.
        until <= now
            && self
                .until
                .compare_exchange(until, now + millis(PROBE), Relaxed, Relaxed)
                .is_ok()
    }

    /// Takes note of how a call ended. `true` when the endpoint has failed so often that it should be
    /// [`open`](Self::open)ed.
    pub fn note(&self, code: Code) -> bool {
        match code {
            // The endpoint's own fault.
            Code::Unavailable | Code::Unknown | Code::Internal | Code::DataLoss => {
                let failures = self.failures.fetch_add(1, Relaxed) + 1;
                self.is_open() || failures >= FAILURES
            }
            // Nobody knows.
            Code::Cancelled | Code::DeadlineExceeded => false,
            _ => {
                // Written only when there is something to forget: workers share the line.
                if self.failures.load(Relaxed) != 0 {
                    self.failures.store(0, Relaxed);
                    self.pauses.store(0, Relaxed);
                    self.until.store(0, Relaxed);
                }
                false
            }
        }
    }

    /// Lets nothing through for a while; longer each time.
    pub fn open(&self) {
        let pauses = self.pauses.fetch_add(1, Relaxed);
        let pause = PAUSE.saturating_mul(1 << pauses.min(8)).min(LONGEST);
        let pause = pause.mul_f32(0.75 + super::chance() / 4.0);
        self.until.store(self.now() + millis(pause), Relaxed);
    }

    fn now(&self) -> u64 {
        // Zero means closed.
        millis(self.since.elapsed()).max(1)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failing() -> Breaker {
        let breaker = Breaker::new();
        for _ in 1..FAILURES {
            assert!(!breaker.note(Code::Unavailable));
        }
        assert!(breaker.note(Code::Internal));
        breaker.open();
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_others_do_not() {
        let breaker = Breaker::new();
        for _ in 0..10 * FAILURES {
            for _ in 1..FAILURES {
                assert!(!breaker.note(Code::Unavailable));
            }
            assert!(!breaker.note(Code::NotFound));
            assert!(!breaker.note(Code::Cancelled));
        }
        assert!(breaker.admits());
        assert!(!failing().admits());
    }

    #[test]
    fn one_call_at_a_time_shows_whether_it_is_back() {
        let breaker = failing();
        breaker.until.store(1, Relaxed);
        std::thread::sleep(Duration::from_millis(2));
        assert!(breaker.admits());
        assert!(!breaker.admits(), "a second one has to wait");
        assert!(breaker.note(Code::Unavailable), "it goes on failing");
        breaker.open();
        assert!(!breaker.admits());
        breaker.until.store(1, Relaxed);
        assert!(breaker.admits());
        breaker.note(Code::Ok);
        assert!(breaker.admits() && !breaker.is_open());
    }
}
