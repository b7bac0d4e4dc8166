use std::{collections::BTreeSet, fmt};

use chrono::{DateTime, Utc};

use super::{Etag, Invalid, Revision, Scopes};

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
    /// How many roles an account holds, at most.
    pub const MOST: usize = 32;

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

    /// Whether a role is among them.
    pub fn has(&self, role: &RoleName) -> bool {
        self.0.contains(role)
    }

    /// All of them where there are others than everybody's, and else none.
    pub fn of_the_few(&self) -> impl Iterator<Item = &RoleName> {
        let everybodys = self.iter().map(RoleName::as_str).eq([RoleName::USER]);
        self.0.iter().filter(move |_| !everybodys)
    }

    /// Whether there is no room for another one.
    pub fn are_full(&self) -> bool {
        self.0.len() >= Self::MOST
    }

    /// Adds a role, and says whether it was not there.
    pub fn add(&mut self, role: RoleName) -> bool {
        self.0.insert(role)
    }

    /// Takes a role away, and says whether it was there.
    pub fn remove(&mut self, role: &RoleName) -> bool {
        self.0.remove(role)
    }

    /// Those that are only in one of the two.
    pub fn difference(&self, other: &Self) -> Self {
        Self(self.0.symmetric_difference(&other.0).cloned().collect())
    }
}

/// A named set of scopes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Which one it is.
    pub name: RoleName,
    /// What it gives.
    pub scopes: Scopes,
    /// What it is for.
    pub description: RoleDescription,
    /// Whether it comes with the service, and so stays as it is.
    pub built_in: bool,
    /// How often it has been changed.
    pub revision: Revision,
    /// When it was created, unless it is built in.
    pub create_time: Option<DateTime<Utc>>,
    /// When it was last changed, unless it is built in.
    pub update_time: Option<DateTime<Utc>>,
}

/// What somebody says of a role that does not exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRole {
    /// Which one it is to be.
    pub name: RoleName,
    /// What it is to give.
    pub scopes: Scopes,
    /// What it is to be for.
    pub description: RoleDescription,
}

/// New values for some fields of a role; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleChange {
    /// What it gives.
    pub scopes: Option<Scopes>,
    /// What it is for.
    pub description: Option<RoleDescription>,
}

impl Role {
    /// A new role.
    pub fn open(new: NewRole, now: DateTime<Utc>) -> Self {
        Self {
            name: new.name,
            scopes: new.scopes,
            description: new.description,
            built_in: false,
            revision: Revision::FIRST,
            create_time: Some(now),
            update_time: Some(now),
        }
    }

    /// Whether it is in the state that a client has seen, if the client said one.
    pub fn matches(&self, expected: Option<&Etag>) -> bool {
        expected.is_none_or(|etag| *etag == self.revision.etag())
    }

    /// Takes new values, and says whether any of them was new.
    pub fn apply(&mut self, change: RoleChange, now: DateTime<Utc>) -> bool {
        let scopes = change.scopes.unwrap_or_else(|| self.scopes.clone());
        let description = change
            .description
            .unwrap_or_else(|| self.description.clone());
        if scopes == self.scopes && description == self.description {
            return false;
        }
        self.scopes = scopes;
        self.description = description;
        self.revision = self.revision.next();
        self.update_time = self.update_time.max(Some(now));
        true
    }
}

/// What a role is for, in at most 500 characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleDescription(String);

impl RoleDescription {
    /// Reads at most 500 characters without control characters.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let fine = text.chars().count() <= 500 && !text.chars().any(char::is_control);
        fine.then(|| Self(text.to_owned())).ok_or(Invalid(
            "must be at most 500 characters without control characters",
        ))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromIterator<RoleName> for Roles {
    fn from_iter<I: IntoIterator<Item = RoleName>>(names: I) -> Self {
        Self(names.into_iter().collect())
    }
}
