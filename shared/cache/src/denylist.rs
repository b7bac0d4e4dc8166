//! Sessions that were ended while their access tokens are still good.

mod mirror;

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use metrics::gauge;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, MissedTickBehavior, interval_at, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::mirror::Mirror;
use crate::{Cache, Mark, Result};

/// The set in the cache.
const SET: &str = "denylist";
/// How often the whole list is read again, in case a message was lost.
const SYNC_EVERY: Duration = Duration::from_secs(30);
/// How long to wait before looking whether a lost cache is back.
const RETRY_AFTER: Duration = Duration::from_millis(300);
/// Two processes' ideas of when an entry ends may differ by this much.
const SLACK: Duration = Duration::from_secs(2);

/// The ids of ended sessions, known to every process of the deployment within milliseconds.
///
/// Asking is a look into this process's own memory. The cache carries entries from process to process;
/// while it is away the last known list stands, what is denied here holds here at once, and the others
/// learn of it when the cache is back. Entries live as long as the longest access token that they are
/// to stop, and then disappear, which bounds the memory.
#[derive(Clone)]
pub struct Denylist {
    inner: Arc<Inner>,
}

struct Inner {
    cache: Arc<dyn Cache>,
    mirror: Mirror,
    /// An entry did not reach the cache.
    unsent: Notify,
    synced: watch::Sender<bool>,
}

impl Denylist {
    /// Starts following the cache's list until `stop`.
    pub fn start(cache: Arc<dyn Cache>, tasks: &TaskTracker, stop: CancellationToken) -> Self {
        let list = Self {
            inner: Arc::new(Inner {
                cache,
                mirror: Mirror::new(),
                unsent: Notify::new(),
                synced: watch::Sender::new(false),
            }),
        };
        let inner = list.inner.clone();
        tasks.spawn(async move {
            let following = inner.follow();
            stop.run_until_cancelled(following).await;
        });
        list
    }

    /// Denies a session here at once, and everywhere as soon as the cache has it. Never fails: what the
    /// cache does not take now it gets when it is back.
    pub async fn deny(&self, sid: &str, ttl: Duration) {
        let inner = &self.inner;
        inner.mirror.deny(sid, ttl, true);
        let mark = Mark {
            member: sid.to_owned(),
            remaining: ttl,
        };
        if inner.cache.mark(SET, &[mark]).await.is_err() {
            inner.unsent.notify_one();
        }
    }

    /// Denies a session in this process alone, for an ending that somebody else already made known.
    pub fn deny_here(&self, sid: &str, ttl: Duration) {
        self.inner.mirror.deny(sid, ttl, false);
    }

    /// Whether a session was ended, as far as this process knows. Costs a look-up in a map.
    pub fn is_denied(&self, sid: &str) -> bool {
        self.inner.mirror.is_denied(sid)
    }

    /// Waits until the list was read once, at most that long. Says whether it was: a process that is
    /// about to take calls may go on without, since the cache may be away for long.
    pub async fn synced(&self, within: Duration) -> bool {
        let mut synced = self.inner.synced.subscribe();
        let done = timeout(within, synced.wait_for(|synced| *synced)).await;
        matches!(done, Ok(Ok(_)))
    }
}

impl Inner {
    async fn follow(&self) {
        loop {
            // The cache says in log and metric why it cannot.
            let _ = self.follow_connected().await;
            sleep(RETRY_AFTER).await;
        }
    }

    /// Follows the list until the connection is lost.
    async fn follow_connected(&self) -> Result<()> {
        // Watch first, so that nothing falls between reading and watching.
        let mut marks = self.cache.watch(SET).await?;
        self.sync().await?;
        self.synced.send_replace(true);
        let mut again = interval_at(Instant::now() + SYNC_EVERY, SYNC_EVERY);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                mark = marks.next() => match mark {
                    Some(mark) => self.mirror.deny(&mark.member, mark.remaining, true),
                    None => return Ok(()),
                },
                _ = again.tick() => self.sync().await?,
                () = self.unsent.notified() => {
                    sleep(RETRY_AFTER).await;
                    self.sync().await?;
                }
            }
        }
    }

    /// Takes over what the cache knows, and gives it what it lacks: entries made while it was away, or
    /// that it forgot.
    async fn sync(&self) -> Result<()> {
        let there = self.cache.marked(SET).await?;
        for mark in &there {
            self.mirror.deny(&mark.member, mark.remaining, true);
        }
        let missing = self.mirror.missing_from(&there, SLACK);
        if !missing.is_empty() {
            self.cache.mark(SET, &missing).await?;
        }
        #[expect(clippy::cast_precision_loss, reason = "nobody has 2^52 sessions")]
        gauge!("denylist_entries").set(self.mirror.tidy() as f64);
        Ok(())
    }
}
