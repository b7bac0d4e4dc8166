//! Registration: an account in the user service, and its password here.
//!
//! What was asked for is written down first, under the id that the account will have. So a crash at
//! any point leaves either nothing or a note by which anybody can finish, and asking the user service
//! again with the same id is harmless.
//!
//! A taken address takes the same steps as a free one, and what the steps differ by, such as the indexes that an
//! account is entered in, is over before the answer is due.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    core::Core,
    crash,
    domain::{Email, Identity},
    error::Error,
    mail::{Kind, Mail},
    passwords::NewPassword,
    storage::Registration,
    users::Refused,
};

/// The roles that somebody gets who registers.
pub(crate) const ROLES: [&str; 1] = ["user"];

/// How long everything behind the hash takes at least: some times what it takes where the database is near.
const REST: Duration = Duration::from_millis(10);

/// What somebody asks for.
pub(crate) struct Register {
    pub(crate) email: Email,
    pub(crate) password: String,
    pub(crate) display_name: String,
    pub(crate) roles: Vec<String>,
}

/// How a registration ended. Public callers are not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The account exists and has this password.
    Created(Uuid),
    /// Another account has the address, or the account had a password already.
    Taken,
}

/// Registers an account. `mark` is a setting that is set in the same transaction.
pub(crate) async fn register(
    core: &Core,
    ask: Register,
    mark: Option<&str>,
) -> Result<Outcome, Error> {
    let span = tracing::info_span!("register");
    let outcome = attempt(core, ask, mark).instrument(span).await;
    let label = match &outcome {
        Ok(Outcome::Created(_)) => "created",
        Ok(Outcome::Taken) => "taken",
        Err(Error::Invalid(_)) => "invalid",
        Err(Error::Overloaded(_)) => "overloaded",
        Err(Error::TooManyAttempts(_)) => "limited",
        Err(_) => "failed",
    };
    metrics::counter!("auth_registrations_total", "outcome" => label).increment(1);
    outcome
}

async fn attempt(core: &Core, ask: Register, mark: Option<&str>) -> Result<Outcome, Error> {
    let password = NewPassword::parse("password", &ask.password);
    let password = password.map_err(|fault| Error::Invalid(vec![fault]))?;
    let phc = core.passwords.hash(password, &ask.email).await?;
    let due = Instant::now() + REST;
    let now = core.clock.now();
    let mut registration = Registration {
        id: core.random.uuid(now),
        email: ask.email,
        display_name: ask.display_name,
        roles: ask.roles,
        phc,
    };
    registration.id = core.storage.put_registration(&registration, now).await?;
    crash::point("register.noted");
    let outcome = complete(core, &registration, mark).await;
    sleep_until(due).await;
    outcome
}

/// Brings a registration that was written down to its end. May be repeated.
pub(crate) async fn complete(
    core: &Core,
    registration: &Registration,
    mark: Option<&str>,
) -> Result<Outcome, Error> {
    let provisioned = match core.users.provision(registration).await {
        // Whoever runs the system has said whose address it is, so nobody has to prove it.
        Ok(identity) if mark.is_some() && !identity.email_verified => {
            let email = &registration.email;
            core.users.confirm_email(identity.id, email, email).await
        }
        provisioned => provisioned,
    };
    match provisioned {
        Ok(identity) => {
            crash::point("register.provisioned");
            finish(core, registration, &identity, mark).await
        }
        Err(Refused::EmailTaken | Refused::Moved) => {
            abandon(core, registration, Some(Kind::Taken)).await?;
            Ok(Outcome::Taken)
        }
        Err(Refused::Invalid(violations)) => {
            abandon(core, registration, None).await?;
            Err(Error::Invalid(violations))
        }
        Err(Refused::Away(status)) => {
            let reason = status.message();
            tracing::warn!(code = ?status.code(), reason, "the user service created no account");
            Err(Error::UsersAway)
        }
    }
}

async fn finish(
    core: &Core,
    registration: &Registration,
    identity: &Identity,
    mark: Option<&str>,
) -> Result<Outcome, Error> {
    let now = core.clock.now();
    let tx = core.storage.begin().await?;
    tx.remove_registration(registration).await?;
    tx.put_identity(identity, now).await?;
    let created = tx
        .add_credential(identity.id, &registration.phc, now)
        .await?;
    if let Some(mark) = mark {
        tx.put_setting(mark, &identity.id.to_string()).await?;
    } else {
        let mail = if created {
            Mail::to_account(Kind::Verify, identity.id, &identity.email)
        } else {
            Mail::to_address(Kind::Taken, &identity.email)
        };
        tx.queue_mail(&mail, now, &core.random).await?;
    }
    crash::point("register.finishing");
    tx.commit().await?;
    crash::point("register.finished");
    core.outbox.notify_one();
    Ok(if created {
        Outcome::Created(identity.id)
    } else {
        Outcome::Taken
    })
}

async fn abandon(
    core: &Core,
    registration: &Registration,
    kind: Option<Kind>,
) -> Result<(), Error> {
    let now = core.clock.now();
    let tx = core.storage.begin().await?;
    tx.remove_registration(registration).await?;
    tx.pretend(registration.email.key()).await?;
    if let Some(kind) = kind {
        let mail = Mail::to_address(kind, &registration.email);
        tx.queue_mail(&mail, now, &core.random).await?;
    }
    tx.commit().await?;
    core.outbox.notify_one();
    Ok(())
}
