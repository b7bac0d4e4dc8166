use tracing::{Instrument, info_span};

use crate::{
    domain::{Account, NewAccount, Roles, UserId},
    error::{Error, Result},
    storage::{Fingerprint, Repeat},
    users::{Users, persist},
};

impl Users {
    /// Creates an account with the role of everybody.
    ///
    /// With a key, the same caller may ask again and gets the account of the first time, as it is now.
    pub async fn create(&self, new: NewAccount, repeat: Option<Repeat>) -> Result<Account> {
        persist(|| self.try_create(new.clone(), repeat.as_ref()))
            .instrument(info_span!("create-user"))
            .await
    }

    async fn try_create(&self, new: NewAccount, repeat: Option<&Repeat>) -> Result<Account> {
        let now = self.clock.now();
        let fingerprint = Fingerprint::of(&new);
        let account = Account::open(UserId::new(now), new, Roles::initial(), now);

        let tx = self.storage.begin().await?;
        if let Some(repeat) = repeat
            && let Some(earlier) = tx.claim(repeat, &fingerprint, account.id, now).await?
        {
            if earlier.fingerprint != fingerprint {
                return Err(Error::KeyReused);
            }
            drop(tx);
            return self.get(earlier.user).await;
        }
        if !tx.insert(&account).await? {
            return Err(if tx.has_email(&account.email).await? {
                Error::EmailTaken
            } else {
                Error::UsernameTaken
            });
        }
        tx.publish(&account, now).await?;
        self.commit(tx).await?;
        Ok(account)
    }
}
