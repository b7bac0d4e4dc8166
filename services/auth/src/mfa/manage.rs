//! A person's own factors, and the administrator who takes lost ones away.

use chrono::{DateTime, Utc};
use portico_caller::Caller;
use portico_proto::error::Violation;
use uuid::Uuid;

use super::{
    ATTEMPTS, ENROLMENT_LIFE,
    codes::Proof,
    step_up::{Person, recent},
};
use crate::{
    core::Core,
    domain::{Client, Email},
    error::Error,
    factors::{Enrolment, RecoveryCode, TotpSecret, enrolment},
    mail::{Kind, Mail},
    storage::{Factors, Sealed, Transaction},
};

/// What an account has.
pub(crate) struct Overview {
    pub(crate) totp: Option<DateTime<Utc>>,
    pub(crate) recovery_codes: i64,
    pub(crate) required: bool,
}

/// An account's factors.
pub(crate) async fn overview(core: &Core, user_id: Uuid) -> Result<Overview, Error> {
    let factors = of(core, user_id).await?;
    Ok(Overview {
        totp: factors.totp,
        recovery_codes: factors.recovery_codes,
        required: core.mfa.demanded_of(&factors.roles),
    })
}

/// Makes a secret for the caller, to be confirmed.
pub(crate) async fn enroll(
    core: &Core,
    person: Person,
) -> Result<(Enrolment, DateTime<Utc>), Error> {
    let factors = of(core, person.user_id).await?;
    recent(core, person, factors.totp.is_some()).await?;
    make_enrolment(core, person.user_id, &factors.email).await
}

/// Makes a secret for an account, to be confirmed by whoever was let this far.
pub(super) async fn make_enrolment(
    core: &Core,
    user_id: Uuid,
    email: &str,
) -> Result<(Enrolment, DateTime<Utc>), Error> {
    let secret = TotpSecret::new(&core.random);
    let expire_time = core.clock.now() + ENROLMENT_LIFE;
    let vault = &core.mfa.vault;
    let sealed = Sealed {
        sealed: vault.seal(&user_id.to_string(), secret.as_bytes(), &core.random),
        key_id: vault.key_id().to_owned(),
    };
    core.storage
        .put_enrolment(user_id, &sealed, ATTEMPTS, expire_time)
        .await?;
    Ok((enrolment(&secret, &core.mfa.issuer, email), expire_time))
}

/// Makes the secret that waits the caller's factor. Answers recovery codes when there were none.
pub(crate) async fn confirm(
    core: &Core,
    person: Person,
    typed: &str,
    client: &Client,
) -> Result<Vec<RecoveryCode>, Error> {
    let Person {
        user_id, session, ..
    } = person;
    let factors = of(core, user_id).await?;
    let proof = Proof::of_enrolment(core, user_id, typed, true).await?;
    let now = core.clock.now();
    let tx = core.storage.begin().await?;
    let assurance = proof.take(&tx, user_id, now).await?;
    if tx
        .prove_session(session, user_id, assurance, now)
        .await?
        .is_none()
    {
        return Err(Error::StepUpRequired);
    }
    let mut codes = Vec::new();
    if !tx.has_recovery_codes(user_id).await? {
        let set = RecoveryCode::set(&core.random);
        tx.put_recovery_codes(user_id, set.each_ref().map(|code| code.hash(user_id)))
            .await?;
        codes.extend(set);
    }
    tx.end_challenges(user_id).await?;
    let email = Email::new(&factors.email);
    tell(core, &tx, Kind::FactorAdded, (user_id, &email), client).await?;
    tx.commit().await?;
    core.outbox.notify_one();
    Ok(codes)
}

/// Removes the caller's factors. Removing none is fine.
pub(crate) async fn remove(core: &Core, person: Person, client: &Client) -> Result<(), Error> {
    let user_id = person.user_id;
    let factors = of(core, user_id).await?;
    if core.mfa.demanded_of(&factors.roles) {
        return Err(Error::FactorDemanded);
    }
    recent(core, person, factors.totp.is_some()).await?;
    let tx = core.storage.begin().await?;
    let removed = tx.remove_factors(user_id).await?;
    tx.end_challenges(user_id).await?;
    if removed {
        let email = Email::new(&factors.email);
        tell(core, &tx, Kind::FactorsRemoved, (user_id, &email), client).await?;
    }
    tx.commit().await?;
    core.outbox.notify_one();
    Ok(())
}

/// Replaces the caller's recovery codes.
pub(crate) async fn regenerate(
    core: &Core,
    person: Person,
    client: &Client,
) -> Result<[RecoveryCode; 10], Error> {
    let user_id = person.user_id;
    let factors = of(core, user_id).await?;
    if factors.totp.is_none() {
        return Err(Error::NotEnrolled);
    }
    recent(core, person, true).await?;
    let codes = RecoveryCode::set(&core.random);
    let tx = core.storage.begin().await?;
    tx.put_recovery_codes(user_id, codes.each_ref().map(|code| code.hash(user_id)))
        .await?;
    let email = Email::new(&factors.email);
    tell(core, &tx, Kind::CodesReplaced, (user_id, &email), client).await?;
    tx.commit().await?;
    core.outbox.notify_one();
    Ok(codes)
}

/// Removes every factor of somebody else's account, and answers the sessions that it ends.
///
/// An administrator who is a person has to have proved enough lately; nobody takes this way around the
/// removal of their own.
pub(crate) async fn reset(core: &Core, user_id: Uuid, caller: &Caller) -> Result<Vec<Uuid>, Error> {
    if caller.is(&user_id.to_string()) {
        return Err(Error::Invalid(vec![Violation::new(
            "user_id",
            "is the caller's own; accepted: somebody else's (DeleteTotp removes one's own)",
        )]));
    }
    // A caller without a session is a program that was given the scopes on purpose.
    if let Some(administrator) = Person::of(caller)? {
        let own = of(core, administrator.user_id).await?;
        recent(core, administrator, own.totp.is_some()).await?;
    }
    let factors = of(core, user_id).await?;
    let now = core.clock.now();
    let tx = core.storage.begin().await?;
    if tx.remove_factors(user_id).await? {
        // Where the administrator sits is nothing to the person.
        let (email, nowhere) = (Email::new(&factors.email), Client::default());
        tell(core, &tx, Kind::FactorsReset, (user_id, &email), &nowhere).await?;
    }
    tx.end_challenges(user_id).await?;
    let ended = tx.revoke_sessions(user_id, now).await?;
    tx.commit().await?;
    core.outbox.notify_one();
    for session in &ended {
        core.denylist.publish(*session).await;
    }
    Ok(ended)
}

/// Writes a change down, and queues the mail that tells the owner of it, in the transaction that makes it.
pub(super) async fn tell(
    core: &Core,
    tx: &Transaction,
    kind: Kind,
    (user_id, email): (Uuid, &Email),
    client: &Client,
) -> Result<(), Error> {
    let mail = Mail::to_account(kind, user_id, email).asked_by(client);
    tx.queue_mail(&mail, core.clock.now(), &core.random).await?;
    let change = kind.as_str();
    tracing::info!(%user_id, change, "the second factors of an account changed");
    Ok(())
}

async fn of(core: &Core, user_id: Uuid) -> Result<Factors, Error> {
    let factors = core.storage.factors(user_id).await?;
    factors.ok_or(Error::UserNotFound)
}
