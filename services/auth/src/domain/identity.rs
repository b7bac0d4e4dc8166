//! The copy of an account that sign-in needs.

use uuid::Uuid;

use super::Email;

/// An account as the user service last told of it.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) id: Uuid,
    pub(crate) email: Email,
    pub(crate) email_verified: bool,
    pub(crate) status: Status,
    pub(crate) roles: Vec<String>,
    /// Grows with each change, so that an older state never replaces a newer one.
    pub(crate) revision: i64,
}

/// Whether an account may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Active,
    Suspended,
    Deleted,
}

impl Status {
    /// The word that is stored.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Deleted => "deleted",
        }
    }

    /// The status of that word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Active, Self::Suspended, Self::Deleted]
            .into_iter()
            .find(|status| status.as_str() == word)
    }
}
