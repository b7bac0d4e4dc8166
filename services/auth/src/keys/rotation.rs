//! When keys come and go.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Algorithm, StoredKey};

/// How long keys sign, and how long they are kept for those who verify.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    /// What new keys are made for.
    pub(crate) algorithm: Algorithm,
    /// How long a key signs.
    pub(crate) period: TimeDelta,
    /// How long a key outlives its signing: the life of the longest token, and some more.
    pub(crate) keep: TimeDelta,
    /// How long a key stands in the published set before it signs, at least: longer than a cached
    /// copy of the set is used.
    pub(crate) ahead: TimeDelta,
}

/// What has to change so that one key signs, the next one is published, and dead ones are gone.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// When each key to be generated begins to sign.
    pub(crate) create: Vec<DateTime<Utc>>,
    /// Keys that end, and when.
    pub(crate) retire: Vec<(String, DateTime<Utc>)>,
    /// Keys whose last token is dead, and keys that will never sign.
    pub(crate) remove: Vec<String>,
}

impl Plan {
    /// Whether all is as it should be.
    pub(crate) fn is_empty(&self) -> bool {
        self.create.is_empty() && self.retire.is_empty() && self.remove.is_empty()
    }
}

impl Schedule {
    pub(crate) fn new(algorithm: Algorithm, period_seconds: u64, token_seconds: u64) -> Self {
        let seconds = |n: u64| TimeDelta::seconds(i64::try_from(n).unwrap_or(i64::MAX / 1_000_000));
        let period = seconds(period_seconds.max(2));
        Self {
            algorithm,
            period,
            keep: seconds(token_seconds) + TimeDelta::seconds(60),
            ahead: (period / 2).min(TimeDelta::minutes(10)),
        }
    }

    /// How long others may cache the published set: never so long that a key signs unseen.
    pub(crate) fn max_age(&self) -> TimeDelta {
        TimeDelta::minutes(5).min(self.ahead / 2)
    }

    /// Compares the stored keys with how they should be.
    ///
    /// The next key is made as soon as the one before it begins to sign, so a whole period lies
    /// between its publication and its use, and an early rotation finds it known everywhere. When the
    /// algorithm was changed, a key that waits for another one is withdrawn, and its successor waits no
    /// longer than it has to be published ahead.
    pub(crate) fn plan(&self, keys: &[StoredKey], now: DateTime<Utc>) -> Plan {
        let mut plan = Plan::default();
        let mut alive: Vec<&StoredKey> = keys.iter().collect();
        alive.sort_by_key(|key| key.activate_time);
        alive.retain(|key| {
            // By a clock that is ahead of this one it may sign already.
            let waits = key.activate_time > now + self.ahead / 2;
            let withdrawn = waits && key.algorithm != self.algorithm;
            if withdrawn {
                plan.remove.push(key.kid.clone());
            }
            !withdrawn
        });
        let current = alive.iter().rposition(|key| key.activate_time <= now);

        for key in &alive[..current.unwrap_or(0)] {
            if key.retire_time.is_some_and(|time| time <= now) {
                plan.remove.push(key.kid.clone());
            }
        }
        let mut begins: Vec<DateTime<Utc>> = alive.iter().map(|key| key.activate_time).collect();
        if current.is_none() {
            plan.create.push(now);
            begins.insert(0, now);
        }
        let signs = current.unwrap_or(0);
        let created = begins.len() == signs + 1;
        if created {
            let signer = current.map(|place| alive[place]);
            let next = match signer.filter(|key| key.algorithm != self.algorithm) {
                Some(_) => now + self.ahead,
                None => (begins[signs] + self.period).max(now + self.ahead),
            };
            plan.create.push(next);
            begins.push(next);
        }
        for (index, key) in alive.iter().enumerate() {
            let successor = begins.get(index + 1 + usize::from(current.is_none()));
            // A new successor is a new end for the key that signs.
            let open = key.retire_time.is_none() || (created && current == Some(index));
            if let (true, Some(successor)) = (open, successor) {
                plan.retire.push((key.kid.clone(), *successor + self.keep));
            }
        }
        plan
    }
}

#[cfg(test)]
mod tests;
