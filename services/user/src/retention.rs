//! Keeping the outbox bounded.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use metrics::counter;
use portico_service::config::UserConfig;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    error::Result,
    storage::Expiry,
    users::{Users, persist},
};

/// How many events one transaction removes at most.
const BATCH: u32 = 2000;
/// How often to look for events that are old enough.
const EVERY: Duration = Duration::from_mins(10);
/// The same while the database is away.
const AGAIN: Duration = Duration::from_secs(30);
/// The pause between two transactions, in which others get their turn.
const BREATH: Duration = Duration::from_millis(50);

/// How long events are kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// At least so long, and longer while a consumer has not got them.
    keep: TimeDelta,
    /// At most so long.
    limit: TimeDelta,
}

impl Retention {
    /// As configured.
    pub fn new(config: &UserConfig) -> Self {
        Self {
            keep: TimeDelta::days(config.events_keep_days.into()),
            limit: TimeDelta::days(config.events_limit_days.into()),
        }
    }
}

/// Removes old events now and then, until `stop`.
pub async fn run(users: Arc<Users>, retention: Retention, stop: CancellationToken) {
    stop.run_until_cancelled(async {
        loop {
            let pause = match users.remove_old_events(retention).await {
                Ok(()) => EVERY,
                Err(error) => {
                    tracing::debug!(%error, "cannot remove old events");
                    AGAIN
                }
            };
            sleep(pause).await;
        }
    })
    .await;
}

impl Users {
    /// Removes every event that is old enough, some at a time.
    async fn remove_old_events(&self, retention: Retention) -> Result<()> {
        loop {
            let removed = persist(|| async {
                let now = self.clock.now();
                let expiry = Expiry {
                    time: now - retention.keep,
                    limit: now - retention.limit,
                };
                let tx = self.storage.begin().await?;
                let removed = tx.remove_events(expiry, BATCH).await?;
                tx.commit().await?;
                Ok(removed)
            })
            .await?;
            counter!("user_outbox_removed_total").increment(removed.events);
            if removed.unread {
                tracing::warn!(
                    "removed events that a consumer has not got; it must read a snapshot"
                );
            }
            if removed.events < u64::from(BATCH) {
                return Ok(());
            }
            sleep(BREATH).await;
        }
    }

    /// Remembers how far a consumer of the feed has come.
    pub async fn acknowledge(&self, consumer: &str, sequence: i64) -> Result<()> {
        let now = self.clock.now();
        Ok(self.storage.acknowledge(consumer, sequence, now).await?)
    }
}
