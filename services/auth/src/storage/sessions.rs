//! Sessions and the refresh tokens that keep them open.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::{Expiring, Result, Storage, Transaction, all, execute, execute_all, one, share_lock};
use crate::{
    domain::{Assurance, Rotations, Session, Window},
    passwords::Phc,
    tokens::Hash,
};

const COLUMNS: &str = "id, user_id, client_id, scope, user_agent, ip_address, device_name, amr, auth_time, \
                       create_time, last_used_time, expire_time, absolute_expire_time";

/// Sessions stay for a day after their last access token is dead. The condition looks at every row, since
/// an index on what each refresh changes would cost more than it gives.
pub(crate) const SESSIONS: Expiring = Expiring {
    table: "sessions",
    key: "id",
    over: "expire_time < $1 OR absolute_expire_time < $1 OR revoke_time < $1",
    keep: |limits| limits.token_life() + TimeDelta::days(1),
};

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    user_id: Uuid,
    client_id: String,
    scope: String,
    user_agent: String,
    ip_address: String,
    device_name: String,
    amr: String,
    /// None in a session that an earlier release opened.
    auth_time: Option<DateTime<Utc>>,
    create_time: DateTime<Utc>,
    last_used_time: DateTime<Utc>,
    expire_time: DateTime<Utc>,
    absolute_expire_time: DateTime<Utc>,
}

impl From<Row> for Session {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            user_id: row.user_id,
            client_id: row.client_id,
            scope: row.scope,
            user_agent: row.user_agent,
            ip_address: row.ip_address,
            device_name: row.device_name,
            assurance: Assurance::parse(&row.amr),
            auth_time: row.auth_time.unwrap_or(row.create_time),
            create_time: row.create_time,
            last_used_time: row.last_used_time,
            expire_time: row.expire_time,
            absolute_expire_time: row.absolute_expire_time,
        }
    }
}

/// A session and the first token of its family.
#[derive(Debug)]
pub(crate) struct NewSession<'a> {
    pub(crate) session: &'a Session,
    pub(crate) family: Hash,
    pub(crate) current: Hash,
    /// The hash of the password that opens it, where it was one.
    pub(crate) phc: Option<&'a Phc>,
}

/// One token's replacement by its successor.
#[derive(Debug)]
pub(crate) struct Rotation {
    pub(crate) family: Hash,
    pub(crate) presented: Hash,
    pub(crate) successor: Hash,
    pub(crate) client_id: String,
    pub(crate) now: DateTime<Utc>,
    pub(crate) expire_time: DateTime<Utc>,
    pub(crate) window: Window,
}

/// A family of refresh tokens, as it stands when the presented token is not its current one.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) session: Session,
    /// The hash of the current token.
    pub(crate) current: Vec<u8>,
    pub(crate) rotations: Rotations,
    pub(crate) revoked: bool,
}

#[derive(FromQueryResult)]
struct FamilyRow {
    current_hash: Vec<u8>,
    rotate_time: Option<DateTime<Utc>>,
    rotation_window: i64,
    rotations: i64,
    rotations_before: i64,
    revoke_time: Option<DateTime<Utc>>,
    #[sea_orm(nested)]
    session: Row,
}

#[derive(FromQueryResult)]
struct IdRow {
    id: Uuid,
}

#[derive(FromQueryResult)]
struct RevokedRow {
    id: Uuid,
    revoke_time: DateTime<Utc>,
}

impl Storage {
    /// Opens a session, unless its account is not active any more or has another password than the one that
    /// opens it. Says whether it was opened.
    ///
    /// The conditions stand in the statement, and on PostgreSQL under a lock, so that no session slips
    /// in beside the transaction that suspends the account, or gives it another password, and ends its
    /// sessions.
    pub(crate) async fn open_session(&self, new: &NewSession<'_>) -> Result<bool> {
        open_session(&self.db, new).await
    }

    /// An open session of an account.
    pub(crate) async fn open_session_of(
        &self,
        id: Uuid,
        user_id: Uuid,
        now: DateTime<Utc>,
    ) -> Result<Option<Session>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM sessions WHERE id = $1 AND user_id = $2 AND revoke_time IS NULL \
             AND expire_time > $3 AND absolute_expire_time > $3"
        );
        let row: Option<Row> = one(&self.db, &sql, [id.into(), user_id.into(), now.into()]).await?;
        Ok(row.map(Session::from))
    }

    /// Replaces the current token of an open session by its successor; `None` when the presented
    /// token is not the current one or the session is not open.
    pub(crate) async fn rotate(&self, rotation: &Rotation) -> Result<Option<Session>> {
        let sql = format!(
            "UPDATE sessions SET \
             current_hash = $3, rotate_time = $4, last_used_time = $4, expire_time = $5, \
             rotations_before = CASE WHEN rotation_window = $6 THEN rotations_before \
             WHEN rotation_window = $7 THEN rotations ELSE 0 END, \
             rotations = CASE WHEN rotation_window = $6 THEN rotations + 1 ELSE 1 END, \
             rotation_window = $6 \
             WHERE family_hash = $1 AND current_hash = $2 AND client_id = $8 AND revoke_time IS NULL \
             AND expire_time > $4 AND absolute_expire_time > $4 \
             RETURNING {COLUMNS}"
        );
        let row: Option<Row> = one(
            &self.db,
            &sql,
            [
                rotation.family.to_vec().into(),
                rotation.presented.to_vec().into(),
                rotation.successor.to_vec().into(),
                rotation.now.into(),
                rotation.expire_time.into(),
                rotation.window.0.into(),
                (rotation.window.0 - 1).into(),
                rotation.client_id.as_str().into(),
            ],
        )
        .await?;
        Ok(row.map(Session::from))
    }

    /// The family of a token, whatever became of it.
    pub(crate) async fn family(&self, family: &Hash) -> Result<Option<Family>> {
        let sql = format!(
            "SELECT {COLUMNS}, current_hash, rotate_time, rotation_window, rotations, \
             rotations_before, revoke_time FROM sessions WHERE family_hash = $1"
        );
        let row: Option<FamilyRow> = one(&self.db, &sql, [family.to_vec().into()]).await?;
        Ok(row.map(|row| Family {
            session: row.session.into(),
            current: row.current_hash,
            rotations: Rotations {
                window: row.rotation_window,
                in_window: row.rotations,
                in_window_before: row.rotations_before,
                last: row.rotate_time,
            },
            revoked: row.revoke_time.is_some(),
        }))
    }

    /// The open sessions of an account, the newest first.
    pub(crate) async fn open_sessions(
        &self,
        user_id: Uuid,
        now: DateTime<Utc>,
        most: u32,
    ) -> Result<Vec<Session>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM sessions WHERE user_id = $1 AND revoke_time IS NULL \
             AND expire_time > $2 AND absolute_expire_time > $2 \
             ORDER BY create_time DESC, id DESC LIMIT {most}"
        );
        let rows: Vec<Row> = all(&self.db, &sql, [user_id.into(), now.into()]).await?;
        Ok(rows.into_iter().map(Session::from).collect())
    }

    /// Ends a session of an account. Says whether it was open.
    pub(crate) async fn revoke_session(
        &self,
        id: Uuid,
        user_id: Uuid,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let ended = execute(
            &self.db,
            "UPDATE sessions SET revoke_time = $3 \
             WHERE id = $1 AND user_id = $2 AND revoke_time IS NULL \
             AND expire_time > $3 AND absolute_expire_time > $3",
            [id.into(), user_id.into(), now.into()],
        )
        .await?;
        Ok(ended == 1)
    }

    /// Ends every session of an account and answers which they were.
    pub(crate) async fn revoke_sessions(
        &self,
        user_id: Uuid,
        now: DateTime<Utc>,
    ) -> Result<Vec<Uuid>> {
        revoke_all(&self.db, user_id, now).await
    }

    /// Sessions that were ended since a moment, and when.
    pub(crate) async fn revoked_since(
        &self,
        since: DateTime<Utc>,
    ) -> Result<Vec<(Uuid, DateTime<Utc>)>> {
        let rows: Vec<RevokedRow> = all(
            &self.db,
            "SELECT id, revoke_time FROM sessions WHERE revoke_time > $1",
            [since.into()],
        )
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| (row.id, row.revoke_time))
            .collect())
    }
}

impl Transaction {
    /// Ends every session of an account but one and answers which they were.
    pub(crate) async fn revoke_other_sessions(
        &self,
        user_id: Uuid,
        spared: Uuid,
        now: DateTime<Utc>,
    ) -> Result<Vec<Uuid>> {
        let rows: Vec<IdRow> = all(
            &self.0,
            "UPDATE sessions SET revoke_time = $2 WHERE user_id = $1 AND id <> $3 \
             AND revoke_time IS NULL AND expire_time > $2 AND absolute_expire_time > $2 RETURNING id",
            [user_id.into(), now.into(), spared.into()],
        )
        .await?;
        Ok(rows.into_iter().map(|row| row.id).collect())
    }

    /// As [`Storage::open_session`].
    pub(crate) async fn open_session(&self, new: &NewSession<'_>) -> Result<bool> {
        open_session(&self.0, new).await
    }

    /// Notes what was proved in an open session of an account just now.
    pub(crate) async fn prove_session(
        &self,
        id: Uuid,
        user_id: Uuid,
        assurance: Assurance,
        now: DateTime<Utc>,
    ) -> Result<Option<Session>> {
        let sql = format!(
            "UPDATE sessions SET amr = $3, auth_time = $4 \
             WHERE id = $1 AND user_id = $2 AND revoke_time IS NULL \
             AND expire_time > $4 AND absolute_expire_time > $4 RETURNING {COLUMNS}"
        );
        let row: Option<Row> = one(
            &self.0,
            &sql,
            [
                id.into(),
                user_id.into(),
                assurance.amr().into(),
                now.into(),
            ],
        )
        .await?;
        Ok(row.map(Session::from))
    }

    /// Ends every session of an account and answers which they were.
    pub(crate) async fn revoke_sessions(
        &self,
        user_id: Uuid,
        now: DateTime<Utc>,
    ) -> Result<Vec<Uuid>> {
        revoke_all(&self.0, user_id, now).await
    }
}

async fn open_session(on: &impl ConnectionTrait, new: &NewSession<'_>) -> Result<bool> {
    let lock = share_lock(on);
    let (password, condition) = match new.phc {
        Some(_) => ("JOIN credentials c ON c.user_id = i.id", "AND c.phc = $16"),
        None => ("", ""),
    };
    let sql = format!(
        "INSERT INTO sessions ({COLUMNS}, family_hash, current_hash) \
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15 \
         FROM identities i {password} WHERE i.id = $2 AND i.status = 'active' {condition} {lock}"
    );
    let session = new.session;
    let mut values = vec![
        session.id.into(),
        session.user_id.into(),
        session.client_id.as_str().into(),
        session.scope.as_str().into(),
        session.user_agent.as_str().into(),
        session.ip_address.as_str().into(),
        session.device_name.as_str().into(),
        session.assurance.amr().into(),
        session.auth_time.into(),
        session.create_time.into(),
        session.last_used_time.into(),
        session.expire_time.into(),
        session.absolute_expire_time.into(),
        new.family.to_vec().into(),
        new.current.to_vec().into(),
    ];
    values.extend(new.phc.map(|phc| phc.as_str().into()));
    Ok(execute_all(on, &sql, values).await? == 1)
}

async fn revoke_all(
    on: &impl ConnectionTrait,
    user_id: Uuid,
    now: DateTime<Utc>,
) -> Result<Vec<Uuid>> {
    let rows: Vec<IdRow> = all(
        on,
        "UPDATE sessions SET revoke_time = $2 WHERE user_id = $1 AND revoke_time IS NULL \
         AND expire_time > $2 AND absolute_expire_time > $2 RETURNING id",
        [user_id.into(), now.into()],
    )
    .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}
