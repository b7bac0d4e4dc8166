//! Who does the work that only one process at a time should do.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Result, Storage, Transaction, execute};

impl Storage {
    /// Takes or renews a lease. Says whether `holder` has it.
    pub(crate) async fn take_lease(
        &self,
        name: &str,
        holder: Uuid,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool> {
        let taken = execute(
            &self.db,
            "INSERT INTO leases (name, holder, expire_time) VALUES ($1, $2, $4) \
             ON CONFLICT (name) DO UPDATE SET \
             holder = excluded.holder, expire_time = excluded.expire_time \
             WHERE leases.holder = excluded.holder OR leases.expire_time < $3",
            [name.into(), holder.into(), now.into(), until.into()],
        )
        .await?;
        Ok(taken == 1)
    }

    /// Gives a lease back before its time.
    pub(crate) async fn release_lease(&self, name: &str, holder: Uuid) -> Result<()> {
        execute(
            &self.db,
            "DELETE FROM leases WHERE name = $1 AND holder = $2",
            [name.into(), holder.into()],
        )
        .await?;
        Ok(())
    }
}

impl Transaction {
    /// Keeps others from working under a lease until the transaction ends. Says whether `holder` has
    /// it.
    pub(crate) async fn lock_lease(&self, name: &str, holder: Uuid) -> Result<bool> {
        let locked = execute(
            &self.0,
            "UPDATE leases SET expire_time = expire_time WHERE name = $1 AND holder = $2",
            [name.into(), holder.into()],
        )
        .await?;
        Ok(locked == 1)
    }
}
