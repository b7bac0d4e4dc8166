//! What is erased, and what is forgotten.

use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set,
    sea_query::{Expr, ExprTrait, LockBehavior, LockType, Query},
};
use uuid::Uuid;

use super::{
    Error, Result, Storage, Transaction,
    entity::{
        idempotency,
        users::{ActiveModel, Column, Entity},
    },
};
use crate::domain::{Account, Metadata, RoleName};

impl Transaction {
    /// Up to `limit` deleted accounts whose purge is due, the longest due first. Those that another
    /// transaction is about to change are left to it, or to a later call.
    ///
    /// What a release deleted that knew of no purge is due when it was deleted before `deleted_before`.
    pub async fn load_due(
        &self,
        now: DateTime<Utc>,
        deleted_before: DateTime<Utc>,
        limit: u64,
    ) -> Result<Vec<Account>> {
        let undated = Column::PurgeTime
            .is_null()
            .and(Column::DeleteTime.lte(deleted_before));
        let due = Condition::any()
            .add(Column::PurgeTime.lte(now))
            .add(undated);
        let rows = Entity::find()
            .filter(Column::DeleteTime.is_not_null())
            .filter(Column::Purged.into_expr().not())
            .filter(due)
            .order_by_asc(Column::PurgeTime)
            .limit(limit)
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .all(&self.tx)
            .await?;
        rows.into_iter().map(Account::try_from).collect()
    }

    /// Leaves of an account nothing but its id, its times and its status. The caller has
    /// [loaded](Self::load) it.
    ///
    /// Its address becomes one that nobody can have (RFC 2606, section 2), so that the release that knew
    /// of no purge can read the row.
    pub async fn bury(&self, account: &Account) -> Result<()> {
        let address = format!("purged@{}.invalid", account.id);
        let row = ActiveModel {
            email: Set(address.clone()),
            email_key: Set(address),
            email_verified: Set(false),
            display_name: Set(String::new()),
            locale: Set(String::new()),
            time_zone: Set(String::new()),
            roles: Set(RoleName::USER.to_owned()),
            administrator: Set(false),
            revision: Set(account.revision.get()),
            update_time: Set(account.update_time),
            username: Set(None),
            username_key: Set(None),
            given_name: Set(String::new()),
            family_name: Set(String::new()),
            picture: Set(String::new()),
            phone: Set(String::new()),
            public_metadata: Set(Metadata::default().to_json()),
            private_metadata: Set(Metadata::default().to_json()),
            purge_time: Set(account.purge_time),
            purged: Set(true),
            ..ActiveModel::default()
        };
        let done = Entity::update_many()
            .set(row)
            .filter(Column::Id.eq(Uuid::from(account.id)))
            .exec(&self.tx)
            .await?;
        match done.rows_affected {
            1 => Ok(()),
            _ => Err(Error::Contended),
        }
    }
}

impl Storage {
    /// Forgets up to `limit` idempotency keys that were first used before a time, and says how many.
    pub async fn forget_keys(&self, before: DateTime<Utc>, limit: u64) -> Result<u64> {
        use idempotency::{Column, Entity};

        let oldest = Query::select()
            .columns([Column::Caller, Column::Key])
            .from(Entity)
            .and_where(Column::CreateTime.lt(before))
            .order_by(Column::CreateTime, sea_orm::Order::Asc)
            .limit(limit)
            .take();
        let keys = Expr::tuple([Column::Caller.into_expr(), Column::Key.into_expr()]);
        let tx = self.begin().await?;
        let done = Entity::delete_many()
            .filter(keys.in_subquery(oldest))
            .exec(&tx.tx)
            .await?;
        tx.commit().await?;
        Ok(done.rows_affected)
    }
}
