//! The cache of a single process.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, ready},
    stream::{self, BoxStream},
};
use quick_cache::{
    Weighter,
    sync::{Cache as Bounded, EntryAction, EntryResult},
};
use tokio::{sync::broadcast, time::Instant};

use crate::{Cache, Mark, Rate, Result, Taken, deadline, rate};

/// How much all values and their keys may take together, in bytes.
const CAPACITY: u64 = 16 << 20;
/// How many keys are counted. Each takes some 200 bytes; the least used go first.
const MOST_COUNTS: usize = 100_000;
/// What an entry takes beside its key and value, roughly, in bytes.
const OVERHEAD: u64 = 96;
/// How many marks a watcher may be behind before it has to read the whole set again.
const BACKLOG: usize = 1024;

/// Values, counts and marks in the memory of this process; bounded, and gone with it.
pub struct Memory {
    values: Bounded<String, Held, Weight>,
    /// When what was taken of each key's rates will have come back, in microseconds after `start`.
    counts: Bounded<String, Vec<u64>>,
    start: Instant,
    sets: Mutex<HashMap<String, Set>>,
}

#[derive(Clone)]
struct Held {
    value: Bytes,
    until: Instant,
}

#[derive(Clone)]
struct Weight;

impl Weighter<String, Held> for Weight {
    fn weight(&self, key: &String, held: &Held) -> u64 {
        (key.len() + held.value.len()) as u64 + OVERHEAD
    }
}

struct Set {
    members: HashMap<String, Instant>,
    /// How many members there may be before those whose time is over are looked for.
    tidy_at: usize,
    watchers: broadcast::Sender<Mark>,
}

impl Memory {
    /// An empty cache.
    pub fn new() -> Self {
        Self {
            values: Bounded::with_weighter(1024, CAPACITY, Weight),
            counts: Bounded::new(MOST_COUNTS),
            start: Instant::now(),
            sets: Mutex::default(),
        }
    }

    fn sets(&self) -> MutexGuard<'_, HashMap<String, Set>> {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Changes the counts of a key, which nobody else changes meanwhile.
    fn count<T>(&self, key: &str, change: impl Fn(&mut Vec<u64>) -> T) -> T {
        let found = self.counts.entry(key, None, |_, ends: &mut Vec<u64>| {
            EntryAction::Retain(change(ends))
        });
        let mut ends = Vec::new();
        match found {
            EntryResult::Retained(done) => done,
            EntryResult::Vacant(guard) => {
                let done = change(&mut ends);
                // The guard fails only when the key was set meanwhile, which nobody does otherwise.
                guard.insert(ends).ok();
                done
            }
            EntryResult::Removed(..) | EntryResult::Replaced(..) | EntryResult::Timeout => {
                change(&mut ends)
            }
        }
    }

    pub(crate) fn take_here(&self, key: &str, rates: &[Rate], cost: u32) -> Taken {
        let now = self.now();
        self.count(key, |ends| rate::take(ends, rates, cost, now))
    }

    pub(crate) fn put_back_here(&self, key: &str, rates: &[Rate], cost: u32) {
        self.count(key, |ends| rate::put_back(ends, rates, cost));
    }

    fn insert_if_absent(&self, key: &str, held: Held) -> bool {
        let now = Instant::now();
        let found = self.values.entry(key, None, |_, old: &mut Held| {
            if old.until > now {
                EntryAction::Retain(())
            } else {
                EntryAction::ReplaceWithGuard
            }
        });
        match found {
            EntryResult::Vacant(guard) | EntryResult::Replaced(guard, _) => {
                // The guard fails only when the key was removed or set meanwhile; the later one wins.
                guard.insert(held).is_ok()
            }
            EntryResult::Retained(()) | EntryResult::Removed(..) | EntryResult::Timeout => false,
        }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Set {
    fn new() -> Self {
        Self {
            members: HashMap::new(),
            tidy_at: BACKLOG,
            watchers: broadcast::channel(BACKLOG).0,
        }
    }

    fn add(&mut self, mark: &Mark, now: Instant) {
        let until = deadline(now, mark.remaining);
        let stands = self.members.entry(mark.member.clone()).or_insert(until);
        *stands = (*stands).max(until);
        if self.members.len() > self.tidy_at {
            self.members.retain(|_, until| *until > now);
            self.tidy_at = BACKLOG.max(self.members.len() * 2);
        }
        // Nobody watching is no failure.
        let _ = self.watchers.send(mark.clone());
    }
}

impl Cache for Memory {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>>> {
        let held = self.values.get(key);
        let value = held.filter(|held| held.until > Instant::now());
        ready(Ok(value.map(|held| held.value))).boxed()
    }

    fn put<'a>(&'a self, key: &'a str, value: Bytes, ttl: Duration) -> BoxFuture<'a, Result<()>> {
        let until = deadline(Instant::now(), ttl);
        self.values.insert(key.to_owned(), Held { value, until });
        ready(Ok(())).boxed()
    }

    fn put_if_absent<'a>(
        &'a self,
        key: &'a str,
        value: Bytes,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<bool>> {
        let until = deadline(Instant::now(), ttl);
        ready(Ok(self.insert_if_absent(key, Held { value, until }))).boxed()
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<()>> {
        self.values.remove(key);
        ready(Ok(())).boxed()
    }

    fn take<'a>(
        &'a self,
        key: &'a str,
        rates: &'a [Rate],
        cost: u32,
    ) -> BoxFuture<'a, Result<Taken>> {
        ready(Ok(self.take_here(key, rates, cost))).boxed()
    }

    fn settle<'a>(
        &'a self,
        key: &'a str,
        rates: &'a [Rate],
        spent: u32,
        debts: &'a [u64],
    ) -> BoxFuture<'a, Result<Taken>> {
        let now = self.now();
        let taken = self.count(key, |ends| rate::settle(ends, rates, spent, debts, now));
        ready(Ok(taken)).boxed()
    }

    fn put_back<'a>(
        &'a self,
        key: &'a str,
        rates: &'a [Rate],
        cost: u32,
    ) -> BoxFuture<'a, Result<()>> {
        self.put_back_here(key, rates, cost);
        ready(Ok(())).boxed()
    }

    fn mark<'a>(&'a self, set: &'a str, marks: &'a [Mark]) -> BoxFuture<'a, Result<()>> {
        let now = Instant::now();
        let mut sets = self.sets();
        let set = sets.entry(set.to_owned()).or_insert_with(Set::new);
        for mark in marks {
            set.add(mark, now);
        }
        ready(Ok(())).boxed()
    }

    fn marked<'a>(&'a self, set: &'a str) -> BoxFuture<'a, Result<Vec<Mark>>> {
        let now = Instant::now();
        let sets = self.sets();
        let marks = sets.get(set).map(|set| {
            let standing = set.members.iter().filter(|(_, until)| **until > now);
            let mark = |(member, until): (&String, &Instant)| Mark {
                member: member.clone(),
                remaining: *until - now,
            };
            standing.map(mark).collect()
        });
        ready(Ok(marks.unwrap_or_default())).boxed()
    }

    fn watch<'a>(&'a self, set: &'a str) -> BoxFuture<'a, Result<BoxStream<'static, Mark>>> {
        let mut sets = self.sets();
        let set = sets.entry(set.to_owned()).or_insert_with(Set::new);
        // Lagging ends the stream, as its contract says: something was missed.
        let marks = stream::unfold(set.watchers.subscribe(), async |mut marks| {
            Some((marks.recv().await.ok()?, marks))
        });
        ready(Ok(marks.boxed())).boxed()
    }
}
