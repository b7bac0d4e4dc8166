use crate::{
    domain::{Account, Authority, Etag, NewRole, Role, RoleChange, RoleName, Scopes},
    error::{Error, Result},
    storage::{Fingerprint, Repeat, Transaction},
    users::{Users, persist},
};

/// How many roles there may be: whoever makes tokens holds them all in memory.
const MOST: u64 = 1000;

impl Users {
    /// Creates a role. With a key, the same caller may ask again and gets the role of the first time, as it
    /// is now.
    pub async fn create_role(
        &self,
        new: NewRole,
        by: &Authority,
        repeat: Option<Repeat>,
    ) -> Result<Role> {
        persist(|| self.try_create_role(new.clone(), by, repeat.as_ref())).await
    }

    async fn try_create_role(
        &self,
        new: NewRole,
        by: &Authority,
        repeat: Option<&Repeat>,
    ) -> Result<Role> {
        let now = self.clock.now();
        let tx = self.storage.begin().await?;
        if let Some(repeat) = repeat {
            let fingerprint = Fingerprint::of_role(&new);
            if let Some(earlier) = tx.claim_for_role(repeat, &fingerprint, now).await? {
                if earlier != fingerprint {
                    return Err(Error::KeyReused);
                }
                drop(tx);
                return self.get_role(&new.name).await;
            }
        }
        allow(&tx, by, [&new.scopes]).await?;
        let role = Role::open(new, now);
        if !tx.insert_role(&role).await? {
            return Err(Error::RoleExists);
        }
        if tx.count_roles().await? > MOST {
            return Err(Error::TooManyRoles);
        }
        tx.publish_role(&role, now).await?;
        self.commit(tx).await?;
        Ok(role)
    }

    /// The role of that name.
    pub async fn get_role(&self, name: &RoleName) -> Result<Role> {
        self.storage
            .find_role(name)
            .await?
            .ok_or(Error::RoleNotFound)
    }

    /// Up to `size` roles behind a name, and whether there are more.
    pub async fn list_roles(
        &self,
        behind: Option<&RoleName>,
        size: usize,
    ) -> Result<(Vec<Role>, bool)> {
        let mut roles = self.storage.roles_page(behind, size + 1).await?;
        let more = roles.len() > size;
        roles.truncate(size);
        Ok((roles, more))
    }

    /// Changes a role. Values that it has already leave it as it is.
    pub async fn update_role(
        &self,
        name: &RoleName,
        change: RoleChange,
        etag: Option<Etag>,
        by: &Authority,
    ) -> Result<Role> {
        persist(|| self.try_update_role(name, change.clone(), etag.as_ref(), by)).await
    }

    async fn try_update_role(
        &self,
        name: &RoleName,
        change: RoleChange,
        etag: Option<&Etag>,
        by: &Authority,
    ) -> Result<Role> {
        let tx = self.storage.begin().await?;
        let mut role = load(&tx, name, etag).await?;
        let (now, before) = (self.clock.now(), role.scopes.clone());
        let changed = role.apply(change, now);
        allow(&tx, by, [&before, &role.scopes]).await?;
        if changed {
            tx.save_role(&role).await?;
            tx.publish_role(&role, now).await?;
            self.commit(tx).await?;
        }
        Ok(role)
    }

    /// Deletes a role that no account holds.
    pub async fn delete_role(
        &self,
        name: &RoleName,
        etag: Option<Etag>,
        by: &Authority,
    ) -> Result<()> {
        persist(|| self.try_delete_role(name, etag.as_ref(), by)).await
    }

    async fn try_delete_role(
        &self,
        name: &RoleName,
        etag: Option<&Etag>,
        by: &Authority,
    ) -> Result<()> {
        let tx = self.storage.begin().await?;
        let role = load(&tx, name, etag).await?;
        allow(&tx, by, [&role.scopes]).await?;
        if tx.is_role_held(name).await? {
            return Err(Error::RoleInUse);
        }
        tx.delete_role(name).await?;
        tx.publish_role_deletion(name, self.clock.now()).await?;
        self.commit(tx).await
    }
}

/// The role to change, which must exist, be nobody's but the customer's, and be in the state that the client
/// has seen.
async fn load(tx: &Transaction, name: &RoleName, etag: Option<&Etag>) -> Result<Role> {
    let role = tx.load_role(name).await?.ok_or(Error::RoleNotFound)?;
    if role.built_in {
        return Err(Error::RoleBuiltIn);
    }
    if !role.matches(etag) {
        return Err(Error::EtagMismatch);
    }
    Ok(role)
}

/// Refuses who would give or take scopes that are out of reach.
pub(crate) async fn allow<const N: usize>(
    tx: &Transaction,
    by: &Authority,
    scopes: [&Scopes; N],
) -> Result<()> {
    let admin = if by.administrator {
        tx.admin_scopes().await?
    } else {
        Scopes::default()
    };
    let mut scopes = scopes.into_iter();
    match scopes.find_map(|scopes| by.lacks(scopes, &admin)) {
        Some(lacking) => Err(Error::ScopeOutOfReach(lacking.clone())),
        None => Ok(()),
    }
}

/// Refuses who would move the address of an account that may do something here which they may not: whoever
/// has its address gets its links to new passwords, and would have come by it.
pub(crate) async fn allow_to_move(
    tx: &Transaction,
    by: &Authority,
    account: &Account,
) -> Result<()> {
    if account.roles.of_the_few().next().is_none() {
        return Ok(());
    }
    let held = tx.hold_roles(account.roles.of_the_few()).await?;
    may_move(by, account, &held, &tx.admin_scopes().await?)
}

/// The same where the account's roles are known, perhaps among others, and what administrators hold.
pub(crate) fn may_move(
    by: &Authority,
    account: &Account,
    roles: &[Role],
    admin: &Scopes,
) -> Result<()> {
    let names: Vec<_> = account.roles.of_the_few().collect();
    let held = roles.iter().filter(|role| names.contains(&&role.name));
    let scopes = held.flat_map(|role| role.scopes.iter());
    match by.outranked_by(scopes, admin) {
        Some(scope) => Err(Error::AccountOutOfReach(scope.clone())),
        None => Ok(()),
    }
}
