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

/// Has the server look every 300 ms whether the one that it works for is still there (PostgreSQL can since
/// version 14), and start no parallel workers: they cost more than any of our statements, and most for those
/// whose dear part is never reached. A server that does not know a setting has no such row.
const NOTICE: &str = "SELECT set_config(name, value, false) FROM pg_settings \
                      JOIN (VALUES ('client_connection_check_interval', '300'), \
                                   ('max_parallel_workers_per_gather', '0')) AS ours (name, value) \
                      USING (name)";

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
