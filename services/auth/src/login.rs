//! Sign-in with an address and a password.

use crate::{
    core::{Core, Grant},
    domain::{Assurance, Client, Email, Session, Status},
    error::Error,
    mfa::{self, Challenge},
    passwords::{Hasher, Phc},
    storage::{Account, NewSession},
    tokens::RefreshToken,
};

/// What somebody presents.
pub(crate) struct Login {
    pub(crate) email: Email,
    pub(crate) password: String,
    /// The scopes that are asked for; empty asks for all.
    pub(crate) scope: String,
    pub(crate) client: Client,
}

/// What a right password leads to.
pub(crate) enum SignIn {
    Open(Box<Grant>),
    Challenge(Challenge),
}

/// Opens a session, or asks for a second factor first. Two statements, and one more when the password is
/// hashed anew.
pub(crate) async fn login(core: &Core, login: Login) -> Result<SignIn, Error> {
    let outcome = sign_in(core, login).await;
    let label = match &outcome {
        Ok(SignIn::Open(_)) => "success",
        Ok(SignIn::Challenge(_)) => "challenged",
        Err(Error::InvalidCredentials) => "refused",
        Err(Error::Overloaded(_)) => "overloaded",
        Err(_) => "failed",
    };
    metrics::counter!("auth_sign_ins_total", "outcome" => label).increment(1);
    outcome
}

async fn sign_in(core: &Core, login: Login) -> Result<SignIn, Error> {
    let account = authenticate(core, &login.email, login.password).await?;
    if let Some(challenge) = mfa::due(core, &account, &login.scope).await? {
        return Ok(SignIn::Challenge(challenge));
    }
    let grant = open(core, account, login.scope, login.client).await?;
    Ok(SignIn::Open(Box::new(grant)))
}

/// The active account of an address and its password. One statement, and one more when the password is
/// hashed anew.
async fn authenticate(core: &Core, email: &Email, password: String) -> Result<Account, Error> {
    let account = core.storage.account_by_email(email.key()).await?;
    let usable = account.filter(|account| account.status == Status::Active);
    let stored = usable.as_ref().and_then(|account| account.phc.clone());

    // Whoever has no password here costs as much time as somebody who has one.
    let phc = stored
        .clone()
        .unwrap_or_else(|| core.passwords.dummy.clone());
    let is_outdated = core.passwords.hasher.is_outdated(&phc);
    let (password, right) = verify(core, password, phc).await?;
    let (Some(account), Some(stored), true) = (usable, stored, right) else {
        return Err(Error::InvalidCredentials);
    };
    if is_outdated {
        rehash(core, &account, password, &stored).await;
    }
    Ok(account)
}

/// Opens a session of an account that has proved everything it has to. One statement.
async fn open(
    core: &Core,
    account: Account,
    scope: String,
    client: Client,
) -> Result<Grant, Error> {
    let (session, refresh) = session(core, &account, scope, client, Assurance::Password);
    let stored = as_stored(&session, &refresh);
    if !core.storage.open_session(&stored).await? {
        // The account was suspended since it was read.
        return Err(Error::InvalidCredentials);
    }
    core.grant(account, &session, refresh)
}

/// A session that begins now, and the first token of its family.
pub(crate) fn session(
    core: &Core,
    account: &Account,
    scope: String,
    client: Client,
    assurance: Assurance,
) -> (Session, RefreshToken) {
    let now = core.clock.now();
    let session = Session {
        id: core.random.uuid(now),
        user_id: account.id,
        scope,
        user_agent: client.user_agent,
        ip_address: client.ip_address,
        assurance,
        auth_time: now,
        create_time: now,
        last_used_time: now,
        expire_time: now + core.limits.idle,
        absolute_expire_time: now + core.limits.absolute,
    };
    (session, RefreshToken::new(&core.random))
}

/// The same as storage takes it.
pub(crate) fn as_stored<'a>(session: &'a Session, refresh: &RefreshToken) -> NewSession<'a> {
    NewSession {
        session,
        family: refresh.family_hash(),
        current: refresh.hash(),
    }
}

async fn verify(core: &Core, password: String, phc: Phc) -> Result<(String, bool), Error> {
    let verifying = core.passwords.pool.run(move || {
        let right = Hasher::verify(&password, &phc);
        (password, right)
    });
    Ok(verifying.await?)
}

/// Hashes a right password at today's cost. The sign-in goes on without it when there is no room.
async fn rehash(core: &Core, account: &Account, password: String, old: &Phc) {
    let replaced = match core.hash(password).await {
        Ok(new) => {
            let now = core.clock.now();
            let replacing = core.storage.replace_credential(account.id, old, &new, now);
            replacing.await.map_err(Error::from)
        }
        Err(error) => Err(error),
    };
    if let Err(error) = replaced {
        tracing::warn!(user_id = %account.id, %error, "a password was not hashed anew");
    }
}
