//! What one process knows of one key.

use std::time::Duration;

use super::Standing;
use crate::{
    Rate, Taken,
    rate::{self, charge},
};

/// A process lets so many parts of a limit pass unasked at most.
const PARTS: u32 = 400;
/// And, as the limit comes near, so many parts of what is known to be left.
const PARTS_LEFT: u32 = 16;
/// And never more than this.
const MOST: u32 = 1000;

/// What one process knows of one key. Times are microseconds of the process' own clock.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    /// When all that this process let pass will have come back, for each rate.
    ends: Vec<u64>,
    /// What passed and was not told yet.
    unreported: u32,
    /// Since when.
    since: u64,
    /// What was left when the cache was asked last.
    known: u32,
    /// Until when the cache certainly refuses.
    refused_until: u64,
}

/// What becomes of a request.
pub(super) enum Step {
    /// It is decided.
    Answer(Standing),
    /// The cache decides. It takes note of what passed unasked, and of what each rate owes at least.
    Ask { spent: u32, debts: Vec<u64> },
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            ends: Vec::new(),
            unreported: 0,
            since: 0,
            known: u32::MAX,
            refused_until: 0,
        }
    }
}

impl Tally {
    /// Decides by what this process counted itself.
    pub(super) fn alone(&mut self, rates: &[Rate], now: u64) -> Standing {
        // Whatever was known may have changed when the cache is there again.
        (self.unreported, self.known) = (0, 0);
        let taken = rate::take(&mut self.ends, rates, 1, now);
        self.standing(taken, now)
    }

    /// What this process alone would say, if nothing were taken.
    pub(super) fn look(&self, rates: &[Rate], now: u64) -> Standing {
        if now < self.refused_until {
            return self.refused(now);
        }
        let mut ends = self.ends.clone();
        let taken = rate::take(&mut ends, rates, 1, now);
        self.standing(taken, now)
    }

    /// Lets a request pass that is so far from the limit that nobody has to be asked.
    pub(super) fn on_credit(&mut self, rates: &[Rate], now: u64) -> Step {
        if now < self.refused_until {
            return Step::Answer(self.refused(now));
        }
        let longest = rates.iter().map(Rate::whole).max().unwrap_or(0);
        if now.saturating_sub(self.since) > longest {
            // All of it has come back.
            (self.unreported, self.since) = (0, now);
        }
        let smallest = rates.iter().map(|rate| rate.limit).min().unwrap_or(0);
        let credit = (smallest / PARTS).min(self.known / PARTS_LEFT).min(MOST);
        if self.unreported < credit {
            if self.unreported == 0 {
                self.since = now;
            }
            self.unreported += 1;
            charge(&mut self.ends, rates, 1, now);
            let own = rate::take(&mut self.ends, rates, 0, now).remaining;
            let known = self.known.saturating_sub(self.unreported);
            let taken = Taken {
                allowed: true,
                remaining: own.min(known),
                retry_after: Duration::ZERO,
            };
            return Step::Answer(self.standing(taken, now));
        }
        self.ends.resize(rates.len(), 0);
        // What is about to be told apart stands in these too; the cache takes the larger of both, so
        // whatever it knows already is not counted twice.
        let unreported = |rate: &Rate| rate.interval().saturating_mul(self.unreported.into());
        let debts = self
            .ends
            .iter()
            .zip(rates)
            .map(|(end, rate)| end.saturating_sub(now).saturating_sub(unreported(rate)));
        let debts = debts.collect();
        let spent = std::mem::take(&mut self.unreported);
        Step::Ask { spent, debts }
    }

    /// Takes note of what the cache said.
    pub(super) fn settled(&mut self, rates: &[Rate], taken: Taken, now: u64) -> Standing {
        self.known = taken.remaining;
        if taken.allowed {
            charge(&mut self.ends, rates, 1, now);
        } else {
            let wait = u64::try_from(taken.retry_after.as_micros()).unwrap_or(u64::MAX);
            self.refused_until = now.saturating_add(wait);
        }
        self.standing(taken, now)
    }

    fn refused(&self, now: u64) -> Standing {
        let taken = Taken {
            allowed: false,
            remaining: 0,
            retry_after: Duration::from_micros(self.refused_until - now),
        };
        self.standing(taken, now)
    }

    fn standing(&self, taken: Taken, now: u64) -> Standing {
        let last = self.ends.iter().max().copied().unwrap_or(0);
        Standing {
            allowed: taken.allowed,
            remaining: taken.remaining,
            retry_after: taken.retry_after,
            restored_after: Duration::from_micros(last.saturating_sub(now)).max(taken.retry_after),
        }
    }
}
