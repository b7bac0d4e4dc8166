use tracing::{Instrument, info_span};

use crate::{
    domain::{Account, Change, Etag, UserId},
    error::{Error, Result},
    users::{Users, load, persist, save},
};

impl Users {
    /// Changes what an account tells of its person. Values that it has already leave it as it is.
    pub async fn update(&self, id: UserId, change: Change, etag: Option<Etag>) -> Result<Account> {
        persist(|| self.try_update(id, change.clone(), etag.as_ref()))
            .instrument(info_span!("update-user", user.id = %id))
            .await
    }

    async fn try_update(&self, id: UserId, change: Change, etag: Option<&Etag>) -> Result<Account> {
        let tx = self.storage.begin().await?;
        let mut account = load(&tx, id, etag).await?;
        let (now, loaded) = (self.clock.now(), account.revision);
        if !account.apply(change, now).map_err(Error::unfit)? {
            return Ok(account);
        }
        save(&tx, &account, loaded, now).await?;
        self.commit(tx).await?;
        Ok(account)
    }
}
