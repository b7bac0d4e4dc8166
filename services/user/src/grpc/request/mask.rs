//! Which fields a change is about.

use portico_proto::{error::Violation, user::v1 as pb};
use prost_types::FieldMask;

use super::{MAX_FAULTS, excerpt, metadata};
use crate::error::{Error, Result};

/// How many members of metadata a mask names at most.
const MAX_MEMBERS: usize = 64;

/// A field that clients may set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Email,
    EmailVerified,
    Username,
    DisplayName,
    GivenName,
    FamilyName,
    Picture,
    Phone,
    Locale,
    TimeZone,
}

impl Field {
    const ALL: [Self; 10] = [
        Self::Email,
        Self::EmailVerified,
        Self::Username,
        Self::DisplayName,
        Self::GivenName,
        Self::FamilyName,
        Self::Picture,
        Self::Phone,
        Self::Locale,
        Self::TimeZone,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::EmailVerified => "email_verified",
            Self::Username => "username",
            Self::DisplayName => "display_name",
            Self::GivenName => "given_name",
            Self::FamilyName => "family_name",
            Self::Picture => "picture",
            Self::Phone => "phone",
            Self::Locale => "locale",
            Self::TimeZone => "time_zone",
        }
    }

    fn is_set(self, user: &pb::User) -> bool {
        let text = match self {
            Self::EmailVerified => return user.email_verified,
            Self::Email => &user.email,
            Self::Username => &user.username,
            Self::DisplayName => &user.display_name,
            Self::GivenName => &user.given_name,
            Self::FamilyName => &user.family_name,
            Self::Picture => &user.picture,
            Self::Phone => &user.phone,
            Self::Locale => &user.locale,
            Self::TimeZone => &user.time_zone,
        };
        !text.is_empty()
    }
}

/// How a change treats metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it is replaced.
    Whole,
    /// What came is merged with it.
    Patch,
    /// One member is replaced.
    Member(Vec<String>),
}

/// The fields that a change is about.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Mask {
    fields: Vec<Field>,
    /// In the order in which they were named.
    pub public_metadata: Vec<Part>,
    pub private_metadata: Vec<Part>,
}

impl Mask {
    /// Reads a mask. `*` is everything but what administrators alone may set, unless it has a value, so
    /// that a person may replace all that is hers. What is named twice is meant once.
    pub fn parse(mask: &FieldMask, user: &pb::User) -> Result<Self> {
        let mut fields = Self::default();
        let mut faults = Vec::new();
        for path in &mask.paths {
            match path.as_str() {
                "*" => fields.add_all(user),
                // The state that the client has seen is a condition, and not a thing to change.
                "etag" => {}
                path if fields.add(path) => {}
                _ if fields.is_full() => {
                    let most = format!("must name at most {MAX_MEMBERS} members of metadata");
                    return Err(Error::Invalid(vec![Violation::new("update_mask", most)]));
                }
                path => faults.push(Violation::new(
                    "update_mask",
                    format!(
                        "`{}` cannot be changed here; {} can",
                        excerpt(path),
                        names()
                    ),
                )),
            }
        }
        if faults.is_empty() {
            Ok(fields)
        } else {
            faults.truncate(MAX_FAULTS);
            Err(Error::Invalid(faults))
        }
    }

    /// What has a value.
    pub fn populated(user: &pb::User) -> Self {
        let part = |object: &Option<_>| object.iter().map(|_| Part::Patch).collect();
        let set = |field: &Field| field.is_set(user);
        Self {
            fields: Field::ALL.into_iter().filter(set).collect(),
            public_metadata: part(&user.public_metadata),
            private_metadata: part(&user.private_metadata),
        }
    }

    /// Everything.
    pub fn all() -> Self {
        Self {
            fields: Field::ALL.to_vec(),
            public_metadata: vec![Part::Whole],
            private_metadata: vec![Part::Whole],
        }
    }

    /// Whether the change is about that field.
    pub fn has(&self, field: Field) -> bool {
        self.fields.contains(&field)
    }

    fn add_all(&mut self, user: &pb::User) {
        for field in Field::ALL {
            let guarded = matches!(field, Field::Email | Field::EmailVerified);
            if !guarded || field.is_set(user) {
                self.fields.push(field);
            }
        }
        for (parts, object) in [
            (&mut self.public_metadata, &user.public_metadata),
            (&mut self.private_metadata, &user.private_metadata),
        ] {
            if object.is_some() && !parts.contains(&Part::Whole) {
                parts.push(Part::Whole);
            }
        }
    }

    fn is_full(&self) -> bool {
        self.public_metadata.len().max(self.private_metadata.len()) == MAX_MEMBERS
    }

    fn add(&mut self, path: &str) -> bool {
        if let Some(field) = Field::ALL.into_iter().find(|field| field.name() == path) {
            self.fields.push(field);
            return true;
        }
        let (name, member) = match path.split_once('.') {
            Some((name, member)) => (name, Some(member)),
            None => (path, None),
        };
        let parts = match name {
            "public_metadata" => &mut self.public_metadata,
            "private_metadata" => &mut self.private_metadata,
            _ => return false,
        };
        let part = match member.map(metadata::path) {
            None => Part::Patch,
            Some(Some(names)) => Part::Member(names),
            Some(None) => return false,
        };
        if parts.contains(&part) {
            return true;
        }
        let room = parts.len() < MAX_MEMBERS;
        if room {
            parts.push(part);
        }
        room
    }
}

fn names() -> String {
    let fields = Field::ALL.map(|field| format!("`{}`", field.name()));
    format!(
        "{}, `public_metadata` and `private_metadata`",
        fields.join(", ")
    )
}
