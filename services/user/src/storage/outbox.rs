//! Events on their way into the feed.

use chrono::{DateTime, Utc};
use portico_proto::user::v1::UserEvent;
use portico_service::database::pieces;
use prost::Message;
use sea_orm::{EntityTrait, NotSet, Set};
use uuid::Uuid;

use super::{
    Result, Transaction,
    entity::outbox::{ActiveModel, Entity},
};
use crate::{
    domain::{Account, Role, RoleName},
    wire,
};

impl Transaction {
    /// Puts the event of a change into the feed. This transaction must have written the account
    /// before: the place in the feed is drawn here, while the account's row is locked.
    pub async fn publish(&self, account: &Account, now: DateTime<Utc>) -> Result<()> {
        self.publish_all(&[account], now).await
    }

    /// As [`publish`](Self::publish), for several accounts, in their order.
    pub async fn publish_all(&self, accounts: &[&Account], now: DateTime<Utc>) -> Result<()> {
        for accounts in pieces(accounts) {
            let rows = accounts.iter().map(|account| {
                row(
                    "user",
                    Some(account.id.into()),
                    &wire::event(account, now),
                    now,
                )
            });
            Entity::insert_many(rows)
                .exec_without_returning(&self.tx)
                .await?;
        }
        Ok(())
    }

    /// As [`publish`](Self::publish), of an account that was purged.
    pub async fn publish_purge(&self, account: &Account, now: DateTime<Utc>) -> Result<()> {
        let event = wire::purge_event(account, now);
        Entity::insert(row("user", Some(account.id.into()), &event, now))
            .exec_without_returning(&self.tx)
            .await?;
        Ok(())
    }

    /// The same for a role that this transaction has written.
    pub async fn publish_role(&self, role: &Role, now: DateTime<Utc>) -> Result<()> {
        self.publish_of_role(&wire::role_event(role, now), now)
            .await
    }

    /// The same for a role that this transaction has deleted.
    pub async fn publish_role_deletion(&self, name: &RoleName, now: DateTime<Utc>) -> Result<()> {
        let event = wire::role_deletion_event(name, now);
        self.publish_of_role(&event, now).await
    }

    async fn publish_of_role(&self, event: &UserEvent, now: DateTime<Utc>) -> Result<()> {
        Entity::insert(row("role", None, event, now))
            .exec_without_returning(&self.tx)
            .await?;
        Ok(())
    }
}

fn row(kind: &str, account: Option<Uuid>, event: &UserEvent, now: DateTime<Utc>) -> ActiveModel {
    ActiveModel {
        sequence: NotSet,
        time: Set(now),
        kind: Set(kind.to_owned()),
        account_id: Set(account),
        payload: Set(event.encode_to_vec()),
    }
}
