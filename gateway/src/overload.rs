//! How much of one upstream a worker asks for at a time, and who goes without when that is too little.
//!
//! How many calls an upstream bears is found out from how long they take ([`limit`]). What is beyond waits in
//! a short queue for a moment. When that is full, what matters least is refused: reads that anybody may
//! make before reads of account holders, those before changes, and sign-ins last. What the gateway answers
//! itself (`/health`, `/ready`) passes no gate.

mod limit;
mod pace;

#[cfg(test)]
mod tests;

use std::{
    cell::RefCell,
    collections::VecDeque,
    rc::Rc,
    time::{Duration, Instant},
};

use metrics::{counter, gauge};
use portico_caller::{Access, Policy};
use tokio::{sync::oneshot, time::timeout_at};

pub use pace::Pace;

use self::{limit::Limit, pace::Came};

/// How long a call waits at most until it may begin.
const PATIENCE: Duration = Duration::from_millis(250);

/// How many may wait: as many as are under way twice over, within these bounds.
const FEWEST_WAITING: usize = 16;
const MOST_WAITING: usize = 256;

/// Who is refused first. The order is that of worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// What anybody may read.
    PublicRead,
    /// What an account holder reads.
    Read,
    /// What changes something.
    Write,
    /// What makes a caller an account holder, or keeps one.
    SignIn,
}

const ALL: [Priority; 4] = [
    Priority::PublicRead,
    Priority::Read,
    Priority::Write,
    Priority::SignIn,
];

impl Priority {
    /// Of an RPC with that policy.
    pub fn of(policy: &Policy) -> Self {
        match (policy.access == Access::Public, policy.idempotent) {
            (true, true) => Self::PublicRead,
            (false, true) => Self::Read,
            (false, false) => Self::Write,
            (true, false) => Self::SignIn,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::PublicRead => "public_read",
            Self::Read => "read",
            Self::Write => "write",
            Self::SignIn => "sign_in",
        }
    }
}

/// The call is refused: the upstream has more to do than it can.
#[derive(Debug, PartialEq, Eq)]
pub struct Overloaded;

/// One worker's way to one upstream. Clones are the same.
#[derive(Clone)]
pub struct Gate(Rc<RefCell<State>>);

struct State {
    upstream: String,
    limit: Limit,
    in_flight: usize,
    waiting: [VecDeque<oneshot::Sender<Permit>>; ALL.len()],
}

/// A call under way. Dropped without a word, it tells nothing of the upstream.
#[derive(Debug)]
pub struct Permit {
    gate: Gate,
    priority: Priority,
    began: Instant,
}

impl Gate {
    /// The way to the upstream of that name, for at most so many calls at a time.
    pub fn new(upstream: &str, most: usize) -> Self {
        Self(Rc::new(RefCell::new(State {
            upstream: upstream.to_owned(),
            limit: Limit::new(most),
            in_flight: 0,
            waiting: Default::default(),
        })))
    }

    /// Whether a call would be refused now, so that its body need not be read first.
    pub fn is_hopeless(&self, priority: Priority) -> bool {
        let mut state = self.0.borrow_mut();
        let hopeless =
            state.in_flight >= state.limit.now() && state.is_full() && !state.has_below(priority);
        if hopeless {
            state.refuse(priority);
        }
        hopeless
    }

    /// Waits until the call may begin, not beyond the deadline.
    pub async fn enter(&self, priority: Priority, deadline: Instant) -> Result<Permit, Overloaded> {
        let turn = {
            let mut state = self.0.borrow_mut();
            if state.in_flight < state.limit.now() {
                state.in_flight += 1;
                return Ok(self.permit(priority));
            }
            state.limit.press();
            if state.is_full() && !state.make_room(priority) {
                state.refuse(priority);
                return Err(Overloaded);
            }
            let (place, turn) = oneshot::channel();
            state.waiting[priority as usize].push_back(place);
            turn
        };
        let patience = deadline.min(Instant::now() + PATIENCE);
        match timeout_at(patience.into(), turn).await {
            Ok(Ok(permit)) => Ok(permit),
            // Somebody who matters more took the place.
            Ok(Err(_evicted)) => Err(Overloaded),
            Err(_elapsed) => {
                self.0.borrow_mut().refuse(priority);
                Err(Overloaded)
            }
        }
    }

    fn permit(&self, priority: Priority) -> Permit {
        Permit {
            gate: self.clone(),
            priority,
            began: Instant::now(),
        }
    }

    /// Lets in whom there is room for, the worthiest first.
    fn admit(&self) {
        loop {
            let next = {
                let mut state = self.0.borrow_mut();
                if state.in_flight >= state.limit.now() {
                    return;
                }
                let Some(next) = state.next() else { return };
                state.in_flight += 1;
                next
            };
            let (priority, place) = next;
            // Outside the borrow: one that has just given up hands its permit back.
            drop(place.send(self.permit(priority)));
        }
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gate")
    }
}

impl State {
    fn is_full(&mut self) -> bool {
        let room = (self.limit.now() * 2).clamp(FEWEST_WAITING, MOST_WAITING);
        let count = |waiting: &[VecDeque<_>]| waiting.iter().map(VecDeque::len).sum::<usize>();
        if count(&self.waiting) < room {
            return false;
        }
        // Those who gave up are still in it.
        for waiting in &mut self.waiting {
            waiting.retain(|place: &oneshot::Sender<Permit>| !place.is_closed());
        }
        count(&self.waiting) >= room
    }

    fn has_below(&self, priority: Priority) -> bool {
        self.waiting[..priority as usize]
            .iter()
            .any(|waiting| !waiting.is_empty())
    }

    /// Refuses one who matters less, the last to come of those who matter least.
    fn make_room(&mut self, priority: Priority) -> bool {
        let below = &mut self.waiting[..priority as usize];
        let evicted = below.iter_mut().position(|it| it.pop_back().is_some());
        if let Some(place) = evicted {
            self.refuse(ALL[place]);
        }
        evicted.is_some()
    }

    fn next(&mut self) -> Option<(Priority, oneshot::Sender<Permit>)> {
        for (priority, waiting) in ALL.into_iter().zip(&mut self.waiting).rev() {
            while let Some(place) = waiting.pop_front() {
                if !place.is_closed() {
                    return Some((priority, place));
                }
            }
        }
        None
    }

    fn refuse(&self, priority: Priority) {
        counter!("gateway_shed_total",
            "upstream" => self.upstream.clone(), "priority" => priority.name())
        .increment(1);
    }
}

impl Permit {
    /// The upstream has answered, at the pace that is usual for the RPC or not. An answer that is not
    /// `good` may come sooner than usual.
    pub fn answered(self, pace: &Pace, good: bool) {
        // Sign-ins wait for each other over there, in a bounded queue of their own that says when it is full.
        if self.priority == Priority::SignIn {
            return;
        }
        let mut state = self.gate.0.borrow_mut();
        let took = self.began.elapsed();
        let came = pace.weigh(took);
        if good && !state.limit.is_pressed() {
            pace.note(took);
        }
        if state.limit.note(came, Instant::now()) {
            #[expect(clippy::cast_precision_loss, reason = "a limit is small")]
            gauge!("gateway_upstream_limit", "upstream" => state.upstream.clone())
                .set(state.limit.now() as f64);
        }
        drop(state);
    }

    /// There was no answer until the caller's deadline.
    pub fn late(self) {
        let mut state = self.gate.0.borrow_mut();
        state.limit.note(Came::FarTooLate, Instant::now());
        drop(state);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.gate.0.borrow_mut().in_flight -= 1;
        self.gate.admit();
    }
}
