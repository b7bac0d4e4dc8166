//! Events on their way into the feed.

use chrono::{DateTime, Utc};
use portico_proto::user::v1::UserEvent;
use portico_service::database::{filled, pieces};
use prost::Message;
use sea_orm::{ColumnTrait, EntityTrait, NotSet, QueryFilter, QueryOrder, QuerySelect, Set};
use uuid::Uuid;

use super::{
    Error, Result, Transaction,
    entity::outbox::{ActiveModel, Column, Entity},
};
use crate::{
    domain::{Account, Role, RoleName, UserId},
    wire,
};

/// How many events of an account are held in memory while they are erased.
const AT_ONCE: u64 = 100;

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

    /// Leaves of what earlier events tell of some accounts as much as a purge leaves of them: each event keeps its
    /// place, its time and its revision. Goes through all events that are kept, so it is asked for many accounts at
    /// once.
    pub async fn erase_events(&self, ids: impl Iterator<Item = UserId>) -> Result<()> {
        let ids = filled(ids.map(Uuid::from));
        let of_account = Entity::find().filter(Column::AccountId.is_in(ids));
        let mut behind = 0;
        loop {
            let page = of_account.clone().filter(Column::Sequence.gt(behind));
            let page = page.order_by_asc(Column::Sequence).limit(AT_ONCE);
            let events = page.all(&self.tx).await?;
            let Some(last) = events.last() else {
                return Ok(());
            };
            behind = last.sequence;
            for event in events {
                let told = UserEvent::decode(event.payload.as_slice());
                let told = told.map_err(|_| Error::Corrupt("an event cannot be read back"))?;
                let erased = ActiveModel {
                    payload: Set(wire::erased(told).encode_to_vec()),
                    ..ActiveModel::default()
                };
                Entity::update_many()
                    .set(erased)
                    .filter(Column::Sequence.eq(event.sequence))
                    .exec(&self.tx)
                    .await?;
            }
        }
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
