//! Filters after [AIP-160](https://google.aip.dev/160), over the fields that have something to run on.

mod lex;
mod parse;

use std::fmt;

use chrono::{DateTime, Utc};

use super::{RoleName, Status, UserId};

/// How many comparisons a filter may have.
pub(super) const MAX_TESTS: usize = 32;
/// How deep parentheses and negations may be.
pub(super) const MAX_DEPTH: usize = 8;

/// What an account has to be like.
#[derive(Clone, PartialEq, Eq)]
pub enum Filter {
    /// All of them hold; there are at least two.
    And(Vec<Filter>),
    /// At least one of them holds; there are at least two.
    Or(Vec<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
    /// One comparison.
    Test(Test),
}

/// A comparison of a field with a value.
#[derive(Clone, PartialEq, Eq)]
pub enum Test {
    /// The id is this.
    Id(UserId),
    /// A text is this, without regard to case in names and addresses.
    Text(TextField, Match, String),
    /// The status is this.
    Status(Status),
    /// Whether the address is verified.
    EmailVerified(bool),
    /// The role is among those of the account.
    Role(RoleName),
    /// A time stands in this relation to another.
    Time(TimeField, Relation, DateTime<Utc>),
}

/// A field that holds text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextField {
    /// The address.
    Email,
    /// The username.
    Username,
    /// What the person is called on screens.
    DisplayName,
    /// The given name.
    GivenName,
    /// The family name.
    FamilyName,
    /// The phone number.
    Phone,
    /// The preferred language.
    Locale,
    /// The time zone.
    TimeZone,
}

/// How a text has to agree with another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// It is the other.
    Whole,
    /// It begins with it.
    Prefix,
    /// It ends with it.
    Suffix,
    /// It has it somewhere.
    Part,
}

/// A field that holds a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeField {
    /// When the account was created.
    Create,
    /// When it was last changed.
    Update,
    /// When it was deleted.
    Delete,
}

/// How two times stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// They are the same.
    Equal,
    /// The first is earlier.
    Less,
    /// The first is not later.
    AtMost,
    /// The first is later.
    Greater,
    /// The first is not earlier.
    AtLeast,
}

impl Filter {
    /// Reads a filter; nothing is none.
    pub fn parse(text: &str) -> Result<Option<Self>, FilterError> {
        parse::filter(text)
    }

    /// The conditions that all have to hold.
    pub fn conjuncts(&self) -> &[Self] {
        match self {
            Self::And(all) => all,
            one => std::slice::from_ref(one),
        }
    }
}

/// What is searched for may be personal, and `Debug` ends up in logs.
impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Filter(***)")
    }
}

/// Why a filter was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {fault}")]
pub struct FilterError {
    /// Where, in characters from 1.
    pub column: usize,
    /// What is wrong, and what is accepted.
    pub fault: String,
}

#[cfg(test)]
mod tests;
