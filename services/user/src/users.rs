//! What the use cases share.

use std::future::Future;

use chrono::{DateTime, TimeDelta, Utc};
use portico_service::Clock;
use tokio::sync::watch;

use crate::{
    domain::{Account, Etag, Revision, Status, UserId},
    error::{Error, Result},
    pause,
    storage::{Saved, Storage, Transaction},
};

/// How often a change is tried while others are in the way.
const ATTEMPTS: u32 = 10;

/// The accounts and what can be done with them: each use case is a method in a file of its own.
pub struct Users {
    pub(crate) storage: Storage,
    pub(crate) clock: Clock,
    /// How long a deleted account can be undeleted.
    pub(crate) keep_deleted: TimeDelta,
    /// Rings after each commit of this process, so that watchers need not wait for their next look.
    pub(crate) bell: watch::Sender<()>,
}

impl Users {
    /// Over a database whose migrations have run.
    pub fn new(storage: Storage, clock: Clock, keep_deleted: TimeDelta) -> Self {
        Self {
            storage,
            clock,
            keep_deleted,
            bell: watch::Sender::new(()),
        }
    }

    /// Makes a change last and tells who watches.
    pub(crate) async fn commit(&self, tx: Transaction) -> Result<()> {
        tx.commit().await?;
        self.bell.send_replace(());
        Ok(())
    }
}

/// The account to change, which must exist and be in the state that the client has seen.
pub(crate) async fn load(tx: &Transaction, id: UserId, etag: Option<&Etag>) -> Result<Account> {
    let account = tx.load(id).await?;
    let in_use = account.filter(|account| account.status != Status::Deleted);
    expected(in_use, etag)
}

/// As [`load`], and it may have been deleted.
pub(crate) async fn load_any(tx: &Transaction, id: UserId, etag: Option<&Etag>) -> Result<Account> {
    expected(tx.load(id).await?, etag)
}

fn expected(account: Option<Account>, etag: Option<&Etag>) -> Result<Account> {
    let account = account.ok_or(Error::UserNotFound)?;
    if !account.matches(etag) {
        return Err(Error::EtagMismatch);
    }
    Ok(account)
}

/// Writes a changed account and its event.
pub(crate) async fn save(
    tx: &Transaction,
    account: &Account,
    loaded: Revision,
    now: DateTime<Utc>,
) -> Result<()> {
    match tx.save(account, loaded).await? {
        Saved::Yes => {}
        Saved::EmailTaken => return Err(Error::EmailTaken),
        Saved::UsernameTaken => return Err(Error::UsernameTaken),
    }
    tx.publish(account, now).await?;
    Ok(())
}

/// Tries a use case again while others are in the way (serialization failures and deadlocks among them), a
/// bounded number of times. The pauses are drawn, so that those who met once do not meet again in step.
pub(crate) async fn persist<T, F>(mut attempt: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    for tries in 1..ATTEMPTS {
        match attempt().await {
            Err(error) if error.is_contention() => tokio::time::sleep(pause::after(tries)).await,
            done => return done,
        }
    }
    attempt().await
}
