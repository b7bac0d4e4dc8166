use crate::{
    domain::{Account, Etag, Status, UserId},
    error::{Error, Result},
    users::{Users, load, persist, save},
};

impl Users {
    /// Keeps an account out. One that is kept out already stays as it is.
    pub async fn suspend(&self, id: UserId, etag: Option<Etag>) -> Result<Account> {
        persist(|| self.try_set_status(id, Status::Suspended, etag.as_ref())).await
    }

    /// Lets a suspended account in again. One that is in use stays as it is.
    pub async fn reactivate(&self, id: UserId, etag: Option<Etag>) -> Result<Account> {
        persist(|| self.try_set_status(id, Status::Active, etag.as_ref())).await
    }

    /// Deletes an account. Its row stays, and with it the claim on its address.
    pub async fn delete(&self, id: UserId, etag: Option<Etag>) -> Result<Account> {
        persist(|| self.try_set_status(id, Status::Deleted, etag.as_ref())).await
    }

    async fn try_set_status(&self, id: UserId, to: Status, etag: Option<&Etag>) -> Result<Account> {
        let tx = self.storage.begin().await?;
        let mut account = load(&tx, id, etag).await?;
        let (now, loaded, administered) =
            (self.clock.now(), account.revision, account.administers());
        if !account.set_status(to, now) {
            return Ok(account);
        }
        if administered {
            tx.hold_administrators().await?;
            if !tx.has_other_administrator(id).await? {
                return Err(Error::LastAdministrator);
            }
        }
        save(&tx, &account, loaded, now).await?;
        self.commit(tx).await?;
        Ok(account)
    }
}
