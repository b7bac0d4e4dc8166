//! Proofs in an open session, and who has given one lately.

use chrono::{DateTime, Utc};
use portico_caller::Caller;
use uuid::Uuid;

use super::codes::Proof;
use crate::{
    core::Core,
    domain::{Assurance, Status},
    error::Error,
    tokens::AccessToken,
};

/// A person who calls in a session, and what her token says of how she proved who she is.
///
/// It is the token that counts and not the session: the owner's next proof must not lift a token that was
/// stolen before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Person {
    pub(crate) user_id: Uuid,
    pub(crate) session: Uuid,
    auth_time: Option<DateTime<Utc>>,
    has_factor: bool,
}

impl Person {
    /// `None` for a program, which has no session.
    pub(crate) fn of(caller: &Caller) -> Result<Option<Self>, Error> {
        let session = caller.session.as_deref();
        let Some(session) = session.and_then(|id| Uuid::parse_str(id).ok()) else {
            return Ok(None);
        };
        let seconds = caller.auth_time.and_then(|time| i64::try_from(time).ok());
        Ok(Some(Self {
            user_id: Uuid::parse_str(&caller.subject).map_err(|_| Error::StepUpRequired)?,
            session,
            auth_time: seconds.and_then(|time| DateTime::from_timestamp(time, 0)),
            has_factor: caller.acr.as_deref() == Some(Assurance::Totp.acr()),
        }))
    }
}

/// That a person has proved enough lately, a second factor where there is one, else the password, in a
/// session that is open.
pub(super) async fn recent(core: &Core, person: Person, has_factor: bool) -> Result<(), Error> {
    let Person {
        user_id, session, ..
    } = person;
    let now = core.clock.now();
    let young = |time: DateTime<Utc>| now - time <= core.mfa.step_up;
    if !person.auth_time.is_some_and(young) || (has_factor && !person.has_factor) {
        return Err(Error::StepUpRequired);
    }
    let open = core.storage.open_session_of(session, user_id, now).await?;
    open.map(drop).ok_or(Error::StepUpRequired)
}

/// That a person who is about to give something away that outlives her session, such as an API key, has
/// proved enough lately: a token that was stolen must not become more than it is. Nor must an API key
/// become another one. Any other program was given what it may do on purpose. Two statements for a person.
pub(crate) async fn lately(core: &Core, caller: &Caller) -> Result<(), Error> {
    if caller.is_key() {
        return Err(Error::NotByKey);
    }
    match Person::of(caller)? {
        Some(person) => {
            let has_factor = has_factor(core, person.user_id).await?;
            recent(core, person, has_factor).await
        }
        None => Ok(()),
    }
}

/// That whoever has a second factor has proved it lately, beside the password that was just typed. One
/// statement, and one more for who has one.
pub(crate) async fn with_factor(core: &Core, user_id: Uuid, caller: &Caller) -> Result<(), Error> {
    if has_factor(core, user_id).await? {
        let person = Person::of(caller)?.ok_or(Error::StepUpRequired)?;
        recent(core, person, true).await?;
    }
    Ok(())
}

async fn has_factor(core: &Core, user_id: Uuid) -> Result<bool, Error> {
    let factors = core.storage.factors(user_id).await?;
    Ok(factors.is_some_and(|factors| factors.totp.is_some()))
}

/// Proves a factor in an open session, and answers the session and a token that says so.
pub(crate) async fn prove(
    core: &Core,
    person: Person,
    typed: &str,
) -> Result<(Uuid, AccessToken, String), Error> {
    let Person {
        user_id, session, ..
    } = person;
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
