//! Sign-in with an address and a password.

use tracing::Instrument;
use uuid::Uuid;

use crate::{
    core::{Core, Grant},
    domain::{Assurance, Client, Email, FIRST_PARTY, Session, Status},
    error::Error,
    guessing::Device,
    mail::{Kind, Mail},
    mfa::{self, Challenge, Due},
    passwords::{Password, Phc, Room, Verdict},
    storage::{Account, NewSession},
    tokens::RefreshToken,
};

/// What somebody presents.
pub(crate) struct Login {
    pub(crate) email: Email,
    pub(crate) password: Password,
    /// What an earlier sign-in on the device answered.
    pub(crate) device_token: String,
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
/// hashed anew, or the owner is told of a device that is not known.
pub(crate) async fn login(core: &Core, login: Login) -> Result<SignIn, Error> {
    let outcome = sign_in(core, login).await;
    let label = match &outcome {
        Ok(SignIn::Open(_)) => "success",
        Ok(SignIn::Challenge(_)) => "challenged",
        Err(Error::InvalidCredentials) => "refused",
        Err(Error::Overloaded(_)) => "overloaded",
        Err(Error::TooManyAttempts(_)) => "limited",
        Err(_) => "failed",
    };
    metrics::counter!("auth_sign_ins_total", "outcome" => label).increment(1);
    outcome
}

async fn sign_in(core: &Core, login: Login) -> Result<SignIn, Error> {
    let Login {
        email,
        password,
        device_token,
        scope,
        client,
    } = login;
    // First of all: in a storm, those for whom there is no room cost no statement.
    let room = core.passwords.admit()?;
    let device = core.devices.read(&device_token, &email, core.clock.now());
    let attempt = core.guard.sign_in(&email, &client, device.as_ref()).await?;
    let outcome = async {
        // Once more when the account or its password was changed in between.
        for _ in 0..2 {
            let account = authenticate(core, &room, &email, password.clone()).await?;
            let admitted = admit(core, account, &scope, &client, device.as_ref());
            if let Some(sign_in) = admitted.await? {
                return Ok(sign_in);
            }
        }
        Err(Error::InvalidCredentials)
    };
    let outcome = outcome.await;
    attempt.settle(&outcome).await;
    outcome
}

/// Lets in an account that has proved its password; `None` when that is not its password any more.
async fn admit(
    core: &Core,
    account: Account,
    scope: &str,
    client: &Client,
    device: Option<&Device>,
) -> Result<Option<SignIn>, Error> {
    match mfa::due(core, &account, scope).await? {
        Due::Nothing => {
            let grant = open(core, account, scope, client, device).await?;
            Ok(grant.map(|grant| SignIn::Open(Box::new(grant))))
        }
        Due::Challenge(challenge) => {
            let notice = notice(core, Kind::PasswordUsed, &account, client, device).await;
            queue(core, notice).await;
            Ok(Some(SignIn::Challenge(challenge)))
        }
        Due::Outdated => Ok(None),
    }
}

/// The active account of an address and its password. One statement, and one more when the password is
/// hashed anew.
async fn authenticate(
    core: &Core,
    room: &Room,
    email: &Email,
    password: Password,
) -> Result<Account, Error> {
    let account = core.storage.account_by_email(email.key()).await?;
    let usable = account.filter(|account| account.status == Status::Active);
    check(core, room, usable, password)
        .await?
        .filter(|account| account.email_verified || !core.requires_verified_email)
        .ok_or(Error::InvalidCredentials)
}

/// The account, when the password is its own. Whoever has no password here costs as much time as somebody
/// who has one.
pub(crate) async fn check(
    core: &Core,
    room: &Room,
    account: Option<Account>,
    password: Password,
) -> Result<Option<Account>, Error> {
    let stored = account.as_ref().and_then(|account| account.phc.as_ref());
    let verifying = core.passwords.verify(room, password, stored);
    let verifying = verifying.instrument(tracing::info_span!("verify-password"));
    let (password, verdict) = verifying.await?;
    let Some(mut account) = account else {
        return Ok(None);
    };
    match (verdict, account.phc.take()) {
        (Verdict::Wrong, _) | (_, None) => return Ok(None),
        (Verdict::Right, stored) => account.phc = stored,
        (Verdict::RightAndOutdated, Some(stored)) => {
            account.phc = Some(rehash(core, room, account.id, password, stored).await);
        }
    }
    Ok(Some(account))
}

/// Opens a session of an account that has proved everything it has to; `None` when it is not active any
/// more, or has another password. One statement, and one more when its owner is told of a new device.
async fn open(
    core: &Core,
    account: Account,
    scope: &str,
    client: &Client,
    device: Option<&Device>,
) -> Result<Option<Grant>, Error> {
    let now = core.clock.now();
    let (scope, origin) = (scope.to_owned(), client.clone());
    let (session, refresh) = session(core, &account, scope, origin, Assurance::Password);
    let stored = NewSession {
        phc: account.phc.as_ref(),
        ..as_stored(&session, &refresh)
    };
    if !core.storage.open_session(&stored).await? {
        return Ok(None);
    }
    let notice = notice(core, Kind::NewDevice, &account, client, device).await;
    queue(core, notice).await;
    let device_token = core
        .devices
        .issue(device, &account.email, now, &core.random);
    Ok(Some(Grant {
        device_token,
        ..core.grant(account, &session, refresh, "").await?
    }))
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
        client_id: FIRST_PARTY.to_owned(),
        scope,
        user_agent: client.user_agent,
        ip_address: client.ip_address,
        device_name: client.device_name,
        assurance,
        auth_time: now,
        create_time: now,
        last_used_time: now,
        expire_time: now + core.limits.idle,
        absolute_expire_time: now + core.limits.absolute,
    };
    (session, RefreshToken::new(&core.random))
}

/// The same as storage takes it, whatever became of the password.
pub(crate) fn as_stored<'a>(session: &'a Session, refresh: &RefreshToken) -> NewSession<'a> {
    NewSession {
        session,
        family: refresh.family_hash(),
        current: refresh.hash(),
        phc: None,
    }
}

/// What the owner of an account is told of a device that is not known: once a day for each client, and
/// only at an address that is known to be theirs.
async fn notice(
    core: &Core,
    kind: Kind,
    account: &Account,
    client: &Client,
    device: Option<&Device>,
) -> Option<Mail> {
    if device.is_some() || !account.email_verified {
        return None;
    }
    let whose = format!("{} {}", account.id, client.ip_address);
    if !core.guard.first_today(kind.as_str(), &whose).await {
        return None;
    }
    let mail = Mail::to_account(kind, account.id, &account.email);
    Some(mail.asked_by(client))
}

/// The sign-in stands, whatever becomes of the notice.
async fn queue(core: &Core, notice: Option<Mail>) {
    let Some(notice) = notice else {
        return;
    };
    let now = core.clock.now();
    match core.storage.queue_mail(&notice, now, &core.random).await {
        Ok(()) => core.outbox.notify_one(),
        Err(error) => tracing::warn!(%error, "nobody is told of a device that is not known"),
    }
}

/// Hashes a right password at today's cost and answers the hash that is stored now. The sign-in goes on
/// without it when that fails.
async fn rehash(core: &Core, room: &Room, user_id: Uuid, password: Password, old: Phc) -> Phc {
    let replaced = async {
        let new = core.passwords.hash_anew(room, password).await?;
        let now = core.clock.now();
        let storage = &core.storage;
        let replaced = storage.replace_credential(user_id, &old, &new, now).await?;
        Ok::<_, Error>(replaced.then_some(new))
    };
    match replaced.await {
        Ok(new) => new.unwrap_or(old),
        Err(error) => {
            tracing::warn!(%user_id, %error, "a password was not hashed anew");
            old
        }
    }
}
