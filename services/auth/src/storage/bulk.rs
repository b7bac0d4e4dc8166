//! Many identities or credentials in one statement, or in a few whose lengths are powers of two.

use chrono::{DateTime, Utc};
use portico_service::database::{filled, pieces};
use sea_orm::{ConnectionTrait, FromQueryResult, Statement, Value};
use uuid::Uuid;

use super::{Result, Transaction, join};
use crate::{domain::Identity, passwords::Phc};

#[derive(FromQueryResult)]
struct Stored {
    id: Uuid,
    email_key: Option<String>,
}

impl Transaction {
    /// As [`put_identity`](Self::put_identity), for identities of which no two have an id or an address in
    /// common. Two statements for a number that is a power of two.
    pub(crate) async fn put_identities(
        &self,
        identities: &[Identity],
        now: DateTime<Utc>,
    ) -> Result<()> {
        let mut stored = Vec::new();
        for identities in pieces(identities) {
            stored.extend(self.put_piece(identities, now).await?);
        }
        self.release_emails(&stored).await
    }

    async fn put_piece(&self, identities: &[Identity], now: DateTime<Utc>) -> Result<Vec<Stored>> {
        let rows = identities.iter().map(|identity| {
            [
                identity.id.into(),
                identity.email.as_str().into(),
                identity.email.key().into(),
                identity.email_verified.into(),
                identity.status.as_str().into(),
                join(&identity.roles).into(),
                identity.revision.into(),
                now.into(),
            ]
        });
        let (places, values) = rows_of(rows);
        let sql = format!(
            "INSERT INTO identities \
             (id, email, email_key, email_verified, status, roles, revision, update_time) \
             VALUES {places} \
             ON CONFLICT (id) DO UPDATE SET \
             email = excluded.email, email_key = excluded.email_key, \
             email_verified = excluded.email_verified, status = excluded.status, \
             roles = excluded.roles, revision = excluded.revision, \
             update_time = excluded.update_time \
             WHERE identities.revision <= excluded.revision \
             RETURNING id, email_key"
        );
        let statement = Statement::from_sql_and_values(self.0.get_database_backend(), sql, values);
        Ok(Stored::find_by_statement(statement).all(&self.0).await?)
    }

    /// Takes the addresses of what was just stored from whichever other identities still show them.
    async fn release_emails(&self, stored: &[Stored]) -> Result<()> {
        let keys = stored.iter().filter_map(|row| row.email_key.clone());
        let mut values = filled(keys.map(Value::from));
        if values.is_empty() {
            return Ok(());
        }
        let stored = filled(stored.iter().map(|row| Value::from(row.id)));
        let keys = numbers(1, values.len());
        let ids = numbers(values.len() + 1, stored.len());
        values.extend(stored);
        let sql = format!(
            "UPDATE identities SET email_key = NULL WHERE email_key IN ({keys}) AND id NOT IN ({ids})"
        );
        let statement = Statement::from_sql_and_values(self.0.get_database_backend(), sql, values);
        self.0.execute_raw(statement).await?;
        Ok(())
    }

    /// As [`add_credential`](Self::add_credential), for several accounts.
    pub(crate) async fn add_credentials(
        &self,
        credentials: &[(Uuid, Phc)],
        now: DateTime<Utc>,
    ) -> Result<()> {
        for credentials in pieces(credentials) {
            let rows = credentials
                .iter()
                .map(|(id, phc)| [(*id).into(), phc.as_str().into(), now.into()]);
            let (places, values) = rows_of(rows);
            let sql = format!(
                "INSERT INTO credentials (user_id, phc, update_time) VALUES {places} \
                 ON CONFLICT (user_id) DO NOTHING"
            );
            let backend = self.0.get_database_backend();
            let statement = Statement::from_sql_and_values(backend, sql, values);
            self.0.execute_raw(statement).await?;
        }
        Ok(())
    }

    /// Forgets a role.
    pub(crate) async fn delete_role(&self, name: &str) -> Result<()> {
        super::execute(&self.0, "DELETE FROM roles WHERE name = $1", [name.into()]).await?;
        Ok(())
    }

    /// Forgets every role but these.
    pub(crate) async fn keep_roles(&self, names: &[&str]) -> Result<()> {
        let values = filled(names.iter().map(|name| Value::from(*name)));
        let sql = match values.len() {
            0 => "DELETE FROM roles".to_owned(),
            count => format!(
                "DELETE FROM roles WHERE name NOT IN ({})",
                numbers(1, count)
            ),
        };
        let statement = Statement::from_sql_and_values(self.0.get_database_backend(), sql, values);
        self.0.execute_raw(statement).await?;
        Ok(())
    }
}

/// The places of rows for a `VALUES`, and what stands in them.
fn rows_of<const N: usize>(rows: impl Iterator<Item = [Value; N]>) -> (String, Vec<Value>) {
    let (mut places, mut values) = (Vec::new(), Vec::new());
    for row in rows {
        places.push(format!("({})", numbers(values.len() + 1, N)));
        values.extend(row);
    }
    (places.join(", "), values)
}

/// `$1, $2, …`
fn numbers(first: usize, count: usize) -> String {
    let numbers: Vec<String> = (first..first + count).map(|n| format!("${n}")).collect();
    numbers.join(", ")
}
