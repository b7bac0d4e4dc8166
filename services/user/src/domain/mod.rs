//! What an account is, and the rules that hold for it whoever asks and wherever it is kept.
//!
//! Every value here has been parsed: whoever holds an [`Email`] need not check it again.

mod account;
mod cursor;
mod email;
mod event;
mod filter;
mod id;
mod imported;
mod listing;
mod metadata;
mod profile;
mod revision;
mod role;
mod scope;
mod status;
mod username;

pub use account::{Account, Change, NewAccount, Unfit};
pub use cursor::{Cursor, Key, Page, PageSize, TotalSize};
pub use email::Email;
pub use event::Published;
pub use filter::{Filter, FilterError, Match, Relation, Test, TextField, TimeField};
pub use id::UserId;
pub use imported::Imported;
pub use listing::{Listing, OrderKey, Unlistable, Word};
pub use metadata::{Metadata, MetadataEdit};
pub use profile::{DisplayName, Locale, PersonName, Phone, Picture, Profile, TimeZone};
pub use revision::{Etag, Revision};
pub use role::{NewRole, Role, RoleChange, RoleDescription, RoleName, Roles};
pub use scope::{Authority, Scope, Scopes};
pub use status::Status;
pub use username::Username;

/// Why a value was refused: a sentence that says what is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub &'static str);

#[cfg(test)]
mod tests;
