//! Registrations that have begun and are not known to have ended.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{Error, Result, Storage, Transaction, all, execute, join, one, split};
use crate::{domain::Email, passwords::Phc};

/// What is needed to finish a registration, by whoever comes along.
#[derive(Clone, Debug)]
pub(crate) struct Registration {
    /// The account's future id.
    pub(crate) id: Uuid,
    pub(crate) email: Email,
    pub(crate) display_name: String,
    pub(crate) roles: Vec<String>,
    pub(crate) phc: Phc,
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    email: String,
    display_name: String,
    roles: String,
    phc: String,
}

#[derive(FromQueryResult)]
struct IdRow {
    id: Uuid,
}

impl Storage {
    /// Begins a registration, or begins it anew with another password. It keeps the id that it had,
    /// which is answered.
    pub(crate) async fn put_registration(
        &self,
        registration: &Registration,
        now: DateTime<Utc>,
    ) -> Result<Uuid> {
        let row: Option<IdRow> = one(
            &self.db,
            "INSERT INTO registrations \
             (email_key, roles, id, email, display_name, phc, create_time) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (email_key, roles) DO UPDATE SET \
             email = excluded.email, display_name = excluded.display_name, \
             phc = excluded.phc, create_time = excluded.create_time \
             RETURNING id",
            [
                registration.email.key().into(),
                join(&registration.roles).into(),
                registration.id.into(),
                registration.email.as_str().into(),
                registration.display_name.as_str().into(),
                registration.phc.as_str().into(),
                now.into(),
            ],
        )
        .await?;
        Ok(row.ok_or(Error::Corrupt("registrations"))?.id)
    }

    /// Registrations of these roles that nobody has worked on since a moment, oldest first.
    pub(crate) async fn abandoned_registrations(
        &self,
        roles: &[String],
        before: DateTime<Utc>,
    ) -> Result<Vec<Registration>> {
        let rows: Vec<Row> = all(
            &self.db,
            "SELECT id, email, display_name, roles, phc FROM registrations \
             WHERE roles = $1 AND create_time < $2 ORDER BY create_time LIMIT 100",
            [join(roles).into(), before.into()],
        )
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| Registration {
                id: row.id,
                email: Email::new(&row.email),
                display_name: row.display_name,
                roles: split(&row.roles),
                phc: Phc::from_stored(row.phc),
            })
            .collect())
    }
}

impl Transaction {
    /// Forgets a registration.
    pub(crate) async fn remove_registration(&self, registration: &Registration) -> Result<()> {
        execute(
            &self.0,
            "DELETE FROM registrations WHERE email_key = $1 AND roles = $2 AND id = $3",
            [
                registration.email.key().into(),
                join(&registration.roles).into(),
                registration.id.into(),
            ],
        )
        .await?;
        Ok(())
    }
}
