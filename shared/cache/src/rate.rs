//! How often something may happen: the generic cell rate algorithm (GCRA, ITU-T I.371), which needs one
//! number for each rate and forgets by itself.

use std::time::Duration;

/// So many in a period, at once or spread; what was taken comes back evenly over the period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many; at least one.
    pub limit: u32,
    /// In which time; at least a microsecond for each, and at most a year.
    pub period: Duration,
}

/// What came of taking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Whether it was taken.
    pub allowed: bool,
    /// How many more may be taken now.
    pub remaining: u32,
    /// When as much can be taken as was asked for; zero when it was. More than a whole limit never can be.
    pub retry_after: Duration,
}

impl Rate {
    /// So many in a period.
    pub const fn new(limit: u32, period: Duration) -> Self {
        Self { limit, period }
    }

    /// The time in which one comes back, in microseconds.
    pub(crate) fn interval(&self) -> u64 {
        let period = u64::try_from(self.period.as_micros()).unwrap_or(u64::MAX);
        (period.min(LONGEST) / u64::from(self.limit.max(1))).max(1)
    }

    /// The time in which all come back, in microseconds.
    pub(crate) fn whole(&self) -> u64 {
        self.interval() * u64::from(self.limit.max(1))
    }
}

/// The longest period, in microseconds: a year. Sums of times stay exact, also as Redis reckons.
const LONGEST: u64 = 365 * 24 * 3_600_000_000;

/// Takes from every rate, or from none. `ends` are the moments at which everything will have come back,
/// in microseconds like `now`; those that are missing are over.
pub(crate) fn take(ends: &mut Vec<u64>, rates: &[Rate], cost: u32, now: u64) -> Taken {
    ends.resize(rates.len(), 0);
    let mut taken = Taken {
        allowed: true,
        remaining: u32::MAX,
        retry_after: Duration::ZERO,
    };
    let after = |end: u64, rate: &Rate| {
        let more = rate.interval().saturating_mul(cost.into());
        end.max(now).saturating_add(more)
    };
    for (end, rate) in ends.iter().zip(rates) {
        let late = (after(*end, rate) - now).saturating_sub(rate.whole());
        if late > 0 {
            taken.allowed = false;
            taken.retry_after = taken.retry_after.max(Duration::from_micros(late));
        }
    }
    for (end, rate) in ends.iter_mut().zip(rates) {
        if taken.allowed {
            *end = after(*end, rate);
        }
        let left = rate.whole().saturating_sub(end.saturating_sub(now)) / rate.interval();
        taken.remaining = taken.remaining.min(u32::try_from(left).unwrap_or(u32::MAX));
    }
    taken
}

/// Takes note of `spent` that was taken before anybody asked, and that the rates are used up for `debts` at
/// least, in microseconds; then takes one from every rate, or from none.
pub(crate) fn settle(
    ends: &mut Vec<u64>,
    rates: &[Rate],
    spent: u32,
    debts: &[u64],
    now: u64,
) -> Taken {
    ends.resize(rates.len(), 0);
    for ((end, rate), debt) in ends.iter_mut().zip(rates).zip(debts) {
        let more = rate.interval().saturating_mul(spent.into());
        *end = (*end).max(now.saturating_add(*debt)).saturating_add(more);
    }
    take(ends, rates, 1, now)
}

/// Takes `cost` from every rate whatever is left, and no more than that everything comes back after a whole
/// period.
pub(crate) fn charge(ends: &mut Vec<u64>, rates: &[Rate], cost: u32, now: u64) {
    ends.resize(rates.len(), 0);
    for (end, rate) in ends.iter_mut().zip(rates) {
        let more = rate.interval().saturating_mul(cost.into());
        let latest = now.saturating_add(rate.whole());
        *end = (*end).max(now).saturating_add(more).min(latest);
    }
}

/// Puts back into every rate what was taken from it.
pub(crate) fn put_back(ends: &mut [u64], rates: &[Rate], cost: u32) {
    for (end, rate) in ends.iter_mut().zip(rates) {
        *end = end.saturating_sub(rate.interval().saturating_mul(cost.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;
    const RATES: [Rate; 2] = [
        Rate::new(2, Duration::from_secs(10)),
        Rate::new(4, Duration::from_secs(100)),
    ];

    #[test]
    fn what_was_taken_comes_back_evenly() {
        let mut ends = Vec::new();
        let rate = [Rate::new(2, Duration::from_secs(10))];
        let mut at = |second: u64| take(&mut ends, &rate, 1, 1000 * SECOND + second * SECOND);
        assert_eq!((at(0).remaining, at(0).remaining), (1, 0));
        let refused = at(0);
        assert!(!refused.allowed);
        assert_eq!(refused.retry_after, Duration::from_secs(5));
        assert_eq!(at(4).retry_after, Duration::from_secs(1));
        assert!(at(5).allowed && !at(5).allowed);
        assert!(at(1000).allowed && at(1000).allowed && !at(1000).allowed);
    }

    #[test]
    fn the_delay_grows_with_the_longer_rate_and_a_refusal_takes_nothing() {
        let mut ends = Vec::new();
        let mut delays = Vec::new();
        let mut now = 0;
        for _ in 0..6 {
            loop {
                let taken = take(&mut ends, &RATES, 1, now);
                if taken.allowed {
                    break;
                }
                delays.push(taken.retry_after.as_secs());
                now += u64::try_from(taken.retry_after.as_micros()).expect("is short");
            }
        }
        assert_eq!(delays, [5, 5, 15, 25]);
    }

    #[test]
    fn what_is_put_back_can_be_taken_again() {
        let mut ends = Vec::new();
        assert!(take(&mut ends, &RATES, 2, SECOND).allowed);
        assert!(!take(&mut ends, &RATES, 1, SECOND).allowed);
        put_back(&mut ends, &RATES, 1);
        assert!(take(&mut ends, &RATES, 1, SECOND).allowed);
        put_back(&mut ends, &RATES, u32::MAX);
        assert_eq!(take(&mut ends, &RATES, 0, SECOND).remaining, 2);
    }

    #[test]
    fn what_was_spent_before_is_settled_first() {
        let rate = [Rate::new(4, Duration::from_secs(4))];
        let mut ends = Vec::new();
        let taken = settle(&mut ends, &rate, 2, &[0], SECOND);
        assert!(taken.allowed && taken.remaining == 1);
        // It is owed even where nothing is left.
        assert!(!settle(&mut ends, &rate, 3, &[0], SECOND).allowed);
        assert_eq!(ends, [7 * SECOND]);
        // Nothing known is as much as what another one says at least.
        let taken = settle(&mut Vec::new(), &rate, 0, &[3 * SECOND], SECOND);
        assert!(taken.allowed && taken.remaining == 0);
    }

    #[test]
    fn a_charge_is_for_one_period_at_most() {
        let rate = [Rate::new(4, Duration::from_secs(4))];
        let mut ends = Vec::new();
        charge(&mut ends, &rate, 1, SECOND);
        assert_eq!(ends, [2 * SECOND]);
        charge(&mut ends, &rate, u32::MAX, SECOND);
        assert_eq!(ends, [5 * SECOND]);
    }

    #[test]
    fn no_number_is_too_large_or_too_small() {
        for rate in [
            Rate::new(0, Duration::ZERO),
            Rate::new(u32::MAX, Duration::MAX),
            Rate::new(1, Duration::MAX),
            Rate::new(u32::MAX, Duration::from_nanos(1)),
        ] {
            let mut ends = vec![u64::MAX / 2];
            take(&mut ends, &[rate], u32::MAX, 4_000_000_000_000_000);
            let whole = rate.limit.max(1);
            assert!(take(&mut Vec::new(), &[rate], whole, 0).allowed, "{rate:?}");
            if let Some(more) = whole.checked_add(1) {
                assert!(!take(&mut Vec::new(), &[rate], more, 0).allowed, "{rate:?}");
            }
        }
    }
}
