//! Rows and the SQL that touches them: the only place that knows either.
//!
//! Statements are written in what PostgreSQL and SQLite share. Each function says how many it runs
//! when that is not one.

mod api_keys;
mod bulk;
mod challenges;
mod clients;
mod error;
mod expiring;
mod factors;
mod feed;
mod identities;
mod keys;
mod leases;
mod mails;
mod registrations;
mod revocations;
mod service_accounts;
mod sessions;
mod settings;

use portico_service::database;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, FromQueryResult,
    Statement, Value,
};

pub(crate) use self::{
    api_keys::{API_KEYS, OwnerState},
    challenges::{CHALLENGES, Method, Waiting},
    clients::{CLIENT_ASSERTIONS, DELETED_CLIENTS},
    error::Error,
    expiring::Expiring,
    factors::{Attempt, ENROLMENTS, Factors, Sealed},
    identities::Account,
    mails::{LINKS, QueuedMail},
    registrations::Registration,
    revocations::REVOCATIONS,
    sessions::{NewSession, Rotation, SESSIONS},
};

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// The auth database.
#[derive(Clone, Debug)]
pub(crate) struct Storage {
    db: DatabaseConnection,
}

/// A transaction; it rolls back when it is dropped.
#[derive(Debug)]
pub(crate) struct Transaction(DatabaseTransaction);

impl Storage {
    pub(crate) fn new(db: DatabaseConnection) -> Self {
        Self { db }
    }

    /// Begins a transaction that writes.
    pub(crate) async fn begin(&self) -> Result<Transaction> {
        Ok(Transaction(database::begin_write(&self.db).await?))
    }

    /// Whether the database is a file of this process's own, which nobody else serves from.
    pub(crate) fn is_private(&self) -> bool {
        self.db.get_database_backend() == DbBackend::Sqlite
    }
}

impl Transaction {
    pub(crate) async fn commit(self) -> Result<()> {
        Ok(database::commit("auth", self.0).await?)
    }
}

/// What keeps the rows that a statement reads as they are until what it does is committed. On SQLite nobody
/// else writes meanwhile.
fn share_lock(on: &impl ConnectionTrait) -> &'static str {
    match on.get_database_backend() {
        DbBackend::Sqlite => "",
        _ => "FOR SHARE",
    }
}

/// Runs a statement and answers how many rows it changed.
async fn execute<const N: usize>(
    on: &impl ConnectionTrait,
    sql: &str,
    values: [Value; N],
) -> Result<u64> {
    execute_all(on, sql, values.into()).await
}

/// The same for as many values as there are.
async fn execute_all(on: &impl ConnectionTrait, sql: &str, values: Vec<Value>) -> Result<u64> {
    let statement = Statement::from_sql_and_values(on.get_database_backend(), sql, values);
    Ok(on.execute_raw(statement).await?.rows_affected())
}

/// Runs a statement that answers at most one row.
async fn one<R: FromQueryResult, const N: usize>(
    on: &impl ConnectionTrait,
    sql: &str,
    values: [Value; N],
) -> Result<Option<R>> {
    let statement = Statement::from_sql_and_values(on.get_database_backend(), sql, values);
    Ok(R::find_by_statement(statement).one(on).await?)
}

/// Runs a statement that answers rows.
async fn all<R: FromQueryResult, const N: usize>(
    on: &impl ConnectionTrait,
    sql: &str,
    values: [Value; N],
) -> Result<Vec<R>> {
    let statement = Statement::from_sql_and_values(on.get_database_backend(), sql, values);
    Ok(R::find_by_statement(statement).all(on).await?)
}

/// Names of roles and scopes hold no space, so a list of them is kept as one text.
fn join(words: &[String]) -> String {
    words.join(" ")
}

fn split<C: FromIterator<String>>(words: &str) -> C {
    words.split_ascii_whitespace().map(str::to_owned).collect()
}

/// A SHA-256 as it is stored; `None` when it has another length.
fn hash(bytes: Vec<u8>) -> Option<[u8; 32]> {
    bytes.try_into().ok()
}
