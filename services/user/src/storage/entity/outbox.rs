use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox")]
pub struct Model {
    /// Given by the database, and never given again.
    #[sea_orm(primary_key)]
    pub sequence: i64,
    pub time: DateTimeUtc,
    /// `user` or `role`.
    pub kind: String,
    pub account_id: Option<Uuid>,
    /// The encoded `portico.user.v1.UserEvent`, without its sequence.
    pub payload: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
