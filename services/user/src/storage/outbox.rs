//! Events on their way into the feed.

use chrono::{DateTime, Utc};
use portico_proto::user::v1::UserEvent;
use prost::Message;
use sea_orm::{EntityTrait, NotSet, Set};

use super::{
    Result, Transaction,
    entity::outbox::{ActiveModel, Entity},
};
use crate::{domain::Account, wire};

impl Transaction {
    /// Puts the event of a change into the feed. This transaction must have written the account
    /// before: the place in the feed is drawn here, while the account's row is locked.
    pub async fn publish(&self, account: &Account, now: DateTime<Utc>) -> Result<()> {
        self.put(account, wire::event(account, now), now).await
    }

    /// As [`publish`](Self::publish), of an account that was purged.
    pub async fn publish_purge(&self, account: &Account, now: DateTime<Utc>) -> Result<()> {
        self.put(account, wire::purge_event(account, now), now)
            .await
    }

    async fn put(&self, account: &Account, event: UserEvent, now: DateTime<Utc>) -> Result<()> {
        let row = ActiveModel {
            sequence: NotSet,
            time: Set(now),
            kind: Set("user".to_owned()),
            account_id: Set(Some(account.id.into())),
            payload: Set(event.encode_to_vec()),
        };
        Entity::insert(row).exec_without_returning(&self.tx).await?;
        Ok(())
    }
}
