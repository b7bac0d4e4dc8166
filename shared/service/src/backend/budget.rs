//! How many calls may be made more than once.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// What one repetition costs, where each call earns 1: a fifth of the calls may be repeated.
const COST: u32 = 5;

/// The most that is saved up, which is also what there is at first: as many repetitions as calls may be
/// lost at once with one endpoint.
const MOST: u32 = 100 * COST;

/// One worker's budget of repetitions for one service. Without it, a service that fails for want of
/// strength would get more calls, and not fewer.
pub(super) struct Budget(AtomicU32);

impl Default for Budget {
    fn default() -> Self {
        Self(AtomicU32::new(MOST))
    }
}

impl Budget {
    /// A call was made.
    pub fn earn(&self) {
        // A lost count now and then does no harm.
        let saved = self.0.load(Relaxed);
        if saved < MOST {
            self.0.store(saved + 1, Relaxed);
        }
    }

    /// Whether one may be made again.
    pub fn spend(&self) -> bool {
        self.0
            .fetch_update(Relaxed, Relaxed, |saved| saved.checked_sub(COST))
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_of_the_calls_may_be_repeated() {
        let budget = Budget::default();
        let at_once = (0..1000).filter(|_| budget.spend()).count();
        assert_eq!(at_once, 100);
        let mut repeated = 0;
        for _ in 0..1000 {
            budget.earn();
            repeated += u32::from(budget.spend());
        }
        assert_eq!(repeated, 200);
    }
}
