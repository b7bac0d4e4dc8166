//! The end of the session that the caller speaks in.

use uuid::Uuid;

use crate::{core::Core, error::Error};

/// Ends a session; one that has ended already is fine.
pub(crate) async fn logout(core: &Core, user_id: Uuid, session_id: Uuid) -> Result<(), Error> {
    let now = core.clock.now();
    core.storage
        .revoke_session(session_id, user_id, now)
        .await?;
    core.denylist.publish(session_id).await;
    Ok(())
}
