use crate::{
    domain::{Account, Etag, Status, UserId},
    error::{Error, Result},
    storage::Transaction,
    users::{Users, load, load_any, persist, save},
};

impl Users {
    /// Keeps an account out. One that is kept out already stays as it is.
    pub async fn suspend(&self, id: UserId, etag: Option<Etag>) -> Result<Account> {
        persist(|| self.try_set_suspended(id, true, etag.as_ref())).await
    }

    /// Lets a suspended account in again. One that is in use stays as it is.
    pub async fn reactivate(&self, id: UserId, etag: Option<Etag>) -> Result<Account> {
        persist(|| self.try_set_suspended(id, false, etag.as_ref())).await
    }

    /// Deletes an account. Its row stays until it is purged, and with it the claim on its address.
    pub async fn delete(&self, id: UserId, etag: Option<Etag>) -> Result<Account> {
        persist(|| self.try_delete(id, etag.as_ref())).await
    }

    /// Takes a deletion back. An account that was not deleted stays as it is.
    pub async fn undelete(&self, id: UserId, etag: Option<Etag>) -> Result<Account> {
        persist(|| self.try_undelete(id, etag.as_ref())).await
    }

    async fn try_set_suspended(
        &self,
        id: UserId,
        suspended: bool,
        etag: Option<&Etag>,
    ) -> Result<Account> {
        let tx = self.storage.begin().await?;
        let mut account = load(&tx, id, etag).await?;
        let (now, loaded, administered) =
            (self.clock.now(), account.revision, account.administers());
        if !account.set_suspended(suspended, now) {
            return Ok(account);
        }
        if administered {
            spare_an_administrator(&tx, id).await?;
        }
        save(&tx, &account, loaded, now).await?;
        self.commit(tx).await?;
        Ok(account)
    }

    async fn try_delete(&self, id: UserId, etag: Option<&Etag>) -> Result<Account> {
        let tx = self.storage.begin().await?;
        let mut account = load(&tx, id, etag).await?;
        let (now, loaded) = (self.clock.now(), account.revision);
        if account.administers() {
            spare_an_administrator(&tx, id).await?;
        }
        account.delete(now, self.keep_deleted);
        save(&tx, &account, loaded, now).await?;
        self.commit(tx).await?;
        Ok(account)
    }

    async fn try_undelete(&self, id: UserId, etag: Option<&Etag>) -> Result<Account> {
        let tx = self.storage.begin().await?;
        let mut account = load_any(&tx, id, etag).await?;
        if account.status != Status::Deleted {
            return Ok(account);
        }
        let (now, loaded) = (self.clock.now(), account.revision);
        account.undelete(now);
        save(&tx, &account, loaded, now).await?;
        self.commit(tx).await?;
        Ok(account)
    }
}

/// Refuses when nobody else could administer.
async fn spare_an_administrator(tx: &Transaction, id: UserId) -> Result<()> {
    tx.hold_administrators().await?;
    if tx.has_other_administrator(id).await? {
        Ok(())
    } else {
        Err(Error::LastAdministrator)
    }
}
