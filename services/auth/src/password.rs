//! Changing a password, and getting a new one when it is forgotten.

use uuid::Uuid;

use crate::{
    api_keys,
    core::Core,
    crash,
    domain::{Client, Email, Status},
    error::Error,
    links::{LinkToken, Purpose},
    login,
    mail::{Kind, Mail},
    passwords::{NewPassword, Password},
    storage::Account,
    users::Refused,
};

/// Replaces the password of an account and ends every session but `session`; answers those that it ended.
pub(crate) async fn change(
    core: &Core,
    (user_id, session): (Uuid, Uuid),
    old: Password,
    new: NewPassword,
    client: &Client,
) -> Result<Vec<Uuid>, Error> {
    let account = confirm(core, user_id, old).await?;
    let stored = account.phc.ok_or(Error::InvalidCredentials)?;
    let phc = core.passwords.hash(new, &account.email).await?;

    let now = core.clock.now();
    let tx = core.storage.begin().await?;
    if !tx.replace_credential(user_id, &stored, &phc, now).await? {
        // Somebody else changed it since it was verified.
        return Err(Error::InvalidCredentials);
    }
    tx.end_links(user_id).await?;
    // Before the sessions: who is answering one opens a session that is among them, or none.
    tx.end_challenges(user_id).await?;
    let ended = tx.revoke_other_sessions(user_id, session, now).await?;
    let mail = Mail::to_account(Kind::PasswordChanged, user_id, &account.email).asked_by(client);
    tx.queue_mail(&mail, now, &core.random).await?;
    tx.commit().await?;
    told(core, &ended).await;
    Ok(ended)
}

/// The account of somebody who is signed in, when the password is its own. Wrong ones are counted, since a
/// token that was stolen must not be a way to guess.
pub(crate) async fn confirm(
    core: &Core,
    user_id: Uuid,
    password: Password,
) -> Result<Account, Error> {
    let room = core.passwords.admit()?;
    let attempt = core.guard.confirm("password", user_id).await?;
    let checked = async {
        let account = core.storage.account_with_password(user_id).await?;
        let usable = account.filter(|account| account.status == Status::Active);
        let account = login::check(core, &room, usable, password).await?;
        account.ok_or(Error::InvalidCredentials)
    };
    let checked = checked.await;
    attempt.settle(&checked).await;
    checked
}

/// Asks for a link by mail. One statement, whether an account has the address or not: whoever writes the
/// mail finds out.
pub(crate) async fn forgot(core: &Core, email: &Email, client: &Client) -> Result<(), Error> {
    core.guard.mail(email, client).await?;
    let mail = Mail::to_address(Kind::Reset, email).asked_by(client);
    let now = core.clock.now();
    core.storage.queue_mail(&mail, now, &core.random).await?;
    core.outbox.notify_one();
    Ok(())
}

/// What a reset answers.
pub(crate) struct Reset {
    pub(crate) ended: Vec<Uuid>,
    /// Whoever opens the link may be kept from signing in by a stranger's guesses.
    pub(crate) device_token: String,
}

/// Sets a new password by a link and ends every session. Signs nobody in.
///
/// Whoever opens the link has proved the address as well. When nobody had before, the account's API keys
/// are revoked.
pub(crate) async fn reset(
    core: &Core,
    token: &str,
    new: NewPassword,
    client: &Client,
) -> Result<Reset, Error> {
    let token = LinkToken::parse(token).ok_or(Error::InvalidLink)?.hash();
    let link = core.storage.link(&token, core.clock.now()).await?;
    let link = link.filter(|link| link.purpose == Purpose::Reset);
    let link = link.ok_or(Error::InvalidLink)?;
    let account = core.storage.account(link.user_id).await?;
    let usable = account.filter(|account| {
        account.status == Status::Active && account.email.key() == link.email.key()
    });
    let account = usable.ok_or(Error::InvalidLink)?;
    let phc = core.passwords.hash(new, &account.email).await?;
    let now = core.clock.now();
    let verified = if account.email_verified {
        None
    } else {
        // Whoever made them may have registered with an address that is somebody else's. They go before the address
        // counts as proved: whatever fails after that, the next try would not look for them.
        let tx = core.storage.begin().await?;
        let keys = api_keys::revoke_all(&tx, account.id, now).await?;
        tx.commit().await?;
        api_keys::tell_ended(core, &keys).await;
        Some(proved(core, account.id, &link.email, &link.email).await?)
    };
    crash::point("reset.proved");

    let tx = core.storage.begin().await?;
    if !tx.take_link(&token).await? {
        return Err(Error::InvalidLink);
    }
    let mut keys = Vec::new();
    if let Some(identity) = &verified {
        tx.put_identity(identity, now).await?;
        // And what was made since.
        keys = api_keys::revoke_all(&tx, account.id, now).await?;
    }
    tx.put_credential(account.id, &phc, now).await?;
    tx.end_links(account.id).await?;
    tx.end_challenges(account.id).await?;
    let ended = tx.revoke_sessions(account.id, now).await?;
    let mail = Mail::to_account(Kind::PasswordChanged, account.id, &account.email);
    let mail = mail.asked_by(client);
    tx.queue_mail(&mail, now, &core.random).await?;
    crash::point("reset.finishing");
    tx.commit().await?;
    crash::point("reset.finished");
    api_keys::tell_ended(core, &keys).await;
    told(core, &ended).await;
    let device_token = core.devices.issue(None, &account.email, now, &core.random);
    Ok(Reset {
        ended,
        device_token,
    })
}

/// Tells the user service that an address was proved.
pub(crate) async fn proved(
    core: &Core,
    user_id: Uuid,
    email: &Email,
    previous: &Email,
) -> Result<crate::domain::Identity, Error> {
    match core.users.confirm_email(user_id, email, previous).await {
        Ok(identity) => Ok(identity),
        Err(Refused::EmailTaken) => Err(Error::EmailTaken),
        Err(Refused::Moved | Refused::Invalid(_)) => Err(Error::InvalidLink),
        Err(Refused::Away(status)) => {
            let reason = status.message();
            tracing::warn!(code = ?status.code(), reason, "the user service confirmed no address");
            Err(Error::UsersAway)
        }
    }
}

async fn told(core: &Core, ended: &[Uuid]) {
    for session in ended {
        core.denylist.publish(*session).await;
    }
    core.outbox.notify_one();
}
