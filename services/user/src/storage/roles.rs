//! Roles as rows.

use portico_service::database::filled;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, Set, Statement, sea_query::OnConflict,
};

use super::{
    Error, Result, Storage, Transaction,
    entity::roles::{ActiveModel, Column, Entity, Model},
};
use crate::domain::{Revision, Role, RoleDescription, RoleName, Roles, Scope, Scopes};

impl Storage {
    /// The role of that name.
    pub async fn find_role(&self, name: &RoleName) -> Result<Option<Role>> {
        let row = Entity::find_by_id(name.as_str()).one(&self.db).await?;
        row.map(Role::try_from).transpose()
    }

    /// Up to `limit` roles whose names come behind one, by name.
    pub async fn roles_page(&self, behind: Option<&RoleName>, limit: usize) -> Result<Vec<Role>> {
        let rows = Entity::find()
            .filter(Column::Name.gt(behind.map_or("", RoleName::as_str)))
            .order_by_asc(Column::Name)
            .limit(limit as u64)
            .all(&self.db)
            .await?;
        rows.into_iter().map(Role::try_from).collect()
    }
}

impl Transaction {
    /// Those of the roles that exist. None of them is changed or deleted by others until this
    /// transaction ends.
    pub async fn hold_roles(&self, names: impl Iterator<Item = &RoleName>) -> Result<Vec<Role>> {
        let rows = Entity::find()
            .filter(Column::Name.is_in(filled(names.map(RoleName::as_str))))
            .order_by_asc(Column::Name)
            .lock_shared()
            .all(&self.tx)
            .await?;
        rows.into_iter().map(Role::try_from).collect()
    }

    /// The first of those roles that does not exist.
    pub async fn find_unknown_role<'a>(&self, roles: &'a Roles) -> Result<Option<&'a RoleName>> {
        let known = self.hold_roles(roles.iter()).await?;
        let is_known = |name: &RoleName| known.iter().any(|known| known.name == *name);
        Ok(roles.iter().find(|name| !is_known(name)))
    }

    /// The role of that name. Nobody else changes, deletes or grants it until this transaction ends.
    pub async fn load_role(&self, name: &RoleName) -> Result<Option<Role>> {
        let row = Entity::find_by_id(name.as_str())
            .lock_exclusive()
            .one(&self.tx)
            .await?;
        row.map(Role::try_from).transpose()
    }

    /// Adds a role, and says whether it could: its name must be free.
    pub async fn insert_role(&self, role: &Role) -> Result<bool> {
        let rows = Entity::insert(ActiveModel::from(role))
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .exec_without_returning(&self.tx)
            .await?;
        Ok(rows == 1)
    }

    /// Writes a role back that was loaded here.
    pub async fn save_role(&self, role: &Role) -> Result<()> {
        let mut row = ActiveModel::from(role);
        row.name = sea_orm::NotSet;
        Entity::update_many()
            .set(row)
            .filter(Column::Name.eq(role.name.as_str()))
            .exec(&self.tx)
            .await?;
        Ok(())
    }

    /// Removes a role that was loaded here.
    pub async fn delete_role(&self, name: &RoleName) -> Result<()> {
        Entity::delete_by_id(name.as_str()).exec(&self.tx).await?;
        Ok(())
    }

    /// What the role gives that may do everything.
    pub async fn admin_scopes(&self) -> Result<Scopes> {
        let row = Entity::find_by_id(RoleName::ADMIN).one(&self.tx).await?;
        let role = row.map(Role::try_from).transpose()?;
        Ok(role.map(|role| role.scopes).unwrap_or_default())
    }

    /// How many roles there are.
    pub async fn count_roles(&self) -> Result<u64> {
        Ok(Entity::find().count(&self.tx).await?)
    }

    /// Whether any account holds the role, deleted ones too, since they may come back. Ask it after
    /// [`load_role`](Self::load_role).
    pub async fn is_role_held(&self, name: &RoleName) -> Result<bool> {
        let backend = self.tx.get_database_backend();
        // By the index of those who hold more than the role of everybody, which is built in. A name holds
        // nothing that means something to LIKE.
        let sql = "SELECT 1 FROM users WHERE roles <> 'user' \
                   AND ' ' || roles || ' ' LIKE '% ' || $1 || ' %' LIMIT 1";
        let statement = Statement::from_sql_and_values(backend, sql, [name.as_str().into()]);
        Ok(self.tx.query_one_raw(statement).await?.is_some())
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

impl From<&Role> for ActiveModel {
    fn from(role: &Role) -> Self {
        let scopes: Vec<&str> = role.scopes.iter().map(Scope::as_str).collect();
        Self {
            name: Set(role.name.as_str().to_owned()),
            scopes: Set(scopes.join(" ")),
            description: Set(role.description.as_str().to_owned()),
            built_in: Set(role.built_in),
            revision: Set(role.revision.get()),
            create_time: Set(role.create_time),
            update_time: Set(role.update_time),
        }
    }
}

impl TryFrom<Model> for Role {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let scopes = row.scopes.split_whitespace().map(Scope::parse);
        Ok(Self {
            name: RoleName::parse(&row.name).map_err(|_| Error::Corrupt("roles.name"))?,
            scopes: scopes
                .collect::<Result<Scopes, _>>()
                .map_err(|_| Error::Corrupt("roles.scopes"))?,
            description: RoleDescription::parse(&row.description)
                .map_err(|_| Error::Corrupt("roles.description"))?,
            built_in: row.built_in,
            revision: Revision::from(row.revision),
            create_time: row.create_time,
            update_time: row.update_time,
        })
    }
}
