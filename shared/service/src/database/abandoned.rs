//! Statements on PostgreSQL whose caller has gone.
//!
//! sqlx gives a connection back to the pool when a query is dropped, and then waits for the rest of its
//! answer: the server works on for nobody, and the connection is gone as long. Here, what has no answer after
//! a moment loses its connection, and the server looks for that and cancels.

use std::time::Duration;

use sea_orm::sqlx::{Connection, Executor, Postgres, pool::PoolOptions};
use tokio::time::timeout;

/// How long an abandoned statement may take to come to its end by itself. Most do, and a new connection
/// costs more.
const PATIENCE: Duration = Duration::from_millis(50);

/// Has the server look every 300 ms whether the one that it works for is still there. PostgreSQL can since
/// version 14; one that does not know the setting has no such row.
const NOTICE: &str = "SELECT set_config(name, '300', false) FROM pg_settings \
                      WHERE name = 'client_connection_check_interval'";

/// The pool's options, so that nobody works for one who has gone.
pub(super) fn watched(options: PoolOptions<Postgres>) -> PoolOptions<Postgres> {
    options
        .after_connect(|connection, _| {
            Box::pin(async move {
                // Some systems cannot tell; statements have their timeout there as well.
                if let Err(error) = connection.execute(NOTICE).await {
                    tracing::debug!(%error, "the database will not notice when callers go");
                }
                Ok(())
            })
        })
        .after_release(|connection, _| {
            Box::pin(async move {
                match timeout(PATIENCE, connection.flush()).await {
                    Ok(finished) => finished.map(|()| true),
                    Err(_elapsed) => {
                        tracing::debug!("cancelled a statement that nobody waits for");
                        Ok(false)
                    }
                }
            })
        })
}
