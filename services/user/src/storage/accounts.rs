//! Accounts as rows.

use portico_service::database::filled;
use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, QuerySelect, Set,
    sea_query::{ExprTrait, OnConflict},
};
use uuid::Uuid;

use super::{
    Error, Result, Storage, Transaction,
    entity::users::{ActiveModel, Column, Entity, Model},
};
use crate::domain::{
    Account, DisplayName, Email, Locale, Metadata, PersonName, Phone, Picture, Profile, Revision,
    RoleName, Roles, Status, TimeZone, UserId, Username,
};

impl Storage {
    /// The account with that id, unless it was deleted.
    pub async fn find(&self, id: UserId) -> Result<Option<Account>> {
        let account = self.find_any(id).await?;
        Ok(account.filter(|account| account.delete_time.is_none()))
    }

    /// The account with that id, deleted or not, unless it was purged.
    pub async fn find_any(&self, id: UserId) -> Result<Option<Account>> {
        let row = Entity::find_by_id(id)
            .filter(Column::Purged.into_expr().not())
            .one(&self.db)
            .await?;
        row.map(Account::try_from).transpose()
    }

    /// The accounts with those ids, in no order, deleted ones left out. May be some seconds behind.
    pub async fn find_all(&self, ids: impl IntoIterator<Item = UserId>) -> Result<Vec<Account>> {
        let wanted = Entity::find()
            .filter(Column::Id.is_in(filled(ids.into_iter().map(Uuid::from))))
            .filter(Column::DeleteTime.is_null());
        let rows = self
            .behind(|db| {
                let wanted = wanted.clone();
                async move { Ok(wanted.all(&db).await?) }
            })
            .await?;
        rows.into_iter().map(Account::try_from).collect()
    }
}

impl Transaction {
    /// The account with that id, deleted or not, unless it was purged. Nobody else changes it until this
    /// transaction ends.
    pub async fn load(&self, id: UserId) -> Result<Option<Account>> {
        let row = Entity::find_by_id(id)
            .filter(Column::Purged.into_expr().not())
            .lock_exclusive()
            .one(&self.tx)
            .await?;
        row.map(Account::try_from).transpose()
    }

    /// Adds an account, and says whether it could: its id, its address and its name must be free.
    pub async fn insert(&self, account: &Account) -> Result<bool> {
        // Not by the error, which would end the transaction on PostgreSQL.
        let rows = Entity::insert(ActiveModel::from(account))
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .exec_without_returning(&self.tx)
            .await?;
        Ok(rows == 1)
    }

    /// Whether another account has the address. Tells why [`insert`](Self::insert) could not.
    pub async fn has_email(&self, email: &Email) -> Result<bool> {
        let other = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::EmailKey.eq(email.key()))
            .into_tuple::<Uuid>()
            .one(&self.tx)
            .await?;
        Ok(other.is_some())
    }

    /// Writes an account back, and says whether it could: its row must still have the revision that
    /// was loaded, and its address and its name must be free.
    pub async fn save(&self, account: &Account, loaded: Revision) -> Result<Saved> {
        let mut row = ActiveModel::from(account);
        row.id = sea_orm::NotSet;
        let update = Entity::update_many()
            .set(row)
            .filter(Column::Id.eq(Uuid::from(account.id)))
            .filter(Column::Revision.eq(loaded.get()))
            .exec(&self.tx)
            .await;
        match update {
            Ok(done) if done.rows_affected == 1 => Ok(Saved::Yes),
            Ok(_) => Err(Error::Contended),
            Err(error) => match violated(&error) {
                Some(key) if key.contains("username") => Ok(Saved::UsernameTaken),
                Some(_) => Ok(Saved::EmailTaken),
                None => Err(error.into()),
            },
        }
    }

    /// Whether anybody but that account may do everything. Ask it after
    /// [`hold_administrators`](Self::hold_administrators).
    pub async fn has_other_administrator(&self, id: UserId) -> Result<bool> {
        let other = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::Administrator.into_expr())
            .filter(Column::Status.eq(number(Status::Active)))
            .filter(Column::Id.ne(Uuid::from(id)))
            .into_tuple::<Uuid>()
            .one(&self.tx)
            .await?;
        Ok(other.is_some())
    }
}

/// What came of [`Transaction::save`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// It is written.
    Yes,
    /// Another account has the address. The transaction is spent.
    EmailTaken,
    /// Another account has the name. The transaction is spent.
    UsernameTaken,
}

/// What the database says of the unique key that a statement would have broken: it names the index
/// (PostgreSQL) or the column (SQLite).
pub(super) fn violated(error: &sea_orm::DbErr) -> Option<String> {
    match error.sql_err() {
        Some(sea_orm::SqlErr::UniqueConstraintViolation(key)) => Some(key),
        _ => None,
    }
}

impl From<&Account> for ActiveModel {
    fn from(account: &Account) -> Self {
        Self {
            id: Set(account.id.into()),
            email: Set(account.email.as_str().to_owned()),
            email_key: Set(account.email.key()),
            email_verified: Set(account.email_verified),
            display_name: Set(account.profile.display_name.as_str().to_owned()),
            locale: Set(account.profile.locale.as_str().to_owned()),
            time_zone: Set(account.profile.time_zone.as_str().to_owned()),
            status: Set(number(account.status)),
            roles: Set(words(&account.roles)),
            administrator: Set(account.roles.administer()),
            revision: Set(account.revision.get()),
            create_time: Set(account.create_time),
            update_time: Set(account.update_time),
            delete_time: Set(account.delete_time),
            username: Set(account
                .username
                .as_ref()
                .map(|name| name.as_str().to_owned())),
            username_key: Set(account.username.as_ref().map(Username::key)),
            given_name: Set(account.profile.given_name.as_str().to_owned()),
            family_name: Set(account.profile.family_name.as_str().to_owned()),
            picture: Set(account.profile.picture.as_str().to_owned()),
            phone: Set(account.profile.phone.as_str().to_owned()),
            public_metadata: Set(account.public_metadata.to_json()),
            private_metadata: Set(account.private_metadata.to_json()),
            suspended_before: Set(account.suspended_before),
            purge_time: Set(account.purge_time),
            purged: Set(false),
        }
    }
}

impl TryFrom<Model> for Account {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let corrupt = |column: &'static str| move |_| Error::Corrupt(column);
        let username = row.username.as_deref().unwrap_or_default();
        Ok(Self {
            id: row.id.into(),
            email: Email::parse(&row.email).map_err(corrupt("users.email"))?,
            email_verified: row.email_verified,
            username: Username::parse(username).map_err(corrupt("users.username"))?,
            profile: Profile {
                display_name: DisplayName::parse(&row.display_name)
                    .map_err(corrupt("users.display_name"))?,
                given_name: PersonName::parse(&row.given_name)
                    .map_err(corrupt("users.given_name"))?,
                family_name: PersonName::parse(&row.family_name)
                    .map_err(corrupt("users.family_name"))?,
                picture: Picture::parse(&row.picture).map_err(corrupt("users.picture"))?,
                phone: Phone::parse(&row.phone).map_err(corrupt("users.phone"))?,
                locale: Locale::parse(&row.locale).map_err(corrupt("users.locale"))?,
                time_zone: TimeZone::parse(&row.time_zone).map_err(corrupt("users.time_zone"))?,
            },
            public_metadata: Metadata::parse(&row.public_metadata)
                .map_err(corrupt("users.public_metadata"))?,
            private_metadata: Metadata::parse(&row.private_metadata)
                .map_err(corrupt("users.private_metadata"))?,
            status: status(row.status)?,
            suspended_before: row.suspended_before,
            roles: roles(&row.roles)?,
            revision: row.revision.into(),
            create_time: row.create_time,
            update_time: row.update_time,
            delete_time: row.delete_time,
            purge_time: row.purge_time,
        })
    }
}

fn words(roles: &Roles) -> String {
    let names: Vec<&str> = roles.iter().map(RoleName::as_str).collect();
    names.join(" ")
}

fn roles(words: &str) -> Result<Roles> {
    words
        .split_whitespace()
        .map(|name| RoleName::parse(name).map_err(|_| Error::Corrupt("users.roles")))
        .collect()
}

pub(super) const fn number(status: Status) -> i16 {
    match status {
        Status::Active => 1,
        Status::Suspended => 2,
        Status::Deleted => 3,
    }
}

fn status(number: i16) -> Result<Status> {
    match number {
        1 => Ok(Status::Active),
        2 => Ok(Status::Suspended),
        3 => Ok(Status::Deleted),
        _ => Err(Error::Corrupt("users.status")),
    }
}
