//! Sign-ins whose password was right and whose second factor is due.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{Error, Expiring, Result, Storage, Transaction, execute, one, share_lock};
use crate::{passwords::Phc, tokens::Hash};

/// Challenges that nobody answered.
pub(crate) const CHALLENGES: Expiring = Expiring {
    table: "challenges",
    key: "hash",
    over: "expire_time < $1",
    keep: |_| TimeDelta::zero(),
};

/// A sign-in that waits.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) user_id: Uuid,
    pub(crate) method: Method,
    /// The scopes that were asked for at sign-in.
    pub(crate) scope: String,
}

/// What a challenge asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// A code of the application, or a recovery code.
    Code,
    /// To enrol an application.
    Enroll,
}

impl Method {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Enroll => "enroll",
        }
    }

    fn parse(word: &str) -> Result<Self> {
        [Self::Code, Self::Enroll]
            .into_iter()
            .find(|method| method.as_str() == word)
            .ok_or(Error::Corrupt("challenges"))
    }
}

#[derive(FromQueryResult)]
struct Row {
    user_id: Uuid,
    method: String,
    scope: String,
}

impl TryFrom<Row> for Waiting {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            user_id: row.user_id,
            method: Method::parse(&row.method)?,
            scope: row.scope,
        })
    }
}

impl Storage {
    /// Lets a sign-in wait, unless the account has another password than that of the hash. Says whether it
    /// waits.
    pub(crate) async fn add_challenge(
        &self,
        hash: &Hash,
        waiting: &Waiting,
        phc: Option<&Phc>,
        attempts: i64,
        expire_time: DateTime<Utc>,
    ) -> Result<bool> {
        // Under a lock, as a session is opened.
        let lock = share_lock(&self.db);
        let sql = format!(
            "INSERT INTO challenges (hash, user_id, method, scope, attempts_left, expire_time) \
             SELECT $1, $2, $3, $4, $5, $6 FROM credentials WHERE user_id = $2 AND phc = $7 {lock}"
        );
        let added = execute(
            &self.db,
            &sql,
            [
                hash.to_vec().into(),
                waiting.user_id.into(),
                waiting.method.as_str().into(),
                waiting.scope.as_str().into(),
                attempts.into(),
                expire_time.into(),
                phc.map(Phc::as_str).into(),
            ],
        )
        .await?;
        Ok(added == 1)
    }

    /// The sign-in that waits under a challenge.
    pub(crate) async fn challenge(
        &self,
        hash: &Hash,
        now: DateTime<Utc>,
    ) -> Result<Option<Waiting>> {
        let row: Option<Row> = one(
            &self.db,
            "SELECT user_id, method, scope FROM challenges WHERE hash = $1 AND expire_time > $2",
            [hash.to_vec().into(), now.into()],
        )
        .await?;
        row.map(Waiting::try_from).transpose()
    }

    /// The same for one more attempt at a code.
    pub(crate) async fn try_challenge(
        &self,
        hash: &Hash,
        now: DateTime<Utc>,
    ) -> Result<Option<Waiting>> {
        let row: Option<Row> = one(
            &self.db,
            "UPDATE challenges SET attempts_left = attempts_left - 1 \
             WHERE hash = $1 AND attempts_left > 0 AND expire_time > $2 \
             RETURNING user_id, method, scope",
            [hash.to_vec().into(), now.into()],
        )
        .await?;
        row.map(Waiting::try_from).transpose()
    }
}

impl Transaction {
    /// Uses a challenge up. Says whether it was still there.
    pub(crate) async fn use_challenge(&self, hash: &Hash) -> Result<bool> {
        let used = execute(
            &self.0,
            "DELETE FROM challenges WHERE hash = $1",
            [hash.to_vec().into()],
        )
        .await?;
        Ok(used == 1)
    }

    /// Ends the sign-ins of an account that wait: what they began with has changed.
    pub(crate) async fn end_challenges(&self, user_id: Uuid) -> Result<()> {
        execute(
            &self.0,
            "DELETE FROM challenges WHERE user_id = $1",
            [user_id.into()],
        )
        .await?;
        Ok(())
    }
}
