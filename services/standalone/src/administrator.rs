//! The first administrator.

use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use portico_auth::Auth;
use portico_service::{Config, Secret};

use crate::data::{Folder, random};

/// The address of an administrator whom nobody has named.
const ADDRESS: &str = "admin@localhost";

/// Where the address and the password lie, a line each, from before the account is made until they
/// were shown. Whatever ends a first start in between, the next one shows them.
const NOTE: &str = "administrator.note";

/// The first administrator. Shown to a person, once, by [`Display`](fmt::Display): each value on a line
/// of its own.
#[derive(Debug)]
pub struct Administrator {
    /// The address to sign in with.
    pub email: String,
    /// The password to sign in with. None when it was configured: then somebody knows it, and it
    /// belongs on no terminal.
    pub password: Option<Secret>,
}

impl fmt::Display for Administrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  e-mail:   {}", self.email)?;
        match &self.password {
            Some(password) => writeln!(f, "  password: {}", password.expose()),
            None => writeln!(f, "  its password is the configured one"),
        }
    }
}

/// Creates the first administrator where there has never been one, with the configured address and
/// password, else with a random password. Answers whom to show: also one that an earlier start created
/// and did not come to show, until [`shown`] is called.
pub async fn create(
    config: &Config,
    auth: &Auth,
    folder: &Folder,
) -> anyhow::Result<Option<Administrator>> {
    let kept = folder.read(NOTE)?.as_ref().and_then(read);
    if auth.has_administrator().await? {
        return Ok(kept);
    }
    let email = config.auth.bootstrap_admin_email.as_deref();
    if let (Some(email), Some(password)) = (email, &config.auth.bootstrap_admin_password) {
        // Of an earlier start that had another one in mind.
        folder.remove(NOTE)?;
        let created = auth.bootstrap_admin(email, password.expose()).await?;
        let email = email.to_owned();
        return Ok(created.then_some(Administrator {
            email,
            password: None,
        }));
    }

    let password = Secret::from(BASE64_URL_SAFE_NO_PAD.encode(random::<18>()?));
    let text = format!("{ADDRESS}\n{}\n", password.expose());
    folder.write(NOTE, &Secret::from(text))?;
    if auth.bootstrap_admin(ADDRESS, password.expose()).await? {
        return Ok(Some(Administrator {
            email: ADDRESS.to_owned(),
            password: Some(password),
        }));
    }
    folder.remove(NOTE)?;
    Ok(None)
}

/// Forgets the password of an administrator whom a person has seen.
pub fn shown(folder: &Folder) -> anyhow::Result<()> {
    folder.remove(NOTE)
}

fn read(note: &Secret) -> Option<Administrator> {
    let (email, password) = note.expose().split_once('\n')?;
    Some(Administrator {
        email: email.to_owned(),
        password: Some(Secret::from(password.trim_end())),
    })
}
