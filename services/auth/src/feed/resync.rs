//! Taking over everything at once, when the feed no longer has what is missing.

use crate::{core::Core, storage};

use super::apply::{self, Effects};

/// Reads a snapshot and moves the cursor to where the feed goes on. Says whether it came to its end; if it did
/// not, the cursor stands where it stood, and what was taken over is as good as it was.
pub(super) async fn run(core: &Core, cursor: i64) -> storage::Result<bool> {
    let mut stream = match core.users.snapshot().await {
        Ok(stream) => stream,
        Err(status) => {
            tracing::debug!(code = ?status.code(), "cannot read a snapshot");
            return Ok(false);
        }
    };
    let (mut place, mut roles) = (None, Vec::new());
    loop {
        let part = match stream.message().await {
            Ok(Some(part)) => part,
            Ok(None) => break,
            Err(status) => {
                tracing::debug!(code = ?status.code(), "the snapshot broke off");
                return Ok(false);
            }
        };
        if place.is_none() {
            (place, roles) = (Some(part.sequence), part.roles);
        }
        if part.users.is_empty() {
            continue;
        }
        let (now, mut effects) = (core.clock.now(), Effects::default());
        let tx = core.storage.begin().await?;
        // An older state never replaces a newer one, so whoever else is at work here does no harm.
        apply::accounts(&tx, &part.users, now, &mut effects).await?;
        tx.commit().await?;
        effects.tell(core).await?;
    }
    let Some(place) = place else {
        return Ok(false);
    };
    let tx = core.storage.begin().await?;
    tx.advance_feed(cursor, place).await?;
    let names: Vec<&str> = roles.iter().map(|role| role.name.as_str()).collect();
    tx.keep_roles(&names).await?;
    for role in &roles {
        tx.put_role(&role.name, &role.scopes).await?;
    }
    tx.commit().await?;
    core.roles.reload().await?;
    tracing::info!(sequence = place, "the copy is complete again");
    Ok(true)
}
