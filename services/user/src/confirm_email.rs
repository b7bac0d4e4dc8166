use crate::{
    domain::{Account, Email, UserId},
    error::{Error, Result},
    users::{Users, load, persist, save},
};

impl Users {
    /// Notes that an address was proved to be the person's, and makes it the account's if it had `previous`
    /// until now. Repeating it answers the account as it is.
    pub async fn confirm_email(
        &self,
        id: UserId,
        email: Email,
        previous: Email,
    ) -> Result<Account> {
        persist(|| self.try_confirm_email(id, &email, &previous)).await
    }

    async fn try_confirm_email(
        &self,
        id: UserId,
        email: &Email,
        previous: &Email,
    ) -> Result<Account> {
        let tx = self.storage.begin().await?;
        let mut account = load(&tx, id, None).await?;
        let known = account.email.key();
        if known != email.key() && known != previous.key() {
            return Err(Error::AddressMoved);
        }
        let (now, loaded) = (self.clock.now(), account.revision);
        if !account.confirm(email, now) {
            return Ok(account);
        }
        save(&tx, &account, loaded, now).await?;
        self.commit(tx).await?;
        Ok(account)
    }
}
