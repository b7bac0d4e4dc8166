use std::{collections::BTreeSet, fmt};

use super::Invalid;

/// The name of a role, such as `auditor`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoleName(String);

impl RoleName {
    /// The role that may do everything. Somebody active always holds it.
    pub const ADMIN: &str = "admin";
    /// The role of every new account.
    pub const USER: &str = "user";

    /// Reads a lower-case letter and up to 62 more letters, digits and hyphens.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let name = text.len() <= 63
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(allowed);
        if name {
            return Ok(Self(text.to_owned()));
        }
        Err(Invalid("must be the name of a role such as `auditor`"))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The roles of one account, each once and in alphabetical order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles(BTreeSet<RoleName>);

impl Roles {
    /// What a new account holds unless it is given something else.
    pub fn initial() -> Self {
        Self(BTreeSet::from([RoleName(RoleName::USER.to_owned())]))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the role that may do everything is among them.
    pub fn administer(&self) -> bool {
        self.iter().any(|role| role.as_str() == RoleName::ADMIN)
    }

    /// Each of them, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = &RoleName> {
        self.0.iter()
    }
}

impl FromIterator<RoleName> for Roles {
    fn from_iter<I: IntoIterator<Item = RoleName>>(names: I) -> Self {
        Self(names.into_iter().collect())
    }
}
