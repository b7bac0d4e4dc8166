use std::collections::HashMap;

use tracing::{Instrument, Span, info_span};

use crate::{
    domain::{Account, UserId},
    error::{Error, Result},
    users::Users,
};

impl Users {
    /// The account with that id. One statement.
    pub async fn get(&self, id: UserId) -> Result<Account> {
        let found = self.storage.find(id).instrument(span(id)).await?;
        found.ok_or(Error::UserNotFound)
    }

    /// The account with that id, also when it was deleted and not purged yet. One statement.
    pub async fn get_any(&self, id: UserId) -> Result<Account> {
        let found = self.storage.find_any(id).instrument(span(id)).await?;
        found.ok_or(Error::UserNotFound)
    }

    /// The accounts with those ids, in their order and as often as they are named; and the ids that name
    /// none. One statement.
    pub async fn get_all(&self, ids: &[UserId]) -> Result<(Vec<Account>, Vec<UserId>)> {
        let found = self.storage.find_all(ids.iter().copied()).await?;
        let found: HashMap<UserId, Account> = found
            .into_iter()
            .map(|account| (account.id, account))
            .collect();
        let (mut accounts, mut missing) = (Vec::with_capacity(ids.len()), Vec::new());
        for id in ids {
            match found.get(id) {
                Some(account) => accounts.push(account.clone()),
                None => missing.push(*id),
            }
        }
        Ok((accounts, missing))
    }
}

fn span(id: UserId) -> Span {
    info_span!("get-user", user.id = %id)
}
