use std::{sync::Arc, time::Duration};

use futures_util::stream::{self, Stream};
use metrics::{counter, gauge};
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{domain::Published, error::Result, storage::Feed, users::Users};

/// How many events are sent together at most.
const BATCH: u32 = 256;
/// How often to look for what other processes committed.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The same while events wait for a transaction that began before them.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

impl Users {
    /// The events behind a place in the feed, in the order in which their changes were committed, in
    /// batches of at least one, and then the new ones as they come. Ends on `stop` or after an error.
    ///
    /// Nothing is read ahead of who listens, so a slow listener costs nothing.
    pub fn watch(
        self: &Arc<Self>,
        after: i64,
        stop: CancellationToken,
    ) -> impl Stream<Item = Result<Vec<Published>>> + Send + use<> {
        let watch = Watch {
            feed: self.storage.feed(after),
            bell: self.bell.subscribe(),
            users: Arc::clone(self),
            stop,
        };
        stream::unfold(Some(watch), |watch| async move {
            let mut watch = watch?;
            let stop = watch.stop.clone();
            match stop.run_until_cancelled(watch.next()).await? {
                Ok(batch) => Some((Ok(batch), Some(watch))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }
}

impl Users {
    /// The place in the feed behind which only what happens from now on comes.
    pub async fn watch_from_now(&self) -> Result<i64> {
        Ok(self.storage.end_of_feed().await?)
    }
}

struct Watch {
    feed: Feed,
    bell: watch::Receiver<()>,
    users: Arc<Users>,
    stop: CancellationToken,
}

impl Watch {
    async fn next(&mut self) -> Result<Vec<Published>> {
        loop {
            // Before the read: a commit that it just misses then rings.
            self.bell.mark_unchanged();
            let batch = self.feed.next(BATCH).await?;
            if let Some(last) = batch.last() {
                let lag = self.users.clock.now().signed_duration_since(last.time);
                gauge!("user_outbox_lag_seconds").set(lag.as_seconds_f64());
                counter!("user_outbox_delivered_total").increment(batch.len() as u64);
                return Ok(batch);
            }
            let pause = if self.feed.is_held_up() {
                LOOK_AGAIN
            } else {
                LOOK_EVERY
            };
            tokio::select! {
                // The other end is in `self.users`, so this cannot fail and turn the loop hot.
                _ = self.bell.changed() => {}
                () = sleep(pause) => {}
            }
        }
    }
}
