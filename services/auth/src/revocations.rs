//! What was revoked besides sessions: single tokens, and all tokens of a client or a key.

use chrono::TimeDelta;

use crate::{core::Core, error::Error};

/// Tells everybody again of what was revoked within `age`, for the reasons that sessions are told of again.
pub(crate) async fn publish(core: &Core, age: TimeDelta) -> Result<(), Error> {
    let now = core.clock.now();
    for (id, revoked) in core.storage.revocations_since(now - age).await? {
        core.denylist.publish_id_again(&id, now - revoked).await;
    }
    Ok(())
}
