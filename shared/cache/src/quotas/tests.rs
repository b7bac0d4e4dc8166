use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::{BoxFuture, ready},
    stream::BoxStream,
};
use tokio::time::advance;

use super::*;
use crate::{Error, Mark, Memory, Result, Taken};

/// A cache that counts how often it is asked, and can be away.
#[derive(Default)]
struct Far {
    memory: Memory,
    asked: AtomicUsize,
    away: AtomicBool,
}

impl Cache for Far {
    fn settle<'a>(
        &'a self,
        key: &'a str,
        rates: &'a [Rate],
        spent: u32,
        debts: &'a [u64],
    ) -> BoxFuture<'a, Result<Taken>> {
        if self.away.load(Ordering::Relaxed) {
            return ready(Err(Error::Away)).boxed();
        }
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.memory.settle(key, rates, spent, debts)
    }

    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>>> {
        self.memory.get(key)
    }

    fn put<'a>(&'a self, key: &'a str, value: Bytes, ttl: Duration) -> BoxFuture<'a, Result<()>> {
        self.memory.put(key, value, ttl)
    }

    fn put_if_absent<'a>(
        &'a self,
        key: &'a str,
        value: Bytes,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<bool>> {
        self.memory.put_if_absent(key, value, ttl)
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<()>> {
        self.memory.remove(key)
    }

    fn take<'a>(
        &'a self,
        key: &'a str,
        rates: &'a [Rate],
        cost: u32,
    ) -> BoxFuture<'a, Result<Taken>> {
        self.memory.take(key, rates, cost)
    }

    fn put_back<'a>(
        &'a self,
        key: &'a str,
        rates: &'a [Rate],
        cost: u32,
    ) -> BoxFuture<'a, Result<()>> {
        self.memory.put_back(key, rates, cost)
    }

    fn mark<'a>(&'a self, set: &'a str, marks: &'a [Mark]) -> BoxFuture<'a, Result<()>> {
        self.memory.mark(set, marks)
    }

    fn marked<'a>(&'a self, set: &'a str) -> BoxFuture<'a, Result<Vec<Mark>>> {
        self.memory.marked(set)
    }

    fn watch<'a>(&'a self, set: &'a str) -> BoxFuture<'a, Result<BoxStream<'static, Mark>>> {
        self.memory.watch(set)
    }
}

/// Two processes on one cache.
fn two() -> (Arc<Far>, [Quotas; 2]) {
    let far = Arc::new(Far::default());
    let quotas = || Quotas::new(Some(far.clone() as Arc<dyn Cache>));
    let both = [quotas(), quotas()];
    (far, both)
}

/// How many of `times` uses are let pass, by the two in turn.
async fn pass(quotas: &[Quotas], rates: &[Rate], times: u32) -> u32 {
    let mut passed = 0;
    for turn in 0..times as usize {
        let standing = quotas[turn % quotas.len()].take("k", rates).await;
        passed += u32::from(standing.allowed);
    }
    passed
}

#[tokio::test(start_paused = true)]
async fn two_processes_hold_one_limit_within_one_percent() {
    for limit in [10, 399, 400, 1000, 20_000] {
        let (_, both) = two();
        let rates = [Rate::new(limit, Duration::from_mins(1))];
        let mut passed = 0;
        for _ in 0..60 {
            passed += pass(&both, &rates, limit / 10 + 5).await;
            advance(Duration::from_secs(1)).await;
        }
        // All at once, and all that came back in a minute; what came back in the last second may be left.
        let most = 2 * limit;
        let off = most.abs_diff(passed);
        assert!(
            off <= most / 100 + limit / 60 + 1,
            "{limit}: {passed} of {most}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_far_away_is_seldom_asked_for() {
    let (far, both) = two();
    let rates = [Rate::new(100_000, Duration::from_mins(1))];
    assert_eq!(pass(&both, &rates, 10_000).await, 10_000);
    let asked = far.asked.load(Ordering::Relaxed);
    assert!((30..60).contains(&asked), "{asked}");

    // A small one is asked for each time, and not again before it can be had.
    let small = [Rate::new(5, Duration::from_mins(1))];
    let before = far.asked.load(Ordering::Relaxed);
    let one = &both[..1];
    let mut passed = 0;
    for _ in 0..100 {
        passed += u32::from(one[0].take("small", &small).await.allowed);
    }
    assert_eq!(passed, 5);
    assert_eq!(far.asked.load(Ordering::Relaxed) - before, 6);
    advance(Duration::from_secs(12)).await;
    assert!(one[0].take("small", &small).await.allowed);
}

#[tokio::test(start_paused = true)]
async fn while_the_cache_is_away_each_process_goes_on_with_its_own_count() {
    let (far, both) = two();
    let rates = [Rate::new(100, Duration::from_secs(100))];
    assert_eq!(pass(&both, &rates, 80).await, 80);
    far.away.store(true, Ordering::Relaxed);
    // Forty of each were its own.
    assert_eq!(pass(&both[..1], &rates, 200).await, 60);
    assert_eq!(pass(&both[1..], &rates, 200).await, 60);
    advance(Duration::from_secs(10)).await;
    assert_eq!(pass(&both, &rates, 100).await, 20);
    // Back: what each of them owes counts at once, although the cache never saw it.
    far.away.store(false, Ordering::Relaxed);
    advance(Duration::from_secs(10)).await;
    assert_eq!(pass(&both, &rates, 100).await, 10);
}

#[tokio::test(start_paused = true)]
async fn what_passed_unasked_is_owed_and_not_owed_twice() {
    let (far, both) = two();
    let rates = [Rate::new(4000, Duration::from_secs(4000))];
    // Ten pass on credit, the eleventh tells of them.
    assert_eq!(pass(&both[..1], &rates, 11).await, 11);
    assert_eq!(far.asked.load(Ordering::Relaxed), 1);
    let left = far.memory.take("k", &rates, 0).await.unwrap().remaining;
    assert_eq!(left, 4000 - 11);
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_learns_when_to_come_back() {
    for quotas in [Quotas::new(None), two().1[0].clone()] {
        let rates = [
            Rate::new(2, Duration::from_secs(10)),
            Rate::new(100, Duration::from_secs(1000)),
        ];
        assert!(quotas.refuses("k", &rates).is_none());
        assert_eq!(quotas.take("k", &rates).await.remaining, 1);
        let last = quotas.take("k", &rates).await;
        assert_eq!((last.allowed, last.remaining), (true, 0));
        assert_eq!(last.restored_after, Duration::from_secs(20));
        let refused = quotas.take("k", &rates).await;
        assert!(!refused.allowed);
        assert_eq!(refused.retry_after, Duration::from_secs(5));
        assert!(quotas.refuses("k", &rates).is_some());
        advance(Duration::from_secs(5)).await;
        assert!(quotas.refuses("k", &rates).is_none());
        assert!(quotas.take("k", &rates).await.allowed);
    }
}
