//! What the denylist is told of: tokens, and all tokens of a client or a key.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::{Expiring, Result, Storage, Transaction, all, execute};

/// A revocation stays as long as what it stops.
pub(crate) const REVOCATIONS: Expiring = Expiring {
    table: "revocations",
    key: "id",
    over: "expire_time < $1",
    keep: |_| TimeDelta::minutes(5),
};

#[derive(FromQueryResult)]
struct Row {
    id: String,
    revoke_time: DateTime<Utc>,
}

impl Storage {
    /// Remembers that a `jti` or a `sid` is refused until a moment.
    pub(crate) async fn revoke(
        &self,
        id: &str,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<()> {
        revoke(&self.db, id, now, until).await
    }

    /// What was revoked since a moment, and when.
    pub(crate) async fn revocations_since(
        &self,
        since: DateTime<Utc>,
    ) -> Result<Vec<(String, DateTime<Utc>)>> {
        let rows: Vec<Row> = all(
            &self.db,
            "SELECT id, revoke_time FROM revocations WHERE revoke_time > $1",
            [since.into()],
        )
        .await?;
        let rows = rows.into_iter();
        Ok(rows.map(|row| (row.id, row.revoke_time)).collect())
    }
}

impl Transaction {
    /// Remembers that a `sid` is refused until a moment.
    pub(crate) async fn revoke(
        &self,
        id: &str,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<()> {
        revoke(&self.0, id, now, until).await
    }
}

async fn revoke(
    on: &impl ConnectionTrait,
    id: &str,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<()> {
    execute(
        on,
        "INSERT INTO revocations (id, revoke_time, expire_time) VALUES ($1, $2, $3) \
         ON CONFLICT (id) DO NOTHING",
        [id.into(), now.into(), until.into()],
    )
    .await?;
    Ok(())
}
