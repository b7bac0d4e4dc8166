//! Limits of many requests: joint where there is a Redis, without asking it for each request.

mod tally;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use quick_cache::sync::{Cache as Bounded, EntryAction, EntryResult};
use tokio::time::Instant;

use self::tally::{Step, Tally};
use crate::{Cache, Rate};

/// How many keys are remembered. Each takes some 250 bytes; the least used go first.
const MOST: usize = 100_000;

/// How a key stands after a request was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether the request is within every rate.
    pub allowed: bool,
    /// How many more are, as far as this process knows.
    pub remaining: u32,
    /// When the next one is; zero when this one was.
    pub retry_after: Duration,
    /// When everything will have come back, as far as this process knows.
    pub restored_after: Duration,
}

/// How often keys were used, in the whole deployment; in each process where nothing is shared, or while it
/// is away.
///
/// As long as a limit is far away, a process lets a 400th part of it pass before it tells the others, and
/// the nearer the limit, the less; what passed is taken from the limit all the same. So several processes
/// pass at most so much each above a limit at any moment, and none in the long run. A limit below 400 is
/// asked for with each request. What was refused is not asked for again before it can be had.
///
/// Each process counts beside that what it let pass itself. That goes on while the shared cache is away, and
/// is handed to it when it comes back and has forgotten. Clones share the counts.
#[derive(Clone)]
pub struct Quotas(Arc<Inner>);

struct Inner {
    shared: Option<Arc<dyn Cache>>,
    tallies: Bounded<String, Tally>,
    start: Instant,
}

impl Quotas {
    /// Counts in a cache that several processes share, or in this process alone.
    pub fn new(shared: Option<Arc<dyn Cache>>) -> Self {
        Self(Arc::new(Inner {
            shared,
            tallies: Bounded::new(MOST),
            start: Instant::now(),
        }))
    }

    /// Counts one use of a key, unless it is refused. The rates of a key are always the same ones, in the
    /// same order. Never fails, and waits no longer than the cache does.
    pub async fn take(&self, key: &str, rates: &[Rate]) -> Standing {
        let Some(shared) = &self.0.shared else {
            return self.change(key, |tally, now| tally.alone(rates, now));
        };
        let (spent, debts) = match self.change(key, |tally, now| tally.on_credit(rates, now)) {
            Step::Answer(standing) => return standing,
            Step::Ask { spent, debts } => (spent, debts),
        };
        match shared.settle(key, rates, spent, &debts).await {
            Ok(taken) => self.change(key, |tally, now| tally.settled(rates, taken, now)),
            Err(_) => self.change(key, |tally, now| tally.alone(rates, now)),
        }
    }

    /// Whether a key is certainly refused at this moment. Takes nothing and asks nobody.
    pub fn refuses(&self, key: &str, rates: &[Rate]) -> Option<Standing> {
        let tally = self.0.tallies.get(key)?;
        let standing = tally.look(rates, self.now());
        (!standing.allowed).then_some(standing)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Changes the tally of a key, which nobody else changes meanwhile.
    fn change<T>(&self, key: &str, change: impl Fn(&mut Tally, u64) -> T) -> T {
        let now = self.now();
        let found = self.0.tallies.entry(key, None, |_, tally: &mut Tally| {
            EntryAction::Retain(change(tally, now))
        });
        let mut tally = Tally::default();
        match found {
            EntryResult::Retained(done) => done,
            EntryResult::Vacant(guard) => {
                let done = change(&mut tally, now);
                // The guard fails only when the key was set meanwhile, which nobody does otherwise.
                guard.insert(tally).ok();
                done
            }
            EntryResult::Removed(..) | EntryResult::Replaced(..) | EntryResult::Timeout => {
                change(&mut tally, now)
            }
        }
    }
}

impl std::fmt::Debug for Quotas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Quotas")
    }
}
