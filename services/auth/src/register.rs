//! Registration: an account in the user service, and its password here.
//!
//! What was asked for is written down first, under the id that the account will have. So a crash at
//! any point leaves either nothing or a note by which anybody can finish, and asking the user service
//! again with the same id is harmless. A taken address takes the same steps as a free one.

use portico_proto::error::Violation;
use uuid::Uuid;

use crate::{
    core::Core,
    crash,
    domain::{Email, Identity},
    error::Error,
    passwords::is_common,
    storage::Registration,
    users::Refused,
};

/// The roles that somebody gets who registers.
pub(crate) const ROLES: [&str; 1] = ["user"];

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
    if is_common(&ask.password) {
        return Err(Error::Invalid(vec![Violation::new(
            "password",
            "is one of the commonest; choose another one",
        )]));
    }
    let phc = core.hash(ask.password).await?;
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
    complete(core, &registration, mark).await
}

/// Brings a registration that was written down to its end. May be repeated.
pub(crate) async fn complete(
    core: &Core,
    registration: &Registration,
    mark: Option<&str>,
) -> Result<Outcome, Error> {
    match core.users.provision(registration).await {
        Ok(identity) => {
            crash::point("register.provisioned");
            finish(core, registration, &identity, mark).await
        }
        Err(Refused::EmailTaken) => {
            abandon(core, registration).await?;
            Ok(Outcome::Taken)
        }
        Err(Refused::Invalid(violations)) => {
            abandon(core, registration).await?;
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
    }
    crash::point("register.finishing");
    tx.commit().await?;
    crash::point("register.finished");
    Ok(if created {
        Outcome::Created(identity.id)
    } else {
        Outcome::Taken
    })
}

async fn abandon(core: &Core, registration: &Registration) -> Result<(), Error> {
    let tx = core.storage.begin().await?;
    tx.remove_registration(registration).await?;
    tx.pretend(registration.email.key()).await?;
    Ok(tx.commit().await?)
}
