//! Every account in the order of ids, page by page.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::{
    Result, Storage,
    entity::users::{Column, Entity},
    held_at_once,
};
use crate::domain::{Account, UserId};

/// How many bytes of metadata are read at once, unless the first account has more: six times as many on the wire, and
/// more in memory.
const AT_ONCE: usize = 1 << 18;

/// What of the accounts is gone through.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    /// Deleted and purged ones come too.
    pub with_deleted: bool,
    /// Nothing that was written before may be missing, as in a snapshot that belongs to a place in the feed.
    pub up_to_date: bool,
}

/// An account, or what is left of one.
pub struct Swept {
    /// As it is.
    pub account: Account,
    /// Whether it was purged, and nothing but its id and its times mean anything.
    pub purged: bool,
}

impl Storage {
    /// Up to `limit` accounts whose ids come behind one, in the order of ids, which the primary key has. Fewer where
    /// they have much metadata; none at the end alone.
    pub async fn accounts_behind(
        &self,
        behind: Option<UserId>,
        sweep: Sweep,
        limit: u64,
    ) -> Result<Vec<Swept>> {
        let mut page = Entity::find().order_by_asc(Column::Id).limit(limit);
        if let Some(id) = behind {
            page = page.filter(Column::Id.gt(Uuid::from(id)));
        }
        if !sweep.with_deleted {
            page = page.filter(Column::DeleteTime.is_null());
        }
        let mut rows = if sweep.up_to_date {
            page.all(&self.db).await?
        } else {
            self.behind(|db| {
                let page = page.clone();
                async move { Ok(page.all(&db).await?) }
            })
            .await?
        };
        rows.truncate(held_at_once(&rows, AT_ONCE));
        rows.into_iter()
            .map(|row| {
                let purged = row.purged;
                let account = Account::try_from(row)?;
                Ok(Swept { account, purged })
            })
            .collect()
    }
}
