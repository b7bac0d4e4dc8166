use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "columns, of which each is a fact of its own"
)]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// As it was given.
    pub email: String,
    /// As it is compared; unique.
    pub email_key: String,
    pub email_verified: bool,
    pub display_name: String,
    pub locale: String,
    pub time_zone: String,
    /// The numbers of `portico.user.v1.UserStatus`.
    pub status: i16,
    /// Names with a space between, in alphabetical order, so that reading an account is one statement.
    pub roles: String,
    /// Whether `admin` is among the roles. Has a partial index, so that the other administrators are
    /// found without a scan.
    pub administrator: bool,
    pub revision: i64,
    pub create_time: DateTimeUtc,
    pub update_time: DateTimeUtc,
    pub delete_time: Option<DateTimeUtc>,
    /// As it was given.
    pub username: Option<String>,
    /// As it is compared; unique.
    pub username_key: Option<String>,
    pub given_name: String,
    pub family_name: String,
    pub picture: String,
    pub phone: String,
    /// A JSON object.
    pub public_metadata: String,
    /// A JSON object.
    pub private_metadata: String,
    /// Whether a deleted account was suspended before.
    pub suspended_before: bool,
    /// When it is to be purged. The release that knew of no purge leaves it out.
    pub purge_time: Option<DateTimeUtc>,
    /// Nothing but the id, the times and the status is left of it.
    pub purged: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
