//! Ended sessions, from one process to the others.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{sync::Arc, time::Duration};

use portico_cache::{Cache, Denylist, connect};
use tokio::time::{sleep, timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const TTL: Duration = Duration::from_mins(10);
/// Well under what a person notices, well over what a busy machine needs.
const SOON: Duration = Duration::from_secs(2);

/// One process of a deployment.
struct Process {
    list: Denylist,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Process {
    fn start(cache: Arc<dyn Cache>) -> Self {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let list = Denylist::start(cache, &tasks, stop.clone());
        Self { list, tasks, stop }
    }

    /// One that has read the list.
    async fn synced(cache: Arc<dyn Cache>) -> Self {
        let process = Self::start(cache);
        assert!(process.list.synced(SOON).await);
        process
    }

    async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        timeout(SOON, self.tasks.wait())
            .await
            .expect("the list ends when told to");
    }
}

async fn learns(list: &Denylist, sid: &str, within: Duration) -> bool {
    let learning = async {
        while !list.is_denied(sid) {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(within, learning).await.is_ok()
}

/// A way to give each process of a test its own cache with the same content.
async fn deployments() -> Vec<Vec<Arc<dyn Cache>>> {
    let memory = connect(None).await.unwrap();
    let mut deployments = vec![vec![memory; 3]];
    if let Some(redis) = portico_testing::redis() {
        let url = redis.database();
        let mut caches = Vec::new();
        for _ in 0..3 {
            caches.push(connect(Some(&url)).await.unwrap());
        }
        deployments.push(caches);
    }
    deployments
}

#[tokio::test]
async fn what_one_denies_the_others_know_at_once() {
    for caches in deployments().await {
        let [a, b, c] = caches.try_into().ok().unwrap();
        let (a, b) = (Process::synced(a).await, Process::synced(b).await);
        assert!(!a.list.is_denied("s-1"));
        a.list.deny("s-1", TTL).await;
        assert!(a.list.is_denied("s-1"), "here without delay");
        assert!(learns(&b.list, "s-1", SOON).await);
        assert!(!b.list.is_denied("s-2"));

        let late = Process::synced(c).await;
        assert!(
            late.list.is_denied("s-1"),
            "a late one reads the whole list"
        );
        for process in [a, b, late] {
            process.end().await;
        }
    }
}

#[tokio::test]
async fn what_is_denied_here_stays_here() {
    for caches in deployments().await {
        let [a, b, c] = caches.try_into().ok().unwrap();
        let (a, b) = (Process::synced(a).await, Process::synced(b).await);
        a.list.deny_here("local", TTL);
        assert!(a.list.is_denied("local"));
        // Later ones overtake nobody: when the second is known, the first would be.
        a.list.deny("shared", TTL).await;
        assert!(learns(&b.list, "shared", SOON).await);
        assert!(!b.list.is_denied("local"));
        assert!(!Process::synced(c).await.list.is_denied("local"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_ends_with_its_time() {
    let process = Process::start(connect(None).await.unwrap());
    process.list.deny("s", TTL).await;
    process.list.deny("s", Duration::from_secs(1)).await;
    sleep(Duration::from_secs(599)).await;
    assert!(
        process.list.is_denied("s"),
        "a shorter time does not shorten a longer one"
    );
    sleep(Duration::from_secs(2)).await;
    assert!(!process.list.is_denied("s"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_what_is_known_stands_and_what_is_new_is_handed_on_later() {
    let Some(mut redis) = portico_testing::own_redis() else {
        return;
    };
    let url = redis.url();
    let a = Process::synced(connect(Some(&url)).await.unwrap()).await;
    let b = Process::synced(connect(Some(&url)).await.unwrap()).await;
    a.list.deny("before", TTL).await;
    assert!(learns(&b.list, "before", SOON).await);

    redis.stop();
    a.list.deny("meanwhile", TTL).await;
    assert!(a.list.is_denied("meanwhile"), "denying works alone");
    assert!(b.list.is_denied("before"), "the last known list stands");
    assert!(!b.list.is_denied("meanwhile"));
    let newcomer = Process::start(connect(Some(&url)).await.unwrap());
    assert!(!newcomer.list.synced(Duration::from_millis(400)).await);

    redis.start();
    assert!(learns(&b.list, "meanwhile", Duration::from_secs(5)).await);
    // Redis came back empty: what it forgot it has again from those who know.
    assert!(learns(&newcomer.list, "before", Duration::from_secs(5)).await);
    assert!(learns(&newcomer.list, "meanwhile", Duration::from_secs(5)).await);
    for process in [a, b, newcomer] {
        process.end().await;
    }
}
