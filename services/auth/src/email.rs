//! Proving that an address is the person's, and changing it.

use portico_caller::Caller;
use portico_proto::error::Violation;
use uuid::Uuid;

use crate::{
    core::Core,
    domain::{Client, Email},
    error::Error,
    links::{LinkToken, Purpose},
    mail::{Kind, Mail},
    mfa,
    password::{confirm, proved},
    passwords::Password,
};

/// Takes the token of a link: the address to which it was sent is the account's from now on, and verified.
///
/// The user service is told first, which may be repeated, and the link is used up last: so a crash in
/// between leaves a link that still works.
pub(crate) async fn verify(core: &Core, token: &str) -> Result<(), Error> {
    let token = LinkToken::parse(token).ok_or(Error::InvalidLink)?.hash();
    let link = core.storage.link(&token, core.clock.now()).await?;
    let is_ours = |purpose| matches!(purpose, Purpose::Verify | Purpose::Change);
    let link = link.filter(|link| is_ours(link.purpose));
    let link = link.ok_or(Error::InvalidLink)?;
    let identity = proved(core, link.user_id, &link.email, &link.previous_email).await?;

    let now = core.clock.now();
    let tx = core.storage.begin().await?;
    if !tx.take_link(&token).await? {
        return Err(Error::InvalidLink);
    }
    tx.put_identity(&identity, now).await?;
    if link.purpose == Purpose::Change {
        // Links that were sent to the address before must not open this account any more.
        tx.end_links(link.user_id).await?;
        let mail = Mail::to_account(Kind::AddressChanged, link.user_id, &link.previous_email);
        tx.queue_mail(&mail, now, &core.random).await?;
    }
    tx.commit().await?;
    core.outbox.notify_one();
    Ok(())
}

/// Asks for the link that verifies an address again. One statement, whether an account has it or not.
pub(crate) async fn resend(core: &Core, email: &Email, client: &Client) -> Result<(), Error> {
    core.guard.mail(email, client).await?;
    let mail = Mail::to_address(Kind::Verify, email);
    let now = core.clock.now();
    core.storage.queue_mail(&mail, now, &core.random).await?;
    core.outbox.notify_one();
    Ok(())
}

/// Asks for another address, which the account gets when the link that is sent there is opened.
///
/// Whoever reads mails there can have the password reset, so a second factor is asked for where there is one.
pub(crate) async fn change(
    core: &Core,
    (user_id, caller): (Uuid, &Caller),
    email: &Email,
    password: Password,
    client: &Client,
) -> Result<(), Error> {
    mfa::with_factor(core, user_id, caller).await?;
    let account = confirm(core, user_id, password).await?;
    if account.email.key() == email.key() && account.email_verified {
        let fault = Violation::new("new_email", "is the account's address already");
        return Err(Error::Invalid(vec![fault]));
    }
    core.guard.mail(email, client).await?;
    let now = core.clock.now();
    let asked = Mail::to_account(Kind::NewAddress, user_id, email).instead_of(&account.email);
    let told = Mail::to_account(Kind::AddressAsked, user_id, &account.email).asked_by(client);
    let tx = core.storage.begin().await?;
    tx.queue_mail(&asked, now, &core.random).await?;
    tx.queue_mail(&told, now, &core.random).await?;
    tx.commit().await?;
    core.outbox.notify_one();
    Ok(())
}
