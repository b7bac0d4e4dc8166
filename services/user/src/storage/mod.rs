//! The database of the service: the only step from domain values to rows.
//!
//! Reads are methods of [`Storage`] and one statement each. Writes are methods of [`Transaction`], so
//! that a change and its event cannot come apart. Everything runs on SQLite and on PostgreSQL.

mod accounts;
mod bulk;
mod entity;
mod error;
mod feed;
mod listing;
mod outbox;
mod purge;
mod repeats;
mod replica;
mod retention;
mod roles;
mod sweep;

use std::sync::Arc;

use portico_service::database;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, QueryResult, Statement,
};
use tokio::sync::{Mutex, OwnedMutexGuard};

use self::entity::users::Model;
pub use accounts::Saved;
pub use error::{Error, Result};
pub use feed::Feed;
pub use repeats::{Fingerprint, Repeat};
pub use replica::Replica;
pub use retention::{Expiry, Unread};
pub use sweep::{Sweep, Swept};

/// How many of the rows, at least one, have no more than so many bytes of metadata together.
fn held_at_once<'r>(rows: impl IntoIterator<Item = &'r Model>, bytes: usize) -> usize {
    let mut held = 0;
    let fits = |row: &&Model| {
        let first = held == 0;
        held += row.public_metadata.len() + row.private_metadata.len();
        first || held <= bytes
    };
    rows.into_iter().take_while(fits).count()
}

/// The accounts, roles and events on disk. Clones share one pool.
#[derive(Clone)]
pub struct Storage {
    db: DatabaseConnection,
    /// For reads that may be some seconds behind.
    replica: Option<Replica>,
    /// SQLite has one writer at a time. Those of this process queue here, in order and without polling,
    /// instead of in SQLite's busy handler.
    turn: Option<Arc<Mutex<()>>>,
}

impl Storage {
    /// Over a pool whose migrations have run, and perhaps a replica of that database.
    pub fn new(db: DatabaseConnection, replica: Option<Replica>) -> Self {
        let sqlite = db.get_database_backend() == DbBackend::Sqlite;
        Self {
            db,
            replica,
            turn: sqlite.then(Arc::default),
        }
    }

    /// Begins a transaction that will write. Dropped without a commit, it leaves nothing behind.
    pub async fn begin(&self) -> Result<Transaction> {
        let turn = match &self.turn {
            Some(turn) => Some(Arc::clone(turn).lock_owned().await),
            None => None,
        };
        Ok(Transaction {
            tx: database::begin_write(&self.db).await?,
            _turn: turn,
        })
    }

    /// The rows of a statement that only reads, and may be some seconds behind.
    async fn read(&self, statement: Statement) -> Result<Vec<QueryResult>> {
        self.behind(|db| {
            let statement = statement.clone();
            async move { Ok(db.query_all_raw(statement).await?) }
        })
        .await
    }

    /// Reads what may be some seconds behind: from the replica while that can be used, and otherwise here.
    async fn behind<T, F>(&self, read: impl Fn(DatabaseConnection) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        if let Some(replica) = &self.replica
            && let Some(answer) = replica.ask(&read).await
        {
            return Ok(answer);
        }
        read(self.db.clone()).await
    }

    /// The feed of events behind a place.
    pub fn feed(&self, after: i64) -> Feed {
        Feed::new(self.db.clone(), after)
    }
}

/// One change with its event.
///
/// The row is written before the event, always: [`Feed`] relies on it.
pub struct Transaction {
    tx: DatabaseTransaction,
    // After `tx`, so that the rollback is on its way before the next writer's turn.
    _turn: Option<OwnedMutexGuard<()>>,
}

impl Transaction {
    /// Makes the change last. Once this answers, a crash cannot take it back.
    pub async fn commit(self) -> Result<()> {
        Ok(database::commit("user", self.tx).await?)
    }
}

#[cfg(test)]
mod tests;
