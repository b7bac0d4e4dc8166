//! Roles as rows.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use super::{
    Result, Transaction,
    entity::roles::{Column, Entity},
};
use crate::domain::{RoleName, Roles};

impl Transaction {
    /// The first of those roles that does not exist.
    pub async fn find_unknown_role<'a>(&self, roles: &'a Roles) -> Result<Option<&'a RoleName>> {
        let known: Vec<String> = Entity::find()
            .select_only()
            .column(Column::Name)
            .filter(Column::Name.is_in(roles.iter().map(RoleName::as_str)))
            .into_tuple()
            .all(&self.tx)
            .await?;
        let is_known = |name: &RoleName| known.iter().any(|known| known == name.as_str());
        Ok(roles.iter().find(|name| !is_known(name)))
    }

    /// Makes everybody who would take an administrator away wait until this transaction ends, so that
    /// two of them cannot each count on the other one's administrator.
    ///
    /// On SQLite the transaction holds the only write lock already.
    pub async fn hold_administrators(&self) -> Result<()> {
        Entity::find_by_id(RoleName::ADMIN)
            .lock_exclusive()
            .one(&self.tx)
            .await?;
        Ok(())
    }
}
