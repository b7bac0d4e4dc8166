//! API keys.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::{
    Error, Expiring, Result, Storage, Transaction, all, clients::words, execute, hash, one, split,
};
use crate::domain::{ApiKey, KeyOwner, Scopes, SecretHash, Status};

const COLUMNS: &str = "id, owner_kind, owner_id, display_name, scopes, hint, generation, \
                       previous_expire_time, create_time, expire_time, last_used_time";

/// Keys that ended stay for a month, so that their owner can see when.
pub(crate) const API_KEYS: Expiring = Expiring {
    table: "api_keys",
    key: "id",
    over: "expire_time < $1 OR revoke_time < $1",
    keep: |_| TimeDelta::days(30),
};

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    owner_kind: String,
    owner_id: Uuid,
    display_name: String,
    scopes: String,
    hint: String,
    generation: i64,
    previous_expire_time: Option<DateTime<Utc>>,
    create_time: DateTime<Utc>,
    expire_time: DateTime<Utc>,
    last_used_time: Option<DateTime<Utc>>,
}

const CORRUPT: Error = Error::Corrupt("api_keys");

impl TryFrom<Row> for ApiKey {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: row.id,
            owner: KeyOwner::parse(&row.owner_kind, row.owner_id).ok_or(CORRUPT)?,
            display_name: row.display_name,
            scopes: split(&row.scopes),
            hint: row.hint,
            generation: row.generation,
            previous_expire_time: row.previous_expire_time,
            create_time: row.create_time,
            expire_time: row.expire_time,
            last_used_time: row.last_used_time,
        })
    }
}

/// A key that somebody presented, with what its owner may do.
#[derive(Debug)]
pub(crate) struct PresentedKey {
    pub(crate) key: ApiKey,
    /// Whether it is the current secret, and not the one before.
    pub(crate) current: bool,
    pub(crate) owner: Option<OwnerState>,
}

/// An owner who may use keys.
#[derive(Debug)]
pub(crate) enum OwnerState {
    /// A person with these roles.
    User { roles: Vec<String> },
    /// A machine with these scopes.
    ServiceAccount { scopes: Scopes },
}

#[derive(FromQueryResult)]
struct PresentedRow {
    hash: Vec<u8>,
    user_status: Option<String>,
    user_roles: Option<String>,
    account_disabled: Option<bool>,
    account_scopes: Option<String>,
    #[sea_orm(nested)]
    key: Row,
}

#[derive(FromQueryResult)]
struct SecretRow {
    hash: Vec<u8>,
    #[sea_orm(nested)]
    key: Row,
}

#[derive(FromQueryResult)]
struct Generation {
    id: Uuid,
    generation: i64,
}

impl Storage {
    /// The key of a secret, the current one or the one before, unless it was revoked.
    pub(crate) async fn presented_key(&self, secret: &SecretHash) -> Result<Option<PresentedKey>> {
        let row: Option<PresentedRow> = one(
            &self.db,
            "SELECT k.id, k.owner_kind, k.owner_id, k.display_name, k.scopes, k.hint, k.generation, \
             k.previous_expire_time, k.create_time, k.expire_time, k.last_used_time, k.hash, \
             u.status AS user_status, u.roles AS user_roles, \
             a.disabled AS account_disabled, a.scopes AS account_scopes \
             FROM api_keys k \
             LEFT JOIN identities u ON k.owner_kind = 'user' AND u.id = k.owner_id \
             LEFT JOIN service_accounts a ON k.owner_kind = 'service-account' AND a.id = k.owner_id \
             WHERE (k.hash = $1 OR k.previous_hash = $1) AND k.revoke_time IS NULL",
            [secret.to_vec().into()],
        )
        .await?;
        let Some(row) = row else { return Ok(None) };
        let current = hash(row.hash).ok_or(CORRUPT)? == *secret;
        let active = row.user_status.as_deref() == Some(Status::Active.as_str());
        let owner = match (row.user_roles, row.account_scopes) {
            (Some(roles), _) if active => Some(OwnerState::User {
                roles: split(&roles),
            }),
            (None, Some(scopes)) if row.account_disabled == Some(false) => {
                Some(OwnerState::ServiceAccount {
                    scopes: split(&scopes),
                })
            }
            _ => None,
        };
        Ok(Some(PresentedKey {
            key: row.key.try_into()?,
            current,
            owner,
        }))
    }

    /// The keys of an owner that were not revoked, the newest first.
    pub(crate) async fn keys_of(&self, owner: KeyOwner, most: u32) -> Result<Vec<ApiKey>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM api_keys WHERE owner_id = $1 AND owner_kind = $2 \
             AND revoke_time IS NULL ORDER BY id DESC LIMIT {most}"
        );
        let rows: Vec<Row> = all(&self.db, &sql, [owner.id().into(), owner.kind().into()]).await?;
        rows.into_iter().map(ApiKey::try_from).collect()
    }

    /// Adds a key, unless its owner has so many already. Says whether it was added.
    pub(crate) async fn add_key(
        &self,
        key: &ApiKey,
        secret: &SecretHash,
        most: u32,
    ) -> Result<bool> {
        let sql = format!(
            "INSERT INTO api_keys ({COLUMNS}, hash) \
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 \
             WHERE (SELECT COUNT(*) FROM api_keys WHERE owner_id = $3 AND owner_kind = $2 \
             AND revoke_time IS NULL) < {most}"
        );
        let added = execute(
            &self.db,
            &sql,
            [
                key.id.into(),
                key.owner.kind().into(),
                key.owner.id().into(),
                key.display_name.as_str().into(),
                words(&key.scopes).into(),
                key.hint.as_str().into(),
                key.generation.into(),
                key.previous_expire_time.into(),
                key.create_time.into(),
                key.expire_time.into(),
                key.last_used_time.into(),
                secret.to_vec().into(),
            ],
        )
        .await?;
        Ok(added == 1)
    }

    /// Notes that a key was used, unless that was noted since a moment.
    pub(crate) async fn touch_key(
        &self,
        id: Uuid,
        now: DateTime<Utc>,
        since: DateTime<Utc>,
    ) -> Result<()> {
        execute(
            &self.db,
            "UPDATE api_keys SET last_used_time = $2 \
             WHERE id = $1 AND (last_used_time IS NULL OR last_used_time < $3)",
            [id.into(), now.into(), since.into()],
        )
        .await?;
        Ok(())
    }
}

impl Transaction {
    /// A key of an owner, unless it was revoked.
    pub(crate) async fn key_of(&self, owner: KeyOwner, id: Uuid) -> Result<Option<ApiKey>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM api_keys \
             WHERE id = $1 AND owner_id = $2 AND owner_kind = $3 AND revoke_time IS NULL"
        );
        let values = [id.into(), owner.id().into(), owner.kind().into()];
        let row: Option<Row> = one(&self.0, &sql, values).await?;
        row.map(ApiKey::try_from).transpose()
    }

    /// A key of an owner and its current secret, unless it was revoked.
    pub(crate) async fn key_and_secret_of(
        &self,
        owner: KeyOwner,
        id: Uuid,
    ) -> Result<Option<(ApiKey, SecretHash)>> {
        let sql = format!(
            "SELECT {COLUMNS}, hash FROM api_keys \
             WHERE id = $1 AND owner_id = $2 AND owner_kind = $3 AND revoke_time IS NULL"
        );
        let values = [id.into(), owner.id().into(), owner.kind().into()];
        let row: Option<SecretRow> = one(&self.0, &sql, values).await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some((row.key.try_into()?, hash(row.hash).ok_or(CORRUPT)?)))
    }

    /// Gives a key another secret; the one of before becomes the previous one. Says whether it was the
    /// current one still.
    pub(crate) async fn rotate_key(
        &self,
        key: &ApiKey,
        secret: &SecretHash,
        before: &SecretHash,
    ) -> Result<bool> {
        let rotated = execute(
            &self.0,
            "UPDATE api_keys SET previous_hash = hash, hash = $2, hint = $3, generation = $4, \
             previous_expire_time = $5 WHERE id = $1 AND hash = $6 AND revoke_time IS NULL",
            [
                key.id.into(),
                secret.to_vec().into(),
                key.hint.as_str().into(),
                key.generation.into(),
                key.previous_expire_time.into(),
                before.to_vec().into(),
            ],
        )
        .await?;
        Ok(rotated == 1)
    }

    /// Revokes a key.
    pub(crate) async fn revoke_key(&self, id: Uuid, now: DateTime<Utc>) -> Result<()> {
        execute(
            &self.0,
            "UPDATE api_keys SET revoke_time = $2 WHERE id = $1 AND revoke_time IS NULL",
            [id.into(), now.into()],
        )
        .await?;
        Ok(())
    }

    /// Revokes every key of an owner and answers which they were, each with its generation.
    pub(crate) async fn revoke_keys_of(
        &self,
        owner: KeyOwner,
        now: DateTime<Utc>,
    ) -> Result<Vec<(Uuid, i64)>> {
        let sql = "UPDATE api_keys SET revoke_time = $3 WHERE owner_id = $1 AND owner_kind = $2 \
                   AND revoke_time IS NULL RETURNING id, generation";
        let values = [owner.id().into(), owner.kind().into(), now.into()];
        generations(&self.0, sql, values).await
    }

    /// Begins another generation of every key of an owner and answers which generations ended.
    pub(crate) async fn renew_keys_of(&self, owner: KeyOwner) -> Result<Vec<(Uuid, i64)>> {
        let sql = "UPDATE api_keys SET generation = generation + 1 \
                   WHERE owner_id = $1 AND owner_kind = $2 AND revoke_time IS NULL \
                   RETURNING id, generation - 1 AS generation";
        generations(&self.0, sql, [owner.id().into(), owner.kind().into()]).await
    }
}

async fn generations<const N: usize>(
    on: &impl ConnectionTrait,
    sql: &str,
    values: [sea_orm::Value; N],
) -> Result<Vec<(Uuid, i64)>> {
    let rows: Vec<Generation> = all(on, sql, values).await?;
    let rows = rows.into_iter();
    Ok(rows.map(|row| (row.id, row.generation)).collect())
}
