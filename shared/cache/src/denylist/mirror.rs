//! This process's copy of the list.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::{Mark, deadline};

/// Readers of different sessions seldom meet at one lock.
const SHARDS: usize = 64;
/// How many entries a shard may have before those whose time is over are looked for.
const TIDY_AT: usize = 64;

pub(super) struct Mirror {
    /// False until the first entry, so that a deployment where nobody signs out pays nothing.
    used: AtomicBool,
    hasher: RandomState,
    shards: [RwLock<Shard>; SHARDS],
}

struct Shard {
    entries: HashMap<Box<str>, Entry>,
    tidy_at: usize,
}

#[derive(Clone, Copy)]
struct Entry {
    until: Instant,
    /// Whether other processes are to know of it.
    for_others: bool,
}

impl Default for Shard {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            tidy_at: TIDY_AT,
        }
    }
}

impl Shard {
    fn tidy(&mut self, now: Instant) {
        self.entries.retain(|_, entry| entry.until > now);
        self.tidy_at = TIDY_AT.max(self.entries.len() * 2);
    }
}

impl Mirror {
    pub(super) fn new() -> Self {
        Self {
            used: AtomicBool::new(false),
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| RwLock::default()),
        }
    }

    /// Adds an entry, or makes one last longer. One for others is to be known to all processes.
    pub(super) fn deny(&self, sid: &str, ttl: Duration, for_others: bool) {
        let now = Instant::now();
        let until = deadline(now, ttl);
        let lock = self.shard(sid);
        let mut shard = lock.write().unwrap_or_else(PoisonError::into_inner);
        let absent = Entry {
            until,
            for_others: false,
        };
        let entry = shard.entries.entry(sid.into()).or_insert(absent);
        entry.until = entry.until.max(until);
        entry.for_others |= for_others;
        if shard.entries.len() > shard.tidy_at {
            shard.tidy(now);
        }
        drop(shard);
        self.used.store(true, Ordering::Release);
    }

    pub(super) fn is_denied(&self, sid: &str) -> bool {
        if !self.used.load(Ordering::Acquire) {
            return false;
        }
        let shard = self
            .shard(sid)
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let entry = shard.entries.get(sid);
        entry.is_some_and(|entry| entry.until > Instant::now())
    }

    /// Entries for others that are not among `there`, or that end sooner there.
    pub(super) fn missing_from(&self, there: &[Mark], slack: Duration) -> Vec<Mark> {
        let known: HashMap<&str, Duration> = there
            .iter()
            .map(|mark| (mark.member.as_str(), mark.remaining))
            .collect();
        let now = Instant::now();
        let mut missing = Vec::new();
        for shard in &self.shards {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            for (sid, entry) in shard.entries.iter().filter(|(_, entry)| entry.for_others) {
                let remaining = entry.until.saturating_duration_since(now);
                let stands_there = known.get(sid.as_ref()).copied().unwrap_or_default();
                if remaining > stands_there + slack {
                    let member = sid.to_string();
                    missing.push(Mark { member, remaining });
                }
            }
        }
        missing
    }

    /// Forgets entries whose time is over. Answers how many are left.
    pub(super) fn tidy(&self) -> usize {
        let now = Instant::now();
        let tidy = |shard: &RwLock<Shard>| {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            shard.tidy(now);
            shard.entries.len()
        };
        self.shards.iter().map(tidy).sum()
    }

    fn shard(&self, sid: &str) -> &RwLock<Shard> {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "any bits of a hash will do"
        )]
        let index = self.hasher.hash_one(sid) as usize % SHARDS;
        &self.shards[index]
    }
}
