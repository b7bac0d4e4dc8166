//! What happens around Redis being there or not.

use std::time::{Duration, Instant};

use bytes::Bytes;
use deadpool_redis::redis::{Client, cmd};
use futures_util::StreamExt;
use portico_cache::{Cache, Error, Mark, Redis, connect};
use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};

const MINUTE: Duration = Duration::from_mins(1);

fn mark(member: &str) -> Mark {
    Mark {
        member: member.to_owned(),
        remaining: MINUTE,
    }
}

/// Waits for a cache that is about to come back.
async fn until_back(cache: &dyn Cache) {
    let back = async {
        while cache.get("any").await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(5), back)
        .await
        .expect("redis is back within five seconds");
}

#[tokio::test]
async fn a_wrong_address_is_refused_without_repeating_it() {
    for url in [
        "http://user:secret@127.0.0.1",
        "redis://:secret@host:notaport",
        "secret",
        "",
    ] {
        let Err(error) = connect(Some(url)).await else {
            panic!("{url} was taken");
        };
        assert!(matches!(error, Error::Address(_)));
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn a_redis_that_nobody_runs_fails_each_call_at_once() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", closed.local_addr().unwrap());
    drop(closed);
    let cache = connect(Some(&url))
        .await
        .expect("starting does not need redis");
    let start = Instant::now();
    for _ in 0..100 {
        assert_eq!(cache.get("k").await, Err(Error::Away));
    }
    assert!(cache.watch("s").await.is_err());
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_redis_that_does_not_answer_holds_nobody_up() {
    // Connections are made by the kernel and never answered.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    let cache = Redis::new(&url).unwrap();
    let start = Instant::now();
    let outcome = cache.put("k", Bytes::from_static(b"v"), MINUTE).await;
    assert_eq!(outcome, Err(Error::Away));
    assert!(
        start.elapsed() < Duration::from_millis(450),
        "{:?}",
        start.elapsed()
    );
    // The next ones do not even wait for that.
    let start = Instant::now();
    for _ in 0..100 {
        assert_eq!(cache.get("k").await, Err(Error::Away));
    }
    assert!(
        start.elapsed() < Duration::from_millis(450),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_goes_and_comes_back_is_used_again() {
    let Some(mut redis) = portico_testing::own_redis() else {
        return;
    };
    let cache = connect(Some(&redis.url())).await.unwrap();
    cache
        .put("k", Bytes::from_static(b"v"), MINUTE)
        .await
        .unwrap();
    let mut watching = cache.watch("s").await.unwrap();

    redis.stop();
    assert_eq!(cache.get("k").await, Err(Error::Away));
    let ended = timeout(Duration::from_secs(2), watching.next()).await;
    assert_eq!(ended.expect("the watcher is told"), None);

    redis.start();
    until_back(&*cache).await;
    cache
        .put("k", Bytes::from_static(b"w"), MINUTE)
        .await
        .unwrap();
    assert_eq!(cache.get("k").await.unwrap().unwrap(), "w");
    let mut watching = cache.watch("s").await.unwrap();
    cache.mark("s", &[mark("m")]).await.unwrap();
    let heard = timeout(Duration::from_secs(2), watching.next())
        .await
        .unwrap();
    assert_eq!(heard, Some(mark("m")));
}

#[tokio::test]
async fn a_set_is_one_key_that_ends_by_itself() {
    let Some(redis) = portico_testing::redis() else {
        return;
    };
    let url = redis.database();
    let cache = connect(Some(&url)).await.unwrap();
    let short = Mark {
        remaining: Duration::from_millis(50),
        ..mark("short")
    };
    cache
        .mark("denylist", &[short, mark("long")])
        .await
        .unwrap();

    let client = Client::open(url).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> = cmd("KEYS").arg("*").query_async(&mut redis).await.unwrap();
    assert_eq!(
        keys,
        ["{portico:denylist}"],
        "a hash tag keeps it in one slot"
    );
    let left: i64 = cmd("PTTL")
        .arg(&keys[0])
        .query_async(&mut redis)
        .await
        .unwrap();
    assert!((50_000..=60_000).contains(&left), "{left} ms");

    sleep(Duration::from_millis(80)).await;
    cache.mark("denylist", &[mark("another")]).await.unwrap();
    let members: i64 = cmd("ZCARD")
        .arg(&keys[0])
        .query_async(&mut redis)
        .await
        .unwrap();
    assert_eq!(members, 2, "the one whose time is over went");
}

#[tokio::test]
async fn databases_of_one_server_do_not_hear_each_other() {
    let Some(redis) = portico_testing::redis() else {
        return;
    };
    let here = connect(Some(&redis.database())).await.unwrap();
    let there = connect(Some(&redis.database())).await.unwrap();
    let mut watching = here.watch("s").await.unwrap();
    there.mark("s", &[mark("theirs")]).await.unwrap();
    here.mark("s", &[mark("ours")]).await.unwrap();
    let heard = timeout(Duration::from_secs(2), watching.next())
        .await
        .unwrap();
    assert_eq!(heard, Some(mark("ours")));
    assert_eq!(here.marked("s").await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_refused_command_is_no_absence() {
    let Some(redis) = portico_testing::redis() else {
        return;
    };
    let url = redis.database();
    let cache = connect(Some(&url)).await.unwrap();
    let client = Client::open(url).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let () = cmd("LPUSH")
        .arg("portico:list")
        .arg("x")
        .query_async(&mut redis)
        .await
        .unwrap();
    assert_eq!(
        cache.get("list").await,
        Err(Error::Refused("WRONGTYPE".into()))
    );
    assert_eq!(cache.get("other").await, Ok(None));
}
