//! What ends a stream from outside: its caller, its session, its process.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use futures_util::StreamExt;
use portico_cache::Denylist;
use portico_caller::{Caller, Refusal};
use portico_service::Clock;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{
    contract::Route,
    edge::Shared,
    payload::Payload,
    problem::{Origin, Problem},
};

/// How often it is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How much later than its expiry a token is still taken, as where it was verified.
const LEEWAY: u64 = 30;

/// Why a stream does not go on.
pub enum Stop {
    /// The caller has gone: there is nobody to tell.
    Gone,
    /// The caller is told, and may come back.
    Told(Problem),
}

/// Looks twice a second after a stream that is open.
pub struct Watch {
    ticks: Interval,
    /// The request's own body where it has come to its end: over HTTP/2 that is where a caller's reset
    /// shows. (A caller of HTTP/1.1 who goes takes the connection and with it the answer.)
    caller: Option<Payload>,
    denylist: Denylist,
    session: Option<String>,
    expires: Option<u64>,
    clock: Clock,
    stop: CancellationToken,
    /// How long after the process was told to stop.
    grace: Duration,
    stopping: Option<Instant>,
}

impl Watch {
    /// `resumable` says that the caller takes the stream up again without loss. Such a stream ends with
    /// its token and with the process at once; another goes on as long as its session, and as the
    /// process waits for it.
    pub fn new(
        shared: &Shared,
        caller: Option<&Caller>,
        resumable: bool,
        payload: Option<Payload>,
    ) -> Self {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            ticks,
            caller: payload,
            denylist: shared.denylist.clone(),
            session: caller.and_then(|caller| caller.session.clone()),
            expires: caller
                .filter(|_| resumable)
                .map(|caller| caller.expires_at + LEEWAY),
            clock: shared.clock.clone(),
            stop: shared.stop.clone(),
            grace: if resumable {
                Duration::ZERO
            } else {
                shared.request_timeout
            },
            stopping: None,
        }
    }

    /// Takes over the body, once it has come to its end.
    pub fn over(&mut self, payload: Payload) {
        self.caller = Some(payload);
    }

    /// Ready with the reason when the stream must end. Wakes its task for every look.
    pub fn poll(&mut self, route: &Route, cx: &mut Context<'_>) -> Poll<Stop> {
        while self.ticks.poll_tick(cx).is_ready() {
            if self.has_gone(cx) {
                return Poll::Ready(Stop::Gone);
            }
            if let Some(problem) = self.reason(route) {
                return Poll::Ready(Stop::Told(problem));
            }
        }
        Poll::Pending
    }

    fn has_gone(&mut self, cx: &mut Context<'_>) -> bool {
        let polled = self.caller.as_mut().map(|it| it.poll_next_unpin(cx));
        matches!(polled, Some(Poll::Ready(Some(Err(_)))))
    }

    fn reason(&mut self, route: &Route) -> Option<Problem> {
        if let Some(refusal) = self.refusal() {
            let origin = Origin {
                token: true,
                scopes: &route.policy.scopes,
                ..Origin::default()
            };
            return Some(Problem::refused(refusal, &origin));
        }
        if self.stop.is_cancelled() {
            let since = *self.stopping.get_or_insert_with(Instant::now);
            return (since.elapsed() >= self.grace).then(Problem::unavailable);
        }
        None
    }

    fn refusal(&self) -> Option<Refusal> {
        let session = self.session.as_deref();
        if session.is_some_and(|session| self.denylist.is_denied(session)) {
            return Some(Refusal::Revoked);
        }
        let now = u64::try_from(self.clock.now().timestamp()).unwrap_or(0);
        let expired = self.expires.is_some_and(|at| now >= at);
        expired.then_some(Refusal::Expired)
    }
}
