//! Which fields of an account an answer has.

use portico_proto::{error::Violation, user::v1 as pb};
use prost_types::FieldMask;

use super::{MAX_FAULTS, excerpt};
use crate::error::{Error, Result};

/// The fields that a client wants to see (AIP-157); without any, all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadMask(Option<Vec<&'static str>>);

macro_rules! fields {
    ($($field:ident),* $(,)?) => {
        const FIELDS: &[&str] = &[$(stringify!($field)),*];

        impl ReadMask {
            /// The account with the fields that were asked for.
            pub fn apply(&self, user: pb::User) -> pb::User {
                let Some(wanted) = &self.0 else { return user };
                let mut seen = pb::User::default();
                $(if wanted.contains(&stringify!($field)) {
                    seen.$field = user.$field;
                })*
                seen
            }
        }
    };
}

fields! {
    id, email, email_verified, username, display_name, given_name, family_name, picture, phone, locale,
    time_zone, status, roles, public_metadata, private_metadata, create_time, update_time, delete_time,
    purge_time, etag,
}

impl ReadMask {
    /// Reads a mask of whole fields.
    pub fn parse(mask: Option<&FieldMask>) -> Result<Self> {
        let paths = mask.map_or(&[][..], |mask| &mask.paths);
        if paths.is_empty() || paths.iter().any(|path| path == "*") {
            return Ok(Self(None));
        }
        let (mut fields, mut faults) = (Vec::new(), Vec::new());
        for path in paths {
            match FIELDS.iter().find(|field| *field == path) {
                Some(field) => fields.push(*field),
                None => faults.push(Violation::new(
                    "read_mask",
                    format!("`{}` is no field of an account", excerpt(path)),
                )),
            }
        }
        if faults.is_empty() {
            return Ok(Self(Some(fields)));
        }
        faults.truncate(MAX_FAULTS);
        Err(Error::Invalid(faults))
    }
}
