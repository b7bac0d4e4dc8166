//! Many accounts in few statements, whose lengths are powers of two.

use portico_service::database::{filled, pieces};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, Iterable, QueryFilter, QueryOrder, QuerySelect,
    sea_query::OnConflict,
};
use uuid::Uuid;

use super::{
    Error, Result, Transaction,
    accounts::violated,
    entity::users::{ActiveModel, Column, Entity},
};
use crate::domain::{Account, Email, UserId, Username};

impl Transaction {
    /// The accounts, deleted, purged or not, that have one of the ids, addresses or names. Nobody else changes
    /// them until this transaction ends.
    pub async fn load_all(
        &self,
        ids: impl Iterator<Item = UserId>,
        emails: impl Iterator<Item = &Email>,
        names: impl Iterator<Item = &Username>,
    ) -> Result<Vec<Account>> {
        let (ids, names): (Vec<_>, Vec<_>) = (
            ids.map(Uuid::from).collect(),
            names.map(Username::key).collect(),
        );
        let emails = filled(emails.map(Email::key));
        let mut wanted = Condition::any().add(Column::EmailKey.is_in(emails));
        if !ids.is_empty() {
            wanted = wanted.add(Column::Id.is_in(filled(ids)));
        }
        if !names.is_empty() {
            wanted = wanted.add(Column::UsernameKey.is_in(filled(names)));
        }
        let rows = Entity::find()
            .filter(wanted)
            .order_by_asc(Column::Id)
            .lock_exclusive()
            .all(&self.tx)
            .await?;
        rows.into_iter().map(Account::try_from).collect()
    }

    /// Adds accounts. Fails as contended when one of them is in another's way, who came in between.
    pub async fn insert_all(&self, accounts: &[&Account]) -> Result<()> {
        for accounts in pieces(accounts) {
            let rows = accounts.iter().map(|account| ActiveModel::from(*account));
            let added = Entity::insert_many(rows)
                .on_conflict(OnConflict::new().do_nothing().to_owned())
                .exec_without_returning(&self.tx)
                .await?;
            if added != accounts.len() as u64 {
                return Err(Error::Contended);
            }
        }
        Ok(())
    }

    /// Writes accounts back that were loaded here. Fails as contended when another one has got one of the
    /// addresses or names in between.
    pub async fn save_all(&self, accounts: &[&Account]) -> Result<()> {
        for accounts in pieces(accounts) {
            let rows = accounts.iter().map(|account| ActiveModel::from(*account));
            let others = Column::iter().filter(|column| !matches!(column, Column::Id));
            let mut replace = OnConflict::column(Column::Id);
            replace.update_columns(others);
            let written = Entity::insert_many(rows)
                .on_conflict(replace)
                .exec_without_returning(&self.tx)
                .await;
            if let Err(error) = written {
                return Err(match violated(&error) {
                    Some(_) => Error::Contended,
                    None => error.into(),
                });
            }
        }
        Ok(())
    }
}
