//! A refresh token for a new pair of tokens.

use crate::{
    core::{Core, Grant},
    crash,
    domain::{Session, Status, Window},
    error::Error,
    storage::Rotation,
    tokens::RefreshToken,
};

/// Rotates a refresh token. Two statements when all is well.
///
/// A token that was used already answers its family's current one within the grace period (so all who
/// race end up with the same), and ends its session after that: then either the thief or the owner
/// presents it, and nobody can tell which (RFC 9700, section 4.14.2).
pub(crate) async fn refresh(core: &Core, presented: &str) -> Result<Grant, Error> {
    let presented = RefreshToken::parse(presented).ok_or(Error::InvalidGrant)?;
    let successor = core.successors.next(&presented);
    let now = core.clock.now();
    let rotated = core
        .storage
        .rotate(&Rotation {
            family: presented.family_hash(),
            presented: presented.hash(),
            successor: successor.hash(),
            now,
            expire_time: now + core.limits.idle,
            window: Window::at(now, core.limits.grace),
        })
        .await?;
    crash::point("refresh.rotated");
    let (session, current) = match rotated {
        Some(session) => (session, successor),
        None => forgive(core, &presented).await?,
    };

    let account = core.storage.account(session.user_id).await?;
    let Some(account) = account.filter(|account| account.status == Status::Active) else {
        end(core, &session).await?;
        return Err(Error::InvalidGrant);
    };
    if !core.mfa.satisfied(&account.roles, session.assurance) {
        // The account has got a role since that demands a factor; the next sign-in asks for one.
        end(core, &session).await?;
        return Err(Error::InvalidGrant);
    }
    core.grant(account, &session, current)
}

/// What a token that is not its family's current one leads to.
async fn forgive(core: &Core, presented: &RefreshToken) -> Result<(Session, RefreshToken), Error> {
    let family = core.storage.family(&presented.family_hash()).await?;
    let family = family.ok_or(Error::InvalidGrant)?;
    let now = core.clock.now();
    if family.revoked || family.session.end_time() <= now {
        return Err(Error::InvalidGrant);
    }
    let steps = family.rotations.forgiven(now, core.limits.grace);
    if let Some(current) = core.successors.find(presented, &family.current, steps) {
        return Ok((family.session, current));
    }
    tracing::warn!(
        session_id = %family.session.id,
        user_id = %family.session.user_id,
        "a used refresh token was presented; its session is ended"
    );
    metrics::counter!("refresh_reuse_total").increment(1);
    end(core, &family.session).await?;
    Err(Error::InvalidGrant)
}

async fn end(core: &Core, session: &Session) -> Result<(), Error> {
    let now = core.clock.now();
    let storage = &core.storage;
    storage
        .revoke_session(session.id, session.user_id, now)
        .await?;
    crash::point("refresh.ended");
    core.denylist.publish(session.id).await;
    Ok(())
}
