//! What the wire says, as domain values: the only step from requests to the domain.

use portico_proto::{error::Violation, user::v1 as pb};
use prost_types::FieldMask;

use crate::{
    domain::{
        Change, DisplayName, Email, Invalid, Locale, NewAccount, Profile, RoleName, Roles,
        TimeZone, UserId,
    },
    error::{Error, Result},
};

/// Reads an id.
pub fn id(field: &str, text: &str) -> Result<UserId> {
    UserId::parse(text).map_err(|error| Error::field(field, error))
}

/// Reads an account that is to be created. What only the service may say of it is left aside.
pub fn new_account(user: &pb::User) -> Result<NewAccount> {
    let mut faults = Faults::default();
    let email = faults.take("user.email", Email::parse(&user.email));
    let display_name = faults.take("user.display_name", DisplayName::parse(&user.display_name));
    let locale = faults.take("user.locale", Locale::parse(&user.locale));
    let time_zone = faults.take("user.time_zone", TimeZone::parse(&user.time_zone));
    let (Some(email), Some(display_name), Some(locale), Some(time_zone)) =
        (email, display_name, locale, time_zone)
    else {
        return Err(Error::Invalid(faults.0));
    };
    Ok(NewAccount {
        email,
        profile: Profile {
            display_name,
            locale,
            time_zone,
        },
    })
}

/// Reads the roles that an account is to have: those that are named, or those of everybody.
pub fn roles(names: &[String]) -> Result<Roles> {
    let roles: Roles = names
        .iter()
        .map(|name| RoleName::parse(name).map_err(|error| Error::field("user.roles", error)))
        .collect::<Result<_>>()?;
    Ok(if roles.is_empty() {
        Roles::initial()
    } else {
        roles
    })
}

/// Reads a change: the fields that the mask names, or without a mask those that have a value.
pub fn change(user: &pb::User, mask: Option<&FieldMask>) -> Result<Change> {
    let mask = match mask {
        Some(mask) if !mask.paths.is_empty() => Mask::parse(mask)?,
        _ => Mask::populated(user),
    };
    let mut faults = Faults::default();
    let change = Change {
        email: mask
            .email
            .then(|| faults.take("user.email", Email::parse(&user.email)))
            .flatten(),
        display_name: mask
            .display_name
            .then(|| faults.take("user.display_name", DisplayName::parse(&user.display_name)))
            .flatten(),
        locale: mask
            .locale
            .then(|| faults.take("user.locale", Locale::parse(&user.locale)))
            .flatten(),
        time_zone: mask
            .time_zone
            .then(|| faults.take("user.time_zone", TimeZone::parse(&user.time_zone)))
            .flatten(),
    };
    if faults.0.is_empty() {
        Ok(change)
    } else {
        Err(Error::Invalid(faults.0))
    }
}

/// Which fields a change is about.
#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one for each field that may be changed"
)]
struct Mask {
    email: bool,
    display_name: bool,
    locale: bool,
    time_zone: bool,
}

impl Mask {
    fn parse(mask: &FieldMask) -> Result<Self> {
        let mut fields = Self::default();
        let mut faults = Vec::new();
        for path in &mask.paths {
            match path.as_str() {
                "email" => fields.email = true,
                "display_name" => fields.display_name = true,
                "locale" => fields.locale = true,
                "time_zone" => fields.time_zone = true,
                "*" => fields = Self::all(),
                // The state that the client has seen is a condition, and not a thing to change.
                "etag" => {}
                _ => faults.push(Violation::new(
                    "update_mask",
                    format!(
                        "`{}` cannot be changed here; `email`, `display_name`, `locale` and \
                         `time_zone` can",
                        excerpt(path)
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

    fn populated(user: &pb::User) -> Self {
        Self {
            email: !user.email.is_empty(),
            display_name: !user.display_name.is_empty(),
            locale: !user.locale.is_empty(),
            time_zone: !user.time_zone.is_empty(),
        }
    }

    const fn all() -> Self {
        Self {
            email: true,
            display_name: true,
            locale: true,
            time_zone: true,
        }
    }
}

/// Details of an error travel in a header, which has little room.
const MAX_FAULTS: usize = 8;

fn excerpt(path: &str) -> String {
    path.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// The fields at fault so far.
#[derive(Default)]
struct Faults(Vec<Violation>);

impl Faults {
    fn take<T>(&mut self, field: &str, parsed: Result<T, Invalid>) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(error) => {
                self.0.push(Violation::new(field, error.to_string()));
                None
            }
        }
    }
}
