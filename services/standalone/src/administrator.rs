//! The first administrator.

use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use portico_auth::Auth;
use portico_service::{Config, Secret};

use crate::data::random;

/// The address of an administrator whom nobody has named.
const ADDRESS: &str = "admin@localhost";

/// The first administrator. Shown to a person, once, by [`Display`](fmt::Display): each value on a line
/// of its own.
#[derive(Debug)]
pub struct Administrator {
    /// The address to sign in with.
    pub email: String,
    /// The password to sign in with.
    pub password: Secret,
}

impl fmt::Display for Administrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  e-mail:   {}", self.email)?;
        writeln!(f, "  password: {}", self.password.expose())
    }
}

/// Creates the first administrator where there has never been one, with the configured address and
/// password, else with a random password, which nobody but the answer knows.
pub async fn create(config: &Config, auth: &Auth) -> anyhow::Result<Option<Administrator>> {
    if auth.has_administrator().await? {
        return Ok(None);
    }
    let email = config
        .auth
        .bootstrap_admin_email
        .as_deref()
        .unwrap_or(ADDRESS)
        .to_owned();
    let password = match &config.auth.bootstrap_admin_password {
        Some(password) => password.clone(),
        None => Secret::from(BASE64_URL_SAFE_NO_PAD.encode(random::<18>()?)),
    };
    let created = auth.bootstrap_admin(&email, password.expose()).await?;
    Ok(created.then_some(Administrator { email, password }))
}
