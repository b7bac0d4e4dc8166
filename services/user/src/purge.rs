//! Erasing what is known of the people behind deleted accounts, when their time has come.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use metrics::counter;
use tokio_util::sync::CancellationToken;

use crate::{
    domain::{Account, Etag, Status, UserId},
    error::{Error, Result},
    storage::Transaction,
    users::{Users, load_any, persist},
};

/// How often to look for accounts whose time has come.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// How many accounts are purged in one transaction, and keys removed in one statement.
const BATCH: u64 = 100;
/// How long an idempotency key is remembered.
const KEEP_KEYS: TimeDelta = TimeDelta::days(1);

impl Users {
    /// Purges one deleted account before its time.
    pub async fn purge(&self, id: UserId, etag: Option<Etag>) -> Result<()> {
        persist(|| self.try_purge(id, etag.as_ref())).await
    }

    async fn try_purge(&self, id: UserId, etag: Option<&Etag>) -> Result<()> {
        let tx = self.storage.begin().await?;
        let account = load_any(&tx, id, etag).await?;
        if account.status != Status::Deleted {
            return Err(Error::NotDeleted);
        }
        tx.erase_events(std::slice::from_ref(&account)).await?;
        self.bury(&tx, account).await?;
        self.commit(tx).await
    }

    /// Purges some of the accounts whose time has come, and says whether there may be more of them.
    pub async fn purge_due(&self) -> Result<bool> {
        let tx = self.storage.begin().await?;
        let now = self.clock.now();
        let due = tx.load_due(now, now - self.keep_deleted, BATCH).await?;
        let count = due.len() as u64;
        tx.erase_events(&due).await?;
        for account in due {
            self.bury(&tx, account).await?;
        }
        if count > 0 {
            self.commit(tx).await?;
            counter!("user_accounts_purged_total").increment(count);
        }
        Ok(count == BATCH)
    }

    async fn bury(&self, tx: &Transaction, mut account: Account) -> Result<()> {
        let now = self.clock.now();
        account.purge_time = Some(now);
        account.touch(now);
        tx.bury(&account).await?;
        tx.publish_purge(&account, now).await?;
        Ok(())
    }

    /// Forgets some of the idempotency keys that are old, and says whether there may be more of them.
    pub async fn forget_old_keys(&self) -> Result<bool> {
        let before = self.clock.now() - KEEP_KEYS;
        Ok(self.storage.forget_keys(before, BATCH).await? == BATCH)
    }
}

/// Purges accounts and forgets keys as they come of age, until `stop`.
pub async fn run(users: Arc<Users>, stop: CancellationToken) {
    let forever = async {
        loop {
            work(&users).await;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    stop.run_until_cancelled(forever).await;
}

/// Everything that is due. Between two batches others have their turn.
async fn work(users: &Users) {
    let tell = |what, outcome: Result<bool>| {
        outcome.unwrap_or_else(|error| {
            tracing::warn!(%error, what, "left for the next round");
            false
        })
    };
    while tell("purging accounts", users.purge_due().await) {
        tokio::task::yield_now().await;
    }
    while tell("forgetting idempotency keys", users.forget_old_keys().await) {
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests;
