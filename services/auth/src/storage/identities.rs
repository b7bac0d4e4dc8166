//! Identities, their credentials and their roles' scopes.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::{Error, Result, Storage, Transaction, all, execute, join, one, split};
use crate::{
    domain::{Email, Identity, Scopes, Status},
    passwords::Phc,
};

/// What sign-in and refresh need to know of an account.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) id: Uuid,
    pub(crate) email: Email,
    pub(crate) email_verified: bool,
    pub(crate) status: Status,
    pub(crate) roles: Vec<String>,
    /// The password's hash, when the account has a password and it was asked for.
    pub(crate) phc: Option<Phc>,
    /// Whether it has a second factor, when it was asked for.
    pub(crate) has_factor: bool,
}

#[derive(FromQueryResult)]
struct AccountRow {
    id: Uuid,
    email: String,
    email_verified: bool,
    status: String,
    roles: String,
    phc: Option<String>,
    factor: Option<Uuid>,
}

impl TryFrom<AccountRow> for Account {
    type Error = Error;

    fn try_from(row: AccountRow) -> Result<Self> {
        Ok(Self {
            id: row.id,
            email: Email::new(&row.email),
            email_verified: row.email_verified,
            status: Status::parse(&row.status).ok_or(Error::Corrupt("identities"))?,
            roles: split(&row.roles),
            phc: row.phc.map(Phc::from_stored),
            has_factor: row.factor.is_some(),
        })
    }
}

#[derive(FromQueryResult)]
struct RoleRow {
    name: String,
    scopes: String,
}

impl Storage {
    /// The account that signs in with an address, whatever its status, with its password's hash,
    /// and whether it has a second factor.
    pub(crate) async fn account_by_email(&self, email_key: &str) -> Result<Option<Account>> {
        let row: Option<AccountRow> = one(
            &self.db,
            "SELECT i.id, i.email, i.email_verified, i.status, i.roles, c.phc, t.user_id AS factor \
             FROM identities i \
             LEFT JOIN credentials c ON c.user_id = i.id \
             LEFT JOIN totp_factors t ON t.user_id = i.id \
             WHERE i.email_key = $1 ORDER BY i.update_time DESC LIMIT 1",
            [email_key.into()],
        )
        .await?;
        row.map(Account::try_from).transpose()
    }

    /// The account of an address, whatever its status, without its password's hash.
    pub(crate) async fn addressee(&self, email_key: &str) -> Result<Option<Account>> {
        let row: Option<AccountRow> = one(
            &self.db,
            "SELECT id, email, email_verified, status, roles, NULL AS phc, NULL AS factor \
             FROM identities WHERE email_key = $1 ORDER BY update_time DESC LIMIT 1",
            [email_key.into()],
        )
        .await?;
        row.map(Account::try_from).transpose()
    }

    /// The account of an id, without its password's hash.
    pub(crate) async fn account(&self, id: Uuid) -> Result<Option<Account>> {
        let row: Option<AccountRow> = one(
            &self.db,
            "SELECT id, email, email_verified, status, roles, NULL AS phc, NULL AS factor FROM identities \
             WHERE id = $1",
            [id.into()],
        )
        .await?;
        row.map(Account::try_from).transpose()
    }

    /// The account of an id, with its password's hash.
    pub(crate) async fn account_with_password(&self, id: Uuid) -> Result<Option<Account>> {
        let row: Option<AccountRow> = one(
            &self.db,
            "SELECT i.id, i.email, i.email_verified, i.status, i.roles, c.phc, NULL AS factor FROM identities i \
             LEFT JOIN credentials c ON c.user_id = i.id WHERE i.id = $1",
            [id.into()],
        )
        .await?;
        row.map(Account::try_from).transpose()
    }

    /// Replaces a password's hash, unless somebody else replaced it first.
    pub(crate) async fn replace_credential(
        &self,
        user_id: Uuid,
        old: &Phc,
        new: &Phc,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        replace_credential(&self.db, user_id, old, new, now).await
    }

    /// The scopes of every role.
    pub(crate) async fn roles(&self) -> Result<HashMap<String, Scopes>> {
        let rows: Vec<RoleRow> = all(&self.db, "SELECT name, scopes FROM roles", []).await?;
        Ok(rows
            .into_iter()
            .map(|row| (row.name, split(&row.scopes)))
            .collect())
    }
}

impl Transaction {
    /// Stores an identity unless a newer state of it is there, and takes its address from whichever
    /// other identity still shows it. Two statements, whatever they find. Says whether it was stored.
    pub(crate) async fn put_identity(
        &self,
        identity: &Identity,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let stored = execute(
            &self.0,
            "INSERT INTO identities \
             (id, email, email_key, email_verified, status, roles, revision, update_time) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
             ON CONFLICT (id) DO UPDATE SET \
             email = excluded.email, email_key = excluded.email_key, \
             email_verified = excluded.email_verified, status = excluded.status, \
             roles = excluded.roles, revision = excluded.revision, \
             update_time = excluded.update_time \
             WHERE identities.revision <= excluded.revision",
            [
                identity.id.into(),
                identity.email.as_str().into(),
                identity.email.key().into(),
                identity.email_verified.into(),
                identity.status.as_str().into(),
                join(&identity.roles).into(),
                identity.revision.into(),
                now.into(),
            ],
        )
        .await?;
        let others = if stored == 1 {
            identity.id
        } else {
            Uuid::nil()
        };
        self.release_email(identity.email.key(), others, stored == 1)
            .await?;
        Ok(stored == 1)
    }

    async fn release_email(&self, email_key: &str, except: Uuid, really: bool) -> Result<()> {
        let sql = "UPDATE identities SET email_key = NULL WHERE $3 AND email_key = $1 AND id <> $2";
        let values = [email_key.into(), except.into(), really.into()];
        execute(&self.0, sql, values).await?;
        Ok(())
    }

    /// Erases what is known of the person behind an account that was purged: the address, the password,
    /// and where she signed in from. What is left says that the account is no more.
    pub(crate) async fn erase_person(&self, user_id: Uuid) -> Result<()> {
        for sql in [
            "UPDATE identities SET email = '', email_key = NULL, email_verified = FALSE, roles = '' \
             WHERE id = $1",
            "DELETE FROM credentials WHERE user_id = $1",
            "UPDATE sessions SET user_agent = '', ip_address = '', device_name = '' \
             WHERE user_id = $1",
            "DELETE FROM links WHERE user_id = $1",
            "DELETE FROM mails WHERE user_id = $1",
            "DELETE FROM totp_factors WHERE user_id = $1",
            "DELETE FROM totp_enrolments WHERE user_id = $1",
            "DELETE FROM recovery_codes WHERE user_id = $1",
            "DELETE FROM challenges WHERE user_id = $1",
            "DELETE FROM api_keys WHERE owner_kind = 'user' AND owner_id = $1",
        ] {
            execute(&self.0, sql, [user_id.into()]).await?;
        }
        Ok(())
    }

    /// Gives an account its first password; one that it has already is kept. Says whether it was given.
    pub(crate) async fn add_credential(
        &self,
        user_id: Uuid,
        phc: &Phc,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let added = execute(
            &self.0,
            "INSERT INTO credentials (user_id, phc, update_time) VALUES ($1, $2, $3) \
             ON CONFLICT (user_id) DO NOTHING",
            [user_id.into(), phc.as_str().into(), now.into()],
        )
        .await?;
        Ok(added == 1)
    }

    /// Replaces a password's hash, unless somebody else replaced it first.
    pub(crate) async fn replace_credential(
        &self,
        user_id: Uuid,
        old: &Phc,
        new: &Phc,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        replace_credential(&self.0, user_id, old, new, now).await
    }

    /// Gives an account a password, whatever it had.
    pub(crate) async fn put_credential(
        &self,
        user_id: Uuid,
        phc: &Phc,
        now: DateTime<Utc>,
    ) -> Result<()> {
        execute(
            &self.0,
            "INSERT INTO credentials (user_id, phc, update_time) VALUES ($1, $2, $3) \
             ON CONFLICT (user_id) DO UPDATE SET \
             phc = excluded.phc, update_time = excluded.update_time",
            [user_id.into(), phc.as_str().into(), now.into()],
        )
        .await?;
        Ok(())
    }

    /// Writes to the same tables as [`put_identity`](Self::put_identity) and
    /// [`add_credential`](Self::add_credential) in as many statements, and changes nothing: a refused
    /// registration must not be told from an accepted one by its time.
    pub(crate) async fn pretend(&self, email_key: &str) -> Result<()> {
        let nobody = Uuid::nil();
        execute(
            &self.0,
            "UPDATE identities SET revision = revision WHERE id = $1",
            [nobody.into()],
        )
        .await?;
        self.release_email(email_key, nobody, false).await?;
        execute(
            &self.0,
            "UPDATE credentials SET update_time = update_time WHERE user_id = $1",
            [nobody.into()],
        )
        .await?;
        Ok(())
    }

    /// Stores the scopes of a role.
    pub(crate) async fn put_role(&self, name: &str, scopes: &[String]) -> Result<()> {
        put_role(&self.0, name, scopes).await
    }
}

async fn replace_credential(
    on: &impl ConnectionTrait,
    user_id: Uuid,
    old: &Phc,
    new: &Phc,
    now: DateTime<Utc>,
) -> Result<bool> {
    let changed = execute(
        on,
        "UPDATE credentials SET phc = $3, update_time = $4 WHERE user_id = $1 AND phc = $2",
        [
            user_id.into(),
            old.as_str().into(),
            new.as_str().into(),
            now.into(),
        ],
    )
    .await?;
    Ok(changed == 1)
}

async fn put_role(on: &impl ConnectionTrait, name: &str, scopes: &[String]) -> Result<()> {
    execute(
        on,
        "INSERT INTO roles (name, scopes) VALUES ($1, $2) \
         ON CONFLICT (name) DO UPDATE SET scopes = excluded.scopes",
        [name.into(), join(scopes).into()],
    )
    .await?;
    Ok(())
}
