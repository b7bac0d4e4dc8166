//! `/oauth2/revoke`: a client that needs a token no more (RFC 7009).

use chrono::DateTime;
use portico_caller::{Caller, Refusal, Verifier};
use uuid::Uuid;

use super::{Answer, Asked, Fault, answer::Code, authenticate, directory::KnownClient, form::Form};
use crate::{core::Core, error::Error, refresh, sessions};

/// Who presents a token that is not its own is told so; a token that is not good is fine.
const FOREIGN: &str = "the token was issued to another client";

/// Revokes an access token, or a refresh token and its session. The access token of a session ends its
/// session too. `token_type_hint` changes nothing: the two cannot be mistaken for each other.
///
/// Answers what has ended of sessions beside.
pub(crate) async fn revoke(
    core: &Core,
    verifier: &Verifier,
    asked: &Asked<'_>,
) -> Result<(Answer, Option<String>), Fault> {
    let form = Form::read(asked)?;
    let known = authenticate::client(core, asked, &form).await?;
    let token = form.require("token", "token is missing")?;
    if let Some(owner) = refresh::owner(core, token).await? {
        if owner.client_id != known.id {
            return Err(Code::InvalidGrant.is(FOREIGN));
        }
        end(core, owner.user_id, owner.session_id).await?;
        return Ok((Answer::empty(), Some(owner.session_id.to_string())));
    }
    let caller = match verifier.verify(token).await {
        Ok(caller) => caller,
        Err(Refusal::KeysUnavailable) => return Err(Error::NoSigningKey.into()),
        Err(_) => return Ok((Answer::empty(), None)),
    };
    let ended = revoke_access(core, &known, &caller).await?;
    Ok((Answer::empty(), Some(ended)))
}

async fn revoke_access(core: &Core, known: &KnownClient, caller: &Caller) -> Result<String, Fault> {
    if caller.client_id != known.id {
        return Err(Code::InvalidGrant.is(FOREIGN));
    }
    let ids = caller.session.as_deref().and_then(|session| {
        let session = Uuid::parse_str(session).ok()?;
        Some((Uuid::parse_str(&caller.subject).ok()?, session))
    });
    if let Some((user_id, session)) = ids {
        end(core, user_id, session).await?;
        return Ok(session.to_string());
    }
    let now = core.clock.now();
    let seconds = i64::try_from(caller.expires_at).unwrap_or(i64::MAX);
    let until = DateTime::from_timestamp(seconds, 0).unwrap_or(now) + core.limits.token_life();
    core.storage.revoke(&caller.token_id, now, until).await?;
    core.denylist.publish_id(&caller.token_id).await;
    Ok(caller.token_id.clone())
}

async fn end(core: &Core, user_id: Uuid, session: Uuid) -> Result<(), Fault> {
    match sessions::end(core, user_id, session).await {
        // It had ended already.
        Ok(()) | Err(Error::SessionNotFound) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
