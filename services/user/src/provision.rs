use crate::{
    domain::{Account, NewAccount, Roles, UserId},
    error::{Error, Result},
    users::{Users, persist},
};

impl Users {
    /// Creates an account with an id and roles of the caller's choice.
    ///
    /// The same id and address again answer the account as it is now, even if it has been deleted.
    pub async fn provision(&self, id: UserId, new: NewAccount, roles: Roles) -> Result<Account> {
        persist(|| self.try_provision(id, new.clone(), roles.clone())).await
    }

    async fn try_provision(&self, id: UserId, new: NewAccount, roles: Roles) -> Result<Account> {
        let now = self.clock.now();
        let account = Account::open(id, new, roles, now);

        let tx = self.storage.begin().await?;
        if let Some(unknown) = tx.find_unknown_role(&account.roles).await? {
            return Err(Error::unknown_role(unknown));
        }
        if !tx.insert(&account).await? {
            // The id or the address was there before. What was there tells which.
            return match tx.load(id).await? {
                Some(there) if there.email.key() == account.email.key() => Ok(there),
                Some(_) => Err(Error::KeyReused),
                None if account.username.is_some() && !tx.has_email(&account.email).await? => {
                    Err(Error::UsernameTaken)
                }
                None => {
                    // Registration must not tell a taken address from a free one by its time.
                    tx.pretend(id, now).await?;
                    tx.commit().await?;
                    Err(Error::EmailTaken)
                }
            };
        }
        tx.publish(&account, now).await?;
        self.commit(tx).await?;
        Ok(account)
    }
}
