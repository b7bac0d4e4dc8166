//! Passwords that change while the process runs.

use std::io;

use sea_orm::{DatabaseConnection, DbBackend, DbErr, sqlx::postgres::PgConnectOptions};

use super::{postgres_connection, refused};
use crate::{
    Secret,
    files::{self, LINE_END},
};

/// Has new connections to PostgreSQL made with the user and the password that the URL's file holds by then, for as
/// long as the pool is open. Those that are open go on; the pool renews each within half an hour.
///
/// A file that names another server or database is not followed, since a pool must not write to two at once.
pub(super) fn follow(db: &DatabaseConnection, url: &Secret) {
    let Some(file) = url.file().map(ToOwned::to_owned) else {
        return;
    };
    if db.get_database_backend() != DbBackend::Postgres {
        return;
    }
    let pool = db.get_postgres_connection_pool().clone();
    let open = pool.clone();
    let (watched, mut known) = (file.clone(), url.clone());
    let changed = move |contents: io::Result<Vec<Vec<u8>>>| {
        let fresh = contents
            .map_err(|error| refused(error.to_string()))
            .and_then(|contents| text(&contents[0]));
        // Only its end of line has changed, or it is there again.
        if fresh
            .as_ref()
            .is_ok_and(|fresh| fresh.expose() == known.expose())
        {
            return;
        }
        match fresh.and_then(|fresh| Ok((successor(&known, &fresh)?, fresh))) {
            Ok((options, fresh)) => {
                pool.set_connect_options(options);
                known = fresh;
                tracing::info!(file = %file.display(), "new connections take the changed password");
            }
            Err(error) => {
                tracing::warn!(%error, file = %file.display(), "the database's last good URL stays");
            }
        }
    };
    let known = [url.expose().into()];
    files::watch(vec![watched], &known, move || !open.is_closed(), changed);
}

fn text(content: &[u8]) -> Result<Secret, DbErr> {
    let text = str::from_utf8(content).map_err(|_| refused("the database URL is not UTF-8"))?;
    Ok(Secret::from(text.trim_end_matches(LINE_END)))
}

/// How connections are made from now on.
fn successor(known: &Secret, fresh: &Secret) -> Result<PgConnectOptions, DbErr> {
    let place = |options: &PgConnectOptions| {
        let (host, port) = (options.get_host().to_owned(), options.get_port());
        (host, port, options.get_database().map(ToOwned::to_owned))
    };
    let (known, fresh) = (
        postgres_connection(known.expose())?,
        postgres_connection(fresh.expose())?,
    );
    if place(&known) != place(&fresh) {
        return Err(refused(
            "the database URL names another server or database, which takes a restart",
        ));
    }
    Ok(fresh)
}
