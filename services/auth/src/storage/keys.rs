//! Signing keys, encrypted.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::{Result, Storage, Transaction, all, execute};
use crate::keys::{Algorithm, StoredKey};

#[derive(FromQueryResult)]
struct Row {
    kid: String,
    algorithm: String,
    activate_time: DateTime<Utc>,
    retire_time: Option<DateTime<Utc>>,
    sealed: Vec<u8>,
}

impl Storage {
    /// All keys, in the order in which they sign.
    pub(crate) async fn signing_keys(&self) -> Result<Vec<StoredKey>> {
        signing_keys(&self.db).await
    }

    /// Replaces an encrypted key by the same under another master key, unless somebody else did.
    pub(crate) async fn reseal_signing_key(&self, old: &StoredKey, sealed: Vec<u8>) -> Result<()> {
        execute(
            &self.db,
            "UPDATE signing_keys SET sealed = $3 WHERE kid = $1 AND sealed = $2",
            [
                old.kid.as_str().into(),
                old.sealed.clone().into(),
                sealed.into(),
            ],
        )
        .await?;
        Ok(())
    }
}

async fn signing_keys(on: &impl ConnectionTrait) -> Result<Vec<StoredKey>> {
    let rows: Vec<Row> = all(
        on,
        "SELECT kid, algorithm, activate_time, retire_time, sealed FROM signing_keys \
         ORDER BY activate_time, kid",
        [],
    )
    .await?;
    // Keys of a kind that is newer than this program sign nothing here.
    let known = rows.into_iter().filter_map(|row| {
        Some(StoredKey {
            algorithm: Algorithm::parse(&row.algorithm)?,
            kid: row.kid,
            activate_time: row.activate_time,
            retire_time: row.retire_time,
            sealed: row.sealed,
        })
    });
    Ok(known.collect())
}

impl Transaction {
    /// All keys, in the order in which they sign.
    pub(crate) async fn signing_keys(&self) -> Result<Vec<StoredKey>> {
        signing_keys(&self.0).await
    }

    pub(crate) async fn add_signing_key(&self, key: &StoredKey, now: DateTime<Utc>) -> Result<()> {
        execute(
            &self.0,
            "INSERT INTO signing_keys \
             (kid, algorithm, create_time, activate_time, retire_time, sealed) \
             VALUES ($1, $2, $3, $4, $5, $6)",
            [
                key.kid.as_str().into(),
                key.algorithm.as_str().into(),
                now.into(),
                key.activate_time.into(),
                key.retire_time.into(),
                key.sealed.clone().into(),
            ],
        )
        .await?;
        Ok(())
    }

    pub(crate) async fn retire_signing_key(&self, kid: &str, at: DateTime<Utc>) -> Result<()> {
        execute(
            &self.0,
            "UPDATE signing_keys SET retire_time = $2 WHERE kid = $1",
            [kid.into(), at.into()],
        )
        .await?;
        Ok(())
    }

    pub(crate) async fn remove_signing_key(&self, kid: &str) -> Result<()> {
        execute(
            &self.0,
            "DELETE FROM signing_keys WHERE kid = $1",
            [kid.into()],
        )
        .await?;
        Ok(())
    }
}
