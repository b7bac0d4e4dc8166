//! What every cache promises, asked of each make.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, future::join_all};
use portico_cache::{Cache, Mark, Rate, connect};
use tokio::time::{sleep, timeout};

const MINUTE: Duration = Duration::from_mins(1);

/// Every make that this machine has.
async fn caches() -> Vec<Arc<dyn Cache>> {
    let mut caches = vec![connect(None).await.unwrap()];
    if let Some(redis) = portico_testing::redis() {
        caches.push(connect(Some(&redis.database())).await.unwrap());
    }
    caches
}

fn mark(member: &str, remaining: Duration) -> Mark {
    Mark {
        member: member.to_owned(),
        remaining,
    }
}

async fn remaining(cache: &dyn Cache, set: &str, member: &str) -> Option<Duration> {
    let marks = cache.marked(set).await.unwrap();
    let of_member = marks.into_iter().filter(|mark| mark.member == member);
    of_member.map(|mark| mark.remaining).next()
}

#[tokio::test]
async fn a_value_is_there_until_its_time_is_over() {
    for cache in caches().await {
        let short = Duration::from_millis(150);
        cache
            .put("short", Bytes::from_static(b"a"), short)
            .await
            .unwrap();
        cache
            .put("long", Bytes::from_static(b"b"), MINUTE)
            .await
            .unwrap();
        assert_eq!(cache.get("short").await.unwrap().unwrap(), "a");
        sleep(Duration::from_millis(250)).await;
        assert_eq!(cache.get("short").await.unwrap(), None);
        assert_eq!(cache.get("long").await.unwrap().unwrap(), "b");
        assert_eq!(cache.get("never").await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_value_is_any_bytes() {
    for cache in caches().await {
        let value = Bytes::from_static(b"\r\n\0\xff$-1\r\n");
        cache
            .put("odd {key}\r\n", value.clone(), MINUTE)
            .await
            .unwrap();
        assert_eq!(cache.get("odd {key}\r\n").await.unwrap(), Some(value));
        cache.put("empty", Bytes::new(), MINUTE).await.unwrap();
        assert_eq!(cache.get("empty").await.unwrap(), Some(Bytes::new()));
    }
}

#[tokio::test]
async fn the_later_value_wins_and_removing_ends_it() {
    for cache in caches().await {
        cache
            .put("k", Bytes::from_static(b"1"), MINUTE)
            .await
            .unwrap();
        cache
            .put("k", Bytes::from_static(b"2"), MINUTE)
            .await
            .unwrap();
        assert_eq!(cache.get("k").await.unwrap().unwrap(), "2");
        cache.remove("k").await.unwrap();
        cache.remove("k").await.unwrap();
        assert_eq!(cache.get("k").await.unwrap(), None);
    }
}

#[tokio::test]
async fn of_many_who_put_if_absent_one_does() {
    for cache in caches().await {
        let puts = (0..32).map(|n| {
            let cache = cache.clone();
            async move {
                let value = Bytes::from(n.to_string());
                let ttl = Duration::from_millis(300);
                (n, cache.put_if_absent("once", value, ttl).await.unwrap())
            }
        });
        let winners: Vec<i32> = join_all(puts)
            .await
            .into_iter()
            .filter_map(|(n, won)| won.then_some(n))
            .collect();
        let [winner] = winners.as_slice() else {
            panic!("{winners:?} all put it");
        };
        let value = cache.get("once").await.unwrap().unwrap();
        assert_eq!(value, winner.to_string());

        sleep(Duration::from_millis(400)).await;
        let again = cache
            .put_if_absent("once", Bytes::new(), MINUTE)
            .await
            .unwrap();
        assert!(again, "its time is over, so it is absent");
    }
}

#[tokio::test]
async fn the_longest_and_the_shortest_times_are_taken() {
    for cache in caches().await {
        cache
            .put("long", Bytes::from_static(b"x"), Duration::MAX)
            .await
            .unwrap();
        assert!(cache.get("long").await.unwrap().is_some());
        cache
            .put("none", Bytes::from_static(b"x"), Duration::ZERO)
            .await
            .unwrap();
        sleep(Duration::from_millis(20)).await;
        assert_eq!(cache.get("none").await.unwrap(), None);
        cache
            .mark("ages", &[mark("m", Duration::MAX)])
            .await
            .unwrap();
        assert!(remaining(&*cache, "ages", "m").await.unwrap() > MINUTE);
    }
}

#[tokio::test]
async fn a_mark_stands_for_its_time() {
    for cache in caches().await {
        let marks = [
            mark("short", Duration::from_millis(150)),
            mark("long", MINUTE),
        ];
        cache.mark("s", &marks).await.unwrap();
        let left = remaining(&*cache, "s", "long").await.unwrap();
        assert!(left > Duration::from_secs(55) && left <= MINUTE, "{left:?}");
        assert!(remaining(&*cache, "s", "short").await.is_some());
        sleep(Duration::from_millis(250)).await;
        assert_eq!(remaining(&*cache, "s", "short").await, None);
        assert_eq!(remaining(&*cache, "another", "long").await, None);
    }
}

#[tokio::test]
async fn of_two_times_the_longer_stands() {
    for cache in caches().await {
        cache.mark("s", &[mark("m", MINUTE)]).await.unwrap();
        cache
            .mark("s", &[mark("m", Duration::from_millis(1))])
            .await
            .unwrap();
        sleep(Duration::from_millis(20)).await;
        assert!(remaining(&*cache, "s", "m").await.unwrap() > MINUTE / 2);
        cache.mark("s", &[mark("m", 2 * MINUTE)]).await.unwrap();
        assert!(remaining(&*cache, "s", "m").await.unwrap() > MINUTE);
    }
}

#[tokio::test]
async fn a_large_set_comes_back_whole() {
    for cache in caches().await {
        let marks: Vec<Mark> = (0..2500).map(|n| mark(&format!("m{n}"), MINUTE)).collect();
        cache.mark("large", &marks).await.unwrap();
        let mut found: Vec<String> = cache
            .marked("large")
            .await
            .unwrap()
            .into_iter()
            .map(|mark| mark.member)
            .collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), marks.len());
    }
}

#[tokio::test]
async fn every_watcher_hears_of_each_mark_in_order() {
    for cache in caches().await {
        let mut first = cache.watch("w").await.unwrap();
        let mut second = cache.watch("w").await.unwrap();
        cache.mark("other", &[mark("x", MINUTE)]).await.unwrap();
        cache
            .mark("w", &[mark("a", MINUTE), mark("b with space", MINUTE)])
            .await
            .unwrap();
        for watcher in [&mut first, &mut second] {
            for expected in ["a", "b with space"] {
                let heard = timeout(Duration::from_secs(2), watcher.next()).await;
                let heard = heard.expect("a mark is told at once").unwrap();
                assert_eq!(heard.member, expected);
                assert_eq!(heard.remaining, MINUTE);
            }
        }
    }
}

const RATES: [Rate; 2] = [
    Rate::new(3, Duration::from_millis(600)),
    Rate::new(5, Duration::from_mins(1)),
];

#[tokio::test]
async fn so_many_may_be_taken_and_come_back_evenly() {
    for cache in caches().await {
        let take = async |cost| cache.take("c", &RATES, cost).await.unwrap();
        assert_eq!(take(0).await.remaining, 3);
        assert_eq!(take(2).await.remaining, 1);
        let refused = take(2).await;
        assert!(!refused.allowed);
        assert!(refused.retry_after <= Duration::from_millis(200));
        assert!(take(1).await.allowed, "what was refused took nothing");
        assert!(!take(1).await.allowed);
        let other = cache.take("d", &RATES, 3).await.unwrap();
        assert!(other.allowed, "keys do not share");

        sleep(Duration::from_millis(250)).await;
        assert!(take(1).await.allowed, "one has come back");
        sleep(Duration::from_millis(650)).await;
        assert!(take(1).await.allowed, "the longer rate still had one");
        let refused = take(1).await;
        assert!(!refused.allowed);
        assert!(
            refused.retry_after > Duration::from_secs(5),
            "the delay has grown to that of the longer rate: {refused:?}"
        );
    }
}

#[tokio::test]
async fn what_is_put_back_can_be_taken_again() {
    for cache in caches().await {
        cache.put_back("c", &RATES, 1).await.unwrap();
        assert!(cache.take("c", &RATES, 3).await.unwrap().allowed);
        assert!(!cache.take("c", &RATES, 1).await.unwrap().allowed);
        cache.put_back("c", &RATES, 1).await.unwrap();
        assert!(cache.take("c", &RATES, 1).await.unwrap().allowed);
        cache.put_back("c", &RATES, 1000).await.unwrap();
        assert_eq!(cache.take("c", &RATES, 0).await.unwrap().remaining, 3);
    }
}

#[tokio::test]
async fn of_many_who_take_at_once_as_many_do_as_there_are() {
    for cache in caches().await {
        let rates = [Rate::new(20, Duration::from_mins(10))];
        let calls = (0..64).map(|_| cache.take("many", &rates, 1));
        let taken = join_all(calls).await;
        let allowed = taken.iter().filter(|one| one.as_ref().unwrap().allowed);
        assert_eq!(allowed.count(), 20);
    }
}

#[tokio::test]
async fn what_was_spent_or_is_owed_is_settled_before_one_is_taken() {
    let rates = [Rate::new(10, 10 * MINUTE), Rate::new(100, 1000 * MINUTE)];
    for cache in caches().await {
        let taken = cache.settle("settled", &rates, 6, &[0, 0]).await.unwrap();
        assert!(taken.allowed);
        assert_eq!(taken.remaining, 3);
        // Of two debts the larger stands, whoever names it.
        let debts = [8 * 60_000_000, 0];
        let taken = cache.settle("settled", &rates, 0, &debts).await.unwrap();
        assert!(taken.allowed);
        assert_eq!(taken.remaining, 1);
        // Settled in spite of the refusal.
        let taken = cache.settle("settled", &rates, 4, &[0, 0]).await.unwrap();
        assert!(!taken.allowed);
        assert!(taken.retry_after > 3 * MINUTE && taken.retry_after <= 4 * MINUTE);
        assert_eq!(cache.take("settled", &rates, 0).await.unwrap().remaining, 0);
    }
}
