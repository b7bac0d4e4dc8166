//! Every account in the order of ids, page by page.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::{
    Result, Storage,
    entity::users::{Column, Entity},
};
use crate::domain::{Account, UserId};

/// An account, or what is left of one.
pub struct Swept {
    /// As it is.
    pub account: Account,
    /// Whether it was purged, and nothing but its id and its times mean anything.
    pub purged: bool,
}

impl Storage {
    /// Up to `limit` accounts whose ids come behind one, in the order of ids, which the primary key has.
    pub async fn accounts_behind(
        &self,
        behind: Option<UserId>,
        with_deleted: bool,
        limit: u64,
    ) -> Result<Vec<Swept>> {
        let mut page = Entity::find().order_by_asc(Column::Id).limit(limit);
        if let Some(id) = behind {
            page = page.filter(Column::Id.gt(Uuid::from(id)));
        }
        if !with_deleted {
            page = page.filter(Column::DeleteTime.is_null());
        }
        let rows = page.all(&self.db).await?;
        rows.into_iter()
            .map(|row| {
                let purged = row.purged;
                let account = Account::try_from(row)?;
                Ok(Swept { account, purged })
            })
            .collect()
    }
}
