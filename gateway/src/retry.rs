//! Calls that are made again, because the service was just being redeployed.
//!
//! * What certainly reached no handler is made again whatever the RPC is: there was no connection, or the
//!   server said that it will not look at the call (GOAWAY with an earlier last stream, `REFUSED_STREAM`;
//!   RFC 9113, sections 6.8 and 8.7).
//! * What was lost together with its connection may have been done: it is made again, [`LOSSES`] times,
//!   for RPCs alone whose policy says `idempotent`.
//! * What somebody who listens would have to do twice is made again within a budget for each upstream, a
//!   fifth of the calls: an upstream that fails for want of strength must not get more to do.
//! * While nobody listens, calls are held, but no more than [`MOST_HELD`] of them and no longer than
//!   [`HOLD`] from the first that found nobody. From then on each is refused at once, until one comes
//!   through. The deadline of the request goes before all of this.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use metrics::counter;
use portico_service::{Backend, Fate};
use tokio::time::sleep;
use tonic::Status;

/// For how long an upstream that went away is believed to be back in a moment.
const HOLD: Duration = Duration::from_secs(2);

/// The most calls that wait for one upstream in one worker.
const MOST_HELD: usize = 256;

/// How often a call is made again that may have been done.
const LOSSES: u32 = 2;

/// How long the first wait is at most, and any.
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(100);

/// What one worker knows of an upstream's absence. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Absence(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// Since when no call reached it.
    since: Mutex<Option<Instant>>,
    held: AtomicUsize,
}

/// One call, however often it is made.
#[derive(Debug)]
pub struct Retry {
    absence: Absence,
    idempotent: bool,
    losses: u32,
    waits: u32,
}

/// A call that waits, until this is dropped.
struct Held<'a>(&'a State);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Relaxed);
    }
}

impl Absence {
    /// A call of an RPC that may be repeated, or may not.
    pub fn call(&self, idempotent: bool) -> Retry {
        Retry {
            absence: self.clone(),
            idempotent,
            losses: 0,
            waits: 0,
        }
    }

    /// For how long the upstream has been away, counted from now if it was there until now.
    fn lasts(&self) -> Duration {
        let mut since = self.0.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.get_or_insert_with(Instant::now).elapsed()
    }

    fn over(&self) {
        let mut since = self.0.since.lock().unwrap_or_else(PoisonError::into_inner);
        *since = None;
    }

    fn hold(&self) -> Option<Held<'_>> {
        let held = Held(&self.0);
        // Counted first, so that the guard takes off what it put on.
        (self.0.held.fetch_add(1, Relaxed) < MOST_HELD).then_some(held)
    }
}

impl Retry {
    /// Takes note of an answer: whatever it says, the upstream is there.
    pub fn answered(&self) {
        self.absence.over();
    }

    /// Waits until a call that failed so may be made again; `false` when it may not.
    pub async fn again(&mut self, status: &Status, backend: &Backend) -> bool {
        match Fate::of(status) {
            Fate::NobodyThere if self.absence.lasts() < HOLD => {}
            Fate::Untouched if self.absence.lasts() < HOLD && backend.spend_repetition() => {}
            Fate::Lost if self.idempotent && self.losses < LOSSES && backend.spend_repetition() => {
                self.losses += 1;
            }
            Fate::Answered => {
                self.answered();
                return false;
            }
            Fate::NobodyThere | Fate::Untouched | Fate::Lost => return false,
        }
        let Some(_held) = self.absence.hold() else {
            return false;
        };
        counter!("gateway_upstream_retries_total").increment(1);
        // A server that has just gone has often one beside it that is there already.
        if self.waits > 0 {
            sleep(wait(self.waits)).await;
        }
        self.waits += 1;
        true
    }
}

/// The wait before a repetition: longer each time, and never the same for two callers, who would come
/// back all at once.
fn wait(number: u32) -> Duration {
    let whole = SHORTEST.saturating_mul(1 << number.min(8)).min(LONGEST);
    let chance = u32::try_from(RandomState::new().hash_one(number) % 512).unwrap_or_default();
    whole * (512 + chance) / 1024
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    /// A service of this process, where repetitions have no budget.
    fn here() -> Backend {
        Backend::new(tower::service_fn(
            |_: http::Request<tonic::body::Body>| async {
                Ok::<_, std::convert::Infallible>(http::Response::default())
            },
        ))
    }

    fn lost() -> Status {
        let mut status = Status::unavailable("lost");
        status.set_source(Arc::new(std::io::Error::other("reset")));
        status
    }

    fn not_sent() -> Status {
        let mut status = Status::unavailable("nobody");
        let cause = portico_service::NotSent::new("refused");
        status.set_source(Arc::new(cause));
        status
    }

    #[tokio::test]
    async fn what_may_have_been_done_is_done_again_only_where_it_is_harmless() {
        let absence = Absence::default();
        assert!(!absence.call(false).again(&lost(), &here()).await);
        let mut harmless = absence.call(true);
        for _ in 0..LOSSES {
            assert!(harmless.again(&lost(), &here()).await);
        }
        assert!(!harmless.again(&lost(), &here()).await, "and not for ever");
    }

    #[tokio::test]
    async fn what_a_service_says_stands() {
        let absence = Absence::default();
        for code in [Code::Unavailable, Code::Internal, Code::ResourceExhausted] {
            let status = Status::new(code, "the service's own");
            assert!(!absence.call(true).again(&status, &here()).await);
        }
    }

    #[tokio::test]
    async fn nobody_waits_for_long() {
        let absence = Absence::default();
        assert!(absence.call(false).again(&not_sent(), &here()).await);
        *absence.0.since.lock().unwrap() = Instant::now().checked_sub(HOLD);
        assert!(!absence.call(false).again(&not_sent(), &here()).await);
        absence.call(false).answered();
        assert!(absence.call(false).again(&not_sent(), &here()).await);
    }

    #[tokio::test]
    async fn only_so_many_wait() {
        let absence = Absence::default();
        let held: Vec<_> = (0..MOST_HELD).map_while(|_| absence.hold()).collect();
        assert_eq!(held.len(), MOST_HELD);
        assert!(!absence.call(false).again(&not_sent(), &here()).await);
        drop(held);
        assert!(absence.call(false).again(&not_sent(), &here()).await);
        assert_eq!(absence.0.held.load(Relaxed), 0);
    }

    #[test]
    fn waits_grow_within_bounds() {
        for number in 0..100 {
            let wait = wait(number);
            assert!(wait >= SHORTEST / 2 && wait <= LONGEST, "{wait:?}");
        }
    }
}
