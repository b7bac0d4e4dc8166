//! Accounts of machines.

use portico_caller::{Caller, INTERNAL_SCOPE};
use portico_proto::error::Violation;
use uuid::Uuid;

use crate::{
    api_keys,
    clients::holds_all,
    core::Core,
    domain::{KeyOwner, Scopes, ServiceAccount},
    error::Error,
};

/// What somebody wants to change. What is `None` stays.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(crate) display_name: Option<String>,
    pub(crate) scopes: Option<Scopes>,
    pub(crate) disabled: Option<bool>,
}

/// Creates a service account.
pub(crate) async fn create(
    core: &Core,
    caller: &Caller,
    display_name: String,
    scopes: Scopes,
    disabled: bool,
) -> Result<ServiceAccount, Error> {
    let now = core.clock.now();
    let account = ServiceAccount {
        id: core.random.uuid(now),
        display_name,
        scopes,
        disabled,
        revision: 1,
        create_time: now,
        update_time: now,
    };
    check(&account)?;
    holds_all(caller, &account.scopes)?;
    core.storage.add_service_account(&account).await?;
    tracing::info!(id = %account.id, by = caller.subject, "created a service account");
    Ok(account)
}

/// One service account.
pub(crate) async fn get(core: &Core, id: Uuid) -> Result<ServiceAccount, Error> {
    let found = core.storage.service_account(id).await?;
    found.ok_or(Error::ServiceAccountNotFound)
}

/// Service accounts behind one of them, the oldest first.
pub(crate) async fn list(
    core: &Core,
    behind: Uuid,
    most: u32,
) -> Result<Vec<ServiceAccount>, Error> {
    Ok(core.storage.service_accounts(behind, most).await?)
}

/// Changes a service account. When it may do less than before, the tokens of its keys end at once.
pub(crate) async fn update(
    core: &Core,
    caller: &Caller,
    id: Uuid,
    change: Change,
    etag: &str,
) -> Result<ServiceAccount, Error> {
    let tx = core.storage.begin().await?;
    let found = tx.service_account(id).await?;
    let mut account = found.ok_or(Error::ServiceAccountNotFound)?;
    holds_all(caller, &account.scopes)?;
    if !etag.is_empty() && etag != account.revision.to_string() {
        return Err(Error::EtagMismatch);
    }
    let before = account.revision;
    let mut narrowed = false;
    if let Some(name) = change.display_name {
        account.display_name = name;
    }
    if let Some(scopes) = change.scopes {
        narrowed |= !account.scopes.is_subset(&scopes);
        account.scopes = scopes;
    }
    if let Some(disabled) = change.disabled {
        narrowed |= disabled && !account.disabled;
        account.disabled = disabled;
    }
    check(&account)?;
    holds_all(caller, &account.scopes)?;
    account.revision = before + 1;
    account.update_time = core.clock.now();
    if !tx.save_service_account(&account, before).await? {
        return Err(Error::EtagMismatch);
    }
    let ended = if narrowed {
        let ended = tx.renew_keys_of(KeyOwner::ServiceAccount(id)).await?;
        api_keys::remember_ended(&tx, ended, account.update_time).await?
    } else {
        Vec::new()
    };
    tx.commit().await?;
    api_keys::tell_ended(core, &ended).await;
    tracing::info!(%id, by = caller.subject, "changed a service account");
    Ok(account)
}

/// Removes a service account, if it is there, and revokes its keys.
pub(crate) async fn delete(core: &Core, caller: &Caller, id: Uuid) -> Result<(), Error> {
    let now = core.clock.now();
    let tx = core.storage.begin().await?;
    tx.remove_service_account(id).await?;
    let ended = tx.revoke_keys_of(KeyOwner::ServiceAccount(id), now).await?;
    let ended = api_keys::remember_ended(&tx, ended, now).await?;
    tx.commit().await?;
    api_keys::tell_ended(core, &ended).await;
    tracing::info!(%id, by = caller.subject, "deleted a service account");
    Ok(())
}

fn check(account: &ServiceAccount) -> Result<(), Error> {
    let mut violations = Vec::new();
    if account.display_name.trim().is_empty() {
        let fault = "must not be empty";
        violations.push(Violation::new("service_account.display_name", fault));
    }
    if account.scopes.contains(INTERNAL_SCOPE) {
        let fault = format!("{INTERNAL_SCOPE} is for services of this deployment alone");
        violations.push(Violation::new("service_account.scopes", fault));
    }
    if violations.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(violations))
    }
}
