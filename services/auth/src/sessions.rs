//! The open sessions of an account: seeing them and ending them.

use chrono::TimeDelta;
use uuid::Uuid;

use crate::{core::Core, domain::Session, error::Error};

/// How many sessions a list holds at most.
const MOST: u32 = 100;

/// The open sessions of an account, the newest first, at most a hundred.
pub(crate) async fn list(core: &Core, user_id: Uuid) -> Result<Vec<Session>, Error> {
    let now = core.clock.now();
    Ok(core.storage.open_sessions(user_id, now, MOST).await?)
}

/// Ends one session of an account.
pub(crate) async fn end(core: &Core, user_id: Uuid, session_id: Uuid) -> Result<(), Error> {
    let now = core.clock.now();
    if !core
        .storage
        .revoke_session(session_id, user_id, now)
        .await?
    {
        return Err(Error::SessionNotFound);
    }
    core.denylist.publish(session_id).await;
    Ok(())
}

/// Ends every session of an account and answers which they were.
pub(crate) async fn end_all(core: &Core, user_id: Uuid) -> Result<Vec<Uuid>, Error> {
    let now = core.clock.now();
    let ended = core.storage.revoke_sessions(user_id, now).await?;
    for session in &ended {
        core.denylist.publish(*session).await;
    }
    Ok(ended)
}

/// Tells everybody again of sessions that ended within `age`: a cache that was emptied, or a process
/// that has just begun, would let their tokens in, and whoever ended one may not have lived to tell.
pub(crate) async fn publish_ended(core: &Core, age: TimeDelta) -> Result<(), Error> {
    let now = core.clock.now();
    let since = now - age;
    for (session, ended) in core.storage.revoked_since(since).await? {
        core.denylist.publish_again(session, now - ended).await;
    }
    Ok(())
}
