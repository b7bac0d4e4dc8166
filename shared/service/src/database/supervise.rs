//! Keeping the readiness checks of a database true.

use std::time::Duration;

use sea_orm::{DatabaseConnection, DbBackend, DbErr};
use sea_orm_migration::MigratorTrait;

use super::{migrate, pending};
use crate::Frame;

/// How often a database that cannot be used is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// How often one that could be used is looked at.
const WATCH: Duration = Duration::from_secs(5);

/// Makes a database usable and says so in the checks `database` and `migrations`, for as long as the
/// process runs.
///
/// On SQLite pending migrations are applied before this returns, and what fails there is the error. On
/// PostgreSQL nothing is changed: the process becomes ready once somebody has run `migrate`, and is
/// not ready while the database is away.
pub async fn supervise<M: MigratorTrait>(
    db: &DatabaseConnection,
    frame: &Frame,
) -> Result<(), DbErr> {
    let database = frame.readiness.check("database");
    let migrations = frame.readiness.check("migrations");
    if db.get_database_backend() == DbBackend::Sqlite {
        migrate::<M>(db).await?;
        database.up();
        migrations.up();
        return Ok(());
    }

    let (db, stop) = (db.clone(), frame.stop.clone());
    frame.tasks.spawn(async move {
        let mut migrated = false;
        loop {
            let state = if migrated {
                db.ping().await.map(|()| false)
            } else {
                pending::<M>(&db).await
            };
            match state {
                Ok(false) => {
                    database.up();
                    migrations.up();
                    migrated = true;
                }
                Ok(true) => {
                    database.up();
                    migrations.down("the command `migrate` has not run");
                }
                Err(error) => {
                    database.down("away");
                    tracing::debug!(%error, "database away");
                }
            }
            let pause = if migrated { WATCH } else { AGAIN };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    });
    Ok(())
}
