//! The first administrator.

use std::time::Duration;

use crate::{
    Auth,
    core::Core,
    domain::Email,
    error::Error,
    register::{Outcome, Register, register},
};

/// The setting that remembers that the first administrator was made.
const DONE: &str = "bootstrap_admin";

const ROLES: [&str; 2] = ["admin", "user"];

/// How long to wait for the feed to tell what the administrator's roles allow, and how often to look.
const ROLES_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How long to wait before asking a user service again that was away.
const AGAIN: Duration = Duration::from_secs(1);

/// Whether the first administrator was made, ever. One statement.
async fn is_done(core: &Core) -> Result<bool, Error> {
    Ok(core.storage.setting(DONE).await?.is_some())
}

/// Makes the first administrator, once in the life of a database. Says whether it was made now.
///
/// It takes the way of every registration, under a note of its own: a stranger who registers the same
/// address meanwhile gets neither its id nor its roles.
async fn bootstrap(core: &Core, email: &str, password: &str) -> Result<bool, Error> {
    if is_done(core).await? {
        return Ok(false);
    }
    let ask = Register {
        email: Email::new(email),
        password: password.to_owned(),
        display_name: String::new(),
        roles: ROLES.map(str::to_owned).to_vec(),
    };
    await_roles(core).await?;
    match register(core, ask, Some(DONE)).await? {
        Outcome::Created(id) => {
            tracing::info!(user_id = %id, "made the first administrator");
            Ok(true)
        }
        Outcome::Taken => {
            tracing::warn!("the first administrator's address belongs to an account already");
            Ok(false)
        }
    }
}

/// As [`bootstrap`], and waits for a user service or a database that is away.
async fn bootstrap_patiently(core: &Core, email: &str, password: &str) -> Result<bool, Error> {
    loop {
        match bootstrap(core, email, password).await {
            Err(
                Error::UsersAway | Error::Overloaded(_) | Error::Storage(_) | Error::NoSigningKey,
            ) => {
                tokio::time::sleep(AGAIN).await;
            }
            done => return done,
        }
    }
}

/// Waits until the feed has told what the administrator's roles allow. Before that nobody should be able to
/// sign in as her, since her tokens would allow nothing.
async fn await_roles(core: &Core) -> Result<(), Error> {
    let roles = ROLES.map(str::to_owned);
    let known = async {
        while !core.roles.know(&roles) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(ROLES_WITHIN, known)
        .await
        .map_err(|_| Error::UsersAway)
}

impl Auth {
    /// Makes the first administrator (roles `admin` and `user`), once in the life of a database. Says
    /// whether it was made now.
    ///
    /// # Errors
    ///
    /// When the password is one of the commonest, or the user service or the database is away.
    pub async fn bootstrap_admin(&self, email: &str, password: &str) -> anyhow::Result<bool> {
        Ok(bootstrap(&self.core, email, password).await?)
    }

    /// As [`bootstrap_admin`](Self::bootstrap_admin), and waits for what is away.
    ///
    /// # Errors
    ///
    /// When the password is one of the commonest.
    pub async fn bootstrap_admin_patiently(
        &self,
        email: &str,
        password: &str,
    ) -> anyhow::Result<bool> {
        Ok(bootstrap_patiently(&self.core, email, password).await?)
    }

    /// Whether the first administrator was made, ever. Costs one statement.
    pub async fn has_administrator(&self) -> anyhow::Result<bool> {
        Ok(is_done(&self.core).await?)
    }
}
