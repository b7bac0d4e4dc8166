use crate::{
    domain::{Account, Authority, Etag, Invalid, Role, RoleName, UserId},
    error::{Error, Result},
    roles::allow,
    storage::Transaction,
    users::{Users, load, persist, save},
};

const FULL: Invalid = Invalid("is one too many: the account holds 32 already");

impl Users {
    /// Gives an account a role. One that it holds already leaves it as it is.
    pub async fn grant(
        &self,
        id: UserId,
        role: &RoleName,
        etag: Option<Etag>,
        by: &Authority,
    ) -> Result<Account> {
        persist(|| self.try_grant(id, role, etag.as_ref(), by)).await
    }

    /// Takes a role from an account. One that it does not hold leaves it as it is.
    pub async fn revoke(
        &self,
        id: UserId,
        role: &RoleName,
        etag: Option<Etag>,
        by: &Authority,
    ) -> Result<Account> {
        persist(|| self.try_revoke(id, role, etag.as_ref(), by)).await
    }

    async fn try_grant(
        &self,
        id: UserId,
        role: &RoleName,
        etag: Option<&Etag>,
        by: &Authority,
    ) -> Result<Account> {
        let tx = self.storage.begin().await?;
        let mut account = load(&tx, id, etag).await?;
        let held = hold(&tx, role).await?;
        allow(&tx, by, [&held.scopes]).await?;
        if account.roles.are_full() && !account.roles.has(role) {
            return Err(Error::field("role", FULL));
        }
        let (now, loaded) = (self.clock.now(), account.revision);
        if !account.grant(role.clone(), now) {
            return Ok(account);
        }
        save(&tx, &account, loaded, now).await?;
        self.commit(tx).await?;
        Ok(account)
    }

    async fn try_revoke(
        &self,
        id: UserId,
        role: &RoleName,
        etag: Option<&Etag>,
        by: &Authority,
    ) -> Result<Account> {
        let tx = self.storage.begin().await?;
        let mut account = load(&tx, id, etag).await?;
        if role.as_str() == RoleName::ADMIN {
            tx.hold_administrators().await?;
        }
        let held = hold(&tx, role).await?;
        allow(&tx, by, [&held.scopes]).await?;
        let (now, loaded, administered) =
            (self.clock.now(), account.revision, account.administers());
        if !account.revoke(role, now) {
            return Ok(account);
        }
        let gives_up = administered && !account.administers();
        if gives_up && !tx.has_other_administrator(id).await? {
            return Err(Error::LastAdministrator);
        }
        save(&tx, &account, loaded, now).await?;
        self.commit(tx).await?;
        Ok(account)
    }
}

/// The role that is given or taken. It is held after the account, as wherever both are.
async fn hold(tx: &Transaction, role: &RoleName) -> Result<Role> {
    let mut held = tx.hold_roles(std::iter::once(role)).await?;
    held.pop().ok_or(Error::RoleNotFound)
}
