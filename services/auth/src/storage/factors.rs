//! Second factors.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{Error, Expiring, Result, Storage, Transaction, all, execute, execute_all, one, split};
use crate::{domain::Status, tokens::Hash};

/// Secrets that were never confirmed.
pub(crate) const ENROLMENTS: Expiring = Expiring {
    table: "totp_enrolments",
    key: "user_id",
    over: "expire_time < $1",
    keep: |_| TimeDelta::zero(),
};

/// An account and its factors.
#[derive(Debug)]
pub(crate) struct Factors {
    pub(crate) email: String,
    pub(crate) status: Status,
    pub(crate) roles: Vec<String>,
    /// When its authenticator application was confirmed, if it was.
    pub(crate) totp: Option<DateTime<Utc>>,
    pub(crate) recovery_codes: i64,
}

#[derive(FromQueryResult)]
struct FactorsRow {
    email: String,
    status: String,
    roles: String,
    totp: Option<DateTime<Utc>>,
    recovery_codes: i64,
}

/// A secret, encrypted, and which master key did it.
#[derive(Clone, Debug, FromQueryResult)]
pub(crate) struct Sealed {
    pub(crate) sealed: Vec<u8>,
    pub(crate) key_id: String,
}

#[derive(FromQueryResult)]
struct SealedRow {
    user_id: Uuid,
    sealed: Vec<u8>,
}

#[derive(FromQueryResult)]
struct SecretRow {
    sealed: Vec<u8>,
}

#[derive(FromQueryResult)]
struct RetryRow {
    retry_at: i64,
}

/// What came of asking for a secret to compare a code with.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// The secret, encrypted. The attempt is counted as a failure until a code is accepted.
    Sealed(Vec<u8>),
    /// There were too many failures; none is taken before this second since 1970.
    NotBefore(i64),
    NoFactor,
}

impl Storage {
    /// An account's factors; `None` when nobody has the id.
    pub(crate) async fn factors(&self, user_id: Uuid) -> Result<Option<Factors>> {
        let row: Option<FactorsRow> = one(
            &self.db,
            "SELECT i.email, i.status, i.roles, t.create_time AS totp, \
             (SELECT COUNT(*) FROM recovery_codes r WHERE r.user_id = i.id) AS recovery_codes \
             FROM identities i LEFT JOIN totp_factors t ON t.user_id = i.id WHERE i.id = $1",
            [user_id.into()],
        )
        .await?;
        row.map(|row| {
            Ok(Factors {
                email: row.email,
                status: Status::parse(&row.status).ok_or(Error::Corrupt("identities"))?,
                roles: split(&row.roles),
                totp: row.totp,
                recovery_codes: row.recovery_codes,
            })
        })
        .transpose()
    }

    /// Keeps a secret until it is confirmed, in place of the one before.
    pub(crate) async fn put_enrolment(
        &self,
        user_id: Uuid,
        secret: &Sealed,
        attempts: i64,
        expire_time: DateTime<Utc>,
    ) -> Result<()> {
        execute(
            &self.db,
            "INSERT INTO totp_enrolments (user_id, sealed, key_id, attempts_left, expire_time) \
             VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (user_id) DO UPDATE SET sealed = excluded.sealed, \
             key_id = excluded.key_id, attempts_left = excluded.attempts_left, \
             expire_time = excluded.expire_time",
            [
                user_id.into(),
                secret.sealed.clone().into(),
                secret.key_id.as_str().into(),
                attempts.into(),
                expire_time.into(),
            ],
        )
        .await?;
        Ok(())
    }

    /// The secret that waits to be confirmed, for one more attempt.
    pub(crate) async fn try_enrolment(
        &self,
        user_id: Uuid,
        now: DateTime<Utc>,
    ) -> Result<Option<Sealed>> {
        one(
            &self.db,
            "UPDATE totp_enrolments SET attempts_left = attempts_left - 1 \
             WHERE user_id = $1 AND attempts_left > 0 AND expire_time > $2 \
             RETURNING sealed, key_id",
            [user_id.into(), now.into()],
        )
        .await
    }

    /// The secret of an account's application, for one attempt. Every attempt counts as a failure until
    /// [`accept_totp`](Transaction::accept_totp), so that many at once are no way around the pauses: a
    /// minute after the fifth in a row, ten after the ninth, an hour after the thirteenth and each
    /// that follows. One statement, and one more when there is nothing to compare with.
    pub(crate) async fn try_totp(&self, user_id: Uuid, now: DateTime<Utc>) -> Result<Attempt> {
        let row: Option<SecretRow> = one(
            &self.db,
            "UPDATE totp_factors SET failures = failures + 1, retry_at = $2 + CASE \
             WHEN failures < 4 THEN 0 WHEN failures < 8 THEN 60 WHEN failures < 12 THEN 600 \
             ELSE 3600 END \
             WHERE user_id = $1 AND retry_at <= $2 RETURNING sealed",
            [user_id.into(), now.timestamp().into()],
        )
        .await?;
        if let Some(row) = row {
            return Ok(Attempt::Sealed(row.sealed));
        }
        let row: Option<RetryRow> = one(
            &self.db,
            "SELECT retry_at FROM totp_factors WHERE user_id = $1",
            [user_id.into()],
        )
        .await?;
        Ok(row.map_or(Attempt::NoFactor, |row| Attempt::NotBefore(row.retry_at)))
    }

    /// Secrets that another key than the first has encrypted.
    pub(crate) async fn factors_sealed_otherwise(
        &self,
        key_id: &str,
        most: u32,
    ) -> Result<Vec<(Uuid, Vec<u8>)>> {
        let sql =
            format!("SELECT user_id, sealed FROM totp_factors WHERE key_id <> $1 LIMIT {most}");
        let rows: Vec<SealedRow> = all(&self.db, &sql, [key_id.into()]).await?;
        Ok(rows
            .into_iter()
            .map(|row| (row.user_id, row.sealed))
            .collect())
    }

    /// Replaces an encrypted secret, unless it was replaced by another one meanwhile.
    pub(crate) async fn reseal_factor(
        &self,
        user_id: Uuid,
        old: Vec<u8>,
        new: &Sealed,
    ) -> Result<()> {
        execute(
            &self.db,
            "UPDATE totp_factors SET sealed = $3, key_id = $4 WHERE user_id = $1 AND sealed = $2",
            [
                user_id.into(),
                old.into(),
                new.sealed.clone().into(),
                new.key_id.as_str().into(),
            ],
        )
        .await?;
        Ok(())
    }
}

impl Transaction {
    /// Makes the waiting secret the account's factor. Says whether it still waited. `replace` says what
    /// becomes of a factor that is there already: when it stays, the answer is no.
    pub(crate) async fn confirm_enrolment(
        &self,
        user_id: Uuid,
        secret: &Sealed,
        step: i64,
        replace: bool,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let waited = execute(
            &self.0,
            "DELETE FROM totp_enrolments WHERE user_id = $1 AND sealed = $2",
            [user_id.into(), secret.sealed.clone().into()],
        )
        .await?;
        if waited == 0 {
            return Ok(false);
        }
        let stored = execute(
            &self.0,
            "INSERT INTO totp_factors (user_id, sealed, key_id, create_time, last_step) \
             VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (user_id) DO UPDATE SET sealed = excluded.sealed, \
             key_id = excluded.key_id, create_time = excluded.create_time, \
             last_step = excluded.last_step, failures = 0, retry_at = 0 WHERE $6",
            [
                user_id.into(),
                secret.sealed.clone().into(),
                secret.key_id.as_str().into(),
                now.into(),
                step.into(),
                replace.into(),
            ],
        )
        .await?;
        Ok(stored == 1)
    }

    /// Takes the code of a time step, once: says no when that step, or a later one, was taken before.
    pub(crate) async fn accept_totp(&self, user_id: Uuid, step: i64) -> Result<bool> {
        let accepted = execute(
            &self.0,
            "UPDATE totp_factors SET last_step = $2, failures = 0, retry_at = 0 \
             WHERE user_id = $1 AND last_step < $2",
            [user_id.into(), step.into()],
        )
        .await?;
        Ok(accepted == 1)
    }

    /// Takes a recovery code, once. Says whether it was one.
    pub(crate) async fn use_recovery_code(&self, user_id: Uuid, hash: &Hash) -> Result<bool> {
        let used = execute(
            &self.0,
            "DELETE FROM recovery_codes WHERE hash = $1 AND user_id = $2",
            [hash.to_vec().into(), user_id.into()],
        )
        .await?;
        Ok(used == 1)
    }

    /// Whether the account has recovery codes.
    pub(crate) async fn has_recovery_codes(&self, user_id: Uuid) -> Result<bool> {
        let row: Option<SealedUser> = one(
            &self.0,
            "SELECT user_id FROM recovery_codes WHERE user_id = $1 LIMIT 1",
            [user_id.into()],
        )
        .await?;
        Ok(row.is_some())
    }

    /// Replaces an account's recovery codes. Two statements.
    pub(crate) async fn put_recovery_codes<const N: usize>(
        &self,
        user_id: Uuid,
        hashes: [Hash; N],
    ) -> Result<()> {
        self.remove_recovery_codes(user_id).await?;
        let rows: Vec<String> = (1..=N).map(|n| format!("(${n}, ${})", N + 1)).collect();
        let sql = format!(
            "INSERT INTO recovery_codes (hash, user_id) VALUES {}",
            rows.join(", ")
        );
        let mut values: Vec<_> = hashes.iter().map(|hash| hash.to_vec().into()).collect();
        values.push(user_id.into());
        execute_all(&self.0, &sql, values).await?;
        Ok(())
    }

    async fn remove_recovery_codes(&self, user_id: Uuid) -> Result<()> {
        execute(
            &self.0,
            "DELETE FROM recovery_codes WHERE user_id = $1",
            [user_id.into()],
        )
        .await?;
        Ok(())
    }

    /// Removes every factor of an account, and one that waits to be confirmed. Three statements. Says
    /// whether there was an application.
    pub(crate) async fn remove_factors(&self, user_id: Uuid) -> Result<bool> {
        let removed = execute(
            &self.0,
            "DELETE FROM totp_factors WHERE user_id = $1",
            [user_id.into()],
        )
        .await?;
        execute(
            &self.0,
            "DELETE FROM totp_enrolments WHERE user_id = $1",
            [user_id.into()],
        )
        .await?;
        self.remove_recovery_codes(user_id).await?;
        Ok(removed == 1)
    }
}

#[derive(FromQueryResult)]
struct SealedUser {
    #[expect(dead_code, reason = "that there is a row is the answer")]
    user_id: Uuid,
}
