//! Events on their way into the feed.

use chrono::{DateTime, TimeDelta, Utc};
use portico_proto::user::v1::UserEvent;
use portico_service::database::{filled, pieces};
use prost::Message;
use sea_orm::{
    ColumnTrait, EntityTrait, NotSet, QueryFilter, QueryOrder, QuerySelect, Set,
    sea_query::ExprTrait,
};
use uuid::Uuid;

use super::{
    Error, Result, Transaction,
    entity::outbox::{ActiveModel, Column, Entity},
};
use crate::{
    domain::{Account, Role, RoleName},
    wire,
};

/// How far the clocks of two processes may be apart.
const CLOCKS: TimeDelta = TimeDelta::hours(1);
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
    /// place, its time and its revision.
    ///
    /// Goes through the events that are kept from before the accounts were last changed, so it is asked for many
    /// accounts at once. Of those that are purged in due time there are none, unless deleted accounts are kept for
    /// less time than events.
    pub async fn erase_events(&self, accounts: &[Account]) -> Result<()> {
        let Some(changed) = accounts.iter().map(|account| account.update_time).max() else {
            return Ok(());
        };
        let behind = |number: i64| {
            Entity::find()
                .filter(Column::Sequence.gt(number))
                .order_by_asc(Column::Sequence)
        };
        let newer = behind(0)
            .filter(Column::AccountId.is_not_null())
            .filter(Column::Time.gt(changed + CLOCKS));
        let newer = newer.one(&self.tx).await?;
        let end = newer.map_or(i64::MAX, |event| event.sequence);
        let ids = filled(accounts.iter().map(|account| Uuid::from(account.id)));
        let of_them = Column::AccountId.is_in(ids).and(Column::Sequence.lt(end));
        let mut done = 0;
        loop {
            let page = behind(done).filter(of_them.clone()).limit(AT_ONCE);
            let events = page.all(&self.tx).await?;
            let Some(last) = events.last() else {
                return Ok(());
            };
            done = last.sequence;
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
