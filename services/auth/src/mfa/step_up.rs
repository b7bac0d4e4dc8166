//! Proofs in an open session, and who has given one lately.

use portico_caller::Caller;
use uuid::Uuid;

use super::codes::Proof;
use crate::{
    core::Core,
    domain::{Session, Status},
    error::Error,
    tokens::AccessToken,
};

/// The open session of a caller that has proved enough lately: a second factor where there is one, else
/// the password.
pub(super) async fn recent(
    core: &Core,
    user_id: Uuid,
    session: Option<Uuid>,
    has_factor: bool,
) -> Result<Session, Error> {
    let now = core.clock.now();
    let Some(session) = session else {
        return Err(Error::StepUpRequired);
    };
    let session = core.storage.open_session_of(session, user_id, now).await?;
    let enough = |session: &Session| {
        now - session.auth_time <= core.mfa.step_up
            && (session.assurance.has_factor() || !has_factor)
    };
    session.filter(enough).ok_or(Error::StepUpRequired)
}

/// That a person who is about to give something away that outlives her session, such as an API key, has
/// proved enough lately: a token that was stolen must not become more than it is. A program has no
/// session, and was given what it may do on purpose. Two statements for a person.
pub(crate) async fn lately(core: &Core, caller: &Caller) -> Result<(), Error> {
    let session = caller.session.as_deref();
    let Some(session) = session.and_then(|id| Uuid::parse_str(id).ok()) else {
        return Ok(());
    };
    let user_id = Uuid::parse_str(&caller.subject).map_err(|_| Error::StepUpRequired)?;
    let factors = core.storage.factors(user_id).await?;
    let has_factor = factors.is_some_and(|factors| factors.totp.is_some());
    recent(core, user_id, Some(session), has_factor)
        .await
        .map(drop)
}

/// Proves a factor in an open session, and answers the session and a token that says so.
pub(crate) async fn prove(
    core: &Core,
    user_id: Uuid,
    session: Option<Uuid>,
    typed: &str,
) -> Result<(Uuid, AccessToken, String), Error> {
    let session = session.ok_or(Error::StepUpRequired)?;
    let account = core.storage.account(user_id).await?;
    let account = account.filter(|account| account.status == Status::Active);
    let account = account.ok_or(Error::StepUpRequired)?;
    let proof = Proof::of(core, user_id, typed).await?;
    let now = core.clock.now();
    let tx = core.storage.begin().await?;
    let assurance = proof.take(&tx, user_id, now).await?;
    let proved = tx.prove_session(session, user_id, assurance, now).await?;
    let session = proved.ok_or(Error::StepUpRequired)?;
    tx.commit().await?;
    let (access, scope) = core.access(account, &session, "").await?;
    Ok((session.id, access, scope))
}
