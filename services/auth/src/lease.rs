//! Work that one process at a time does.

use std::{future::Future, time::Duration};

use chrono::TimeDelta;
use portico_service::Clock;
use uuid::Uuid;

use crate::storage::{self, Storage, Transaction};

/// How long a lease lasts without being renewed: the time for which a crash stops the work.
const TTL: TimeDelta = TimeDelta::seconds(6);

/// How often it is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(2);

/// The right to do one kind of work, as a row in the database.
///
/// It keeps processes from doing the same work twice; it is no proof. What must not happen twice is
/// fenced by its own transaction as well.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    name: &'static str,
    /// None when nobody else could want it.
    holder: Option<Uuid>,
    storage: Storage,
    clock: Clock,
}

impl Lease {
    /// A lease that `process` may take. A file of SQLite is served by one process, which always holds
    /// its leases and writes no row for them.
    pub(crate) fn new(name: &'static str, process: Uuid, storage: Storage, clock: Clock) -> Self {
        Self {
            name,
            holder: (!storage.is_private()).then_some(process),
            storage,
            clock,
        }
    }

    /// Takes or renews the lease. Says whether it is held.
    pub(crate) async fn take(&self) -> storage::Result<bool> {
        let Some(holder) = self.holder else {
            return Ok(true);
        };
        let now = self.clock.now();
        self.storage
            .take_lease(self.name, holder, now, now + TTL)
            .await
    }

    /// Keeps others from working under the lease until the transaction ends. Says whether it is held.
    pub(crate) async fn lock(&self, tx: &Transaction) -> storage::Result<bool> {
        match self.holder {
            Some(holder) => tx.lock_lease(self.name, holder).await,
            // The transaction holds the lock of the whole file.
            None => Ok(true),
        }
    }

    /// Gives it back, so that another process need not wait.
    pub(crate) async fn release(&self) {
        let Some(holder) = self.holder else {
            return;
        };
        if let Err(error) = self.storage.release_lease(self.name, holder).await {
            tracing::debug!(lease = self.name, %error, "cannot give a lease back");
        }
    }

    /// Does work for as long as the lease can be renewed. `None` when it was lost, or never held.
    pub(crate) async fn hold<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> storage::Result<Option<T>> {
        if !self.take().await? {
            return Ok(None);
        }
        let renewing = async {
            loop {
                tokio::time::sleep(RENEW_EVERY).await;
                match self.take().await {
                    Ok(true) => {}
                    Ok(false) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
        };
        tokio::select! {
            done = work => Ok(Some(done)),
            lost = renewing => lost.map(|()| None),
        }
    }
}
