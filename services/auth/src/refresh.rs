//! A refresh token for a new pair of tokens.

use tracing::Instrument;
use uuid::Uuid;

use crate::{
    core::{Core, Grant},
    crash,
    domain::{FIRST_PARTY, Session, Status, Window},
    error::Error,
    storage::Rotation,
    tokens::RefreshToken,
};

/// A refresh token, and who presents it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refresh<'r> {
    pub(crate) token: &'r str,
    pub(crate) client_id: &'r str,
    /// The scopes that this access token is to be narrowed to; empty leaves them.
    pub(crate) scope: &'r str,
}

impl<'r> Refresh<'r> {
    /// As the first-party client refreshes.
    pub(crate) const fn first_party(token: &'r str) -> Self {
        Self {
            token,
            client_id: FIRST_PARTY,
            scope: "",
        }
    }
}

/// Whose a refresh token is.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_field_names,
    reason = "three ids, of three kinds of things"
)]
pub(crate) struct Owner {
    pub(crate) user_id: Uuid,
    pub(crate) session_id: Uuid,
    pub(crate) client_id: String,
}

/// Rotates a refresh token. Two statements when all is well.
///
/// A token that was used already answers its family's current one within the grace period (so all who
/// race end up with the same), and ends its session after that: then either the thief or the owner
/// presents it, and nobody can tell which (RFC 9700, section 4.14.2).
///
/// Another client's token is refused and nothing else happens to it: it may have been stolen from there,
/// but who holds it cannot use it.
pub(crate) async fn refresh(core: &Core, refresh: Refresh<'_>) -> Result<Grant, Error> {
    let span = tracing::info_span!("rotate-refresh-token");
    let outcome = rotate(core, refresh).instrument(span).await;
    let label = match &outcome {
        Ok(_) => "success",
        Err(Error::InvalidGrant) => "refused",
        Err(_) => "failed",
    };
    metrics::counter!("auth_refreshes_total", "outcome" => label).increment(1);
    outcome
}

async fn rotate(core: &Core, refresh: Refresh<'_>) -> Result<Grant, Error> {
    let presented = RefreshToken::parse(refresh.token).ok_or(Error::InvalidGrant)?;
    let successor = core.successors.next(&presented);
    let now = core.clock.now();
    let rotated = core
        .storage
        .rotate(&Rotation {
            family: presented.family_hash(),
            presented: presented.hash(),
            successor: successor.hash(),
            client_id: refresh.client_id.to_owned(),
            now,
            expire_time: now + core.limits.idle,
            window: Window::at(now, core.limits.grace),
        })
        .await?;
    crash::point("refresh.rotated");
    let (session, current) = match rotated {
        Some(session) => (session, successor),
        None => forgive(core, &presented, refresh.client_id).await?,
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
    core.grant(account, &session, current, refresh.scope).await
}

/// Whether a refresh token may be used for the scopes that are asked for; what else is wrong with it is for
/// [`refresh`] to say. Two statements, and none when nothing is asked for.
pub(crate) async fn allows(core: &Core, refresh: Refresh<'_>) -> Result<bool, Error> {
    let token = RefreshToken::parse(refresh.token).filter(|_| !refresh.scope.is_empty());
    let Some(token) = token else {
        return Ok(true);
    };
    let family = core.storage.family(&token.family_hash()).await?;
    let current = family.filter(|family| {
        family.current == token.hash() && family.session.client_id == refresh.client_id
    });
    let Some(family) = current else {
        return Ok(true);
    };
    let Some(account) = core.storage.account(family.session.user_id).await? else {
        return Ok(true);
    };
    let held = core.held(&account, &family.session).await?;
    let mut asked = refresh.scope.split_ascii_whitespace();
    Ok(asked.all(|scope| held.contains(scope)))
}

/// Whose a refresh token is, whatever became of it. One statement, and none for what is no such token.
pub(crate) async fn owner(core: &Core, presented: &str) -> Result<Option<Owner>, Error> {
    let Some(token) = RefreshToken::parse(presented) else {
        return Ok(None);
    };
    let family = core.storage.family(&token.family_hash()).await?;
    Ok(family.map(|family| Owner {
        user_id: family.session.user_id,
        session_id: family.session.id,
        client_id: family.session.client_id,
    }))
}

/// What a token that is not its family's current one leads to.
async fn forgive(
    core: &Core,
    presented: &RefreshToken,
    client_id: &str,
) -> Result<(Session, RefreshToken), Error> {
    let family = core.storage.family(&presented.family_hash()).await?;
    let family = family.ok_or(Error::InvalidGrant)?;
    let now = core.clock.now();
    if family.session.client_id != client_id || family.revoked || family.session.end_time() <= now {
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
