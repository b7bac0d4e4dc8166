use tracing::{Instrument, info_span};

use crate::{
    domain::{Account, Authority, Change, Etag, UserId},
    error::{Error, Result},
    roles::allow_to_move,
    users::{Users, load, persist, save},
};

/// Changing what people may not change themselves needs it.
const WRITE: &str = "users:write";

impl Users {
    /// Changes what an account tells of its person. Values that it has already leave it as it is.
    pub async fn update(
        &self,
        id: UserId,
        change: Change,
        etag: Option<Etag>,
        by: &Authority,
    ) -> Result<Account> {
        persist(|| self.try_update(id, change.clone(), etag.as_ref(), by))
            .instrument(info_span!("update-user", user.id = %id))
            .await
    }

    async fn try_update(
        &self,
        id: UserId,
        change: Change,
        etag: Option<&Etag>,
        by: &Authority,
    ) -> Result<Account> {
        let tx = self.storage.begin().await?;
        let before = load(&tx, id, etag).await?;
        let (now, mut account) = (self.clock.now(), before.clone());
        if !account.apply(change, now).map_err(Error::unfit)? {
            return Ok(account);
        }
        if account.took_an_administrator(&before) && !by.scopes.contains(WRITE) {
            return Err(Error::AdministratorsOnly);
        }
        if account.was_moved(&before) {
            allow_to_move(&tx, by, &before).await?;
        }
        save(&tx, &account, before.revision, now).await?;
        self.commit(tx).await?;
        Ok(account)
    }
}
