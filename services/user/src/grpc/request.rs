//! What the wire says, as domain values: the only step from requests to the domain.

mod mask;
mod metadata;
mod read_mask;

use portico_proto::{error::Violation, user::v1 as pb};
use prost_types::{FieldMask, Struct};

use self::mask::{Field, Mask, Part};
pub use self::read_mask::ReadMask;
use crate::{
    domain::{
        Change, Cursor, DisplayName, Email, Invalid, Listing, Locale, Metadata, MetadataEdit,
        NewAccount, PersonName, Phone, Picture, Profile, RoleName, Roles, TimeZone, UserId,
        Username,
    },
    error::{Error, Result},
};

/// Reads an id.
pub fn id(field: &str, text: &str) -> Result<UserId> {
    UserId::parse(text).map_err(|error| Error::field(field, error))
}

/// Reads an account that is to be created. What only the service may say of it is left aside.
pub fn new_account(user: &pb::User) -> Result<NewAccount> {
    let change = read(user, &Mask::all())?;
    let public = Metadata::default().edited(&change.public_metadata);
    let private = Metadata::default().edited(&change.private_metadata);
    let mut faults = Faults::default();
    let public_metadata = faults.take("user.public_metadata", public);
    let private_metadata = faults.take("user.private_metadata", private);
    let (Some(email), Some(public_metadata), Some(private_metadata)) =
        (change.email, public_metadata, private_metadata)
    else {
        return Err(Error::Invalid(faults.0));
    };
    Ok(NewAccount {
        email_verified: change.email_verified.unwrap_or_default(),
        username: change.username.flatten(),
        profile: Profile {
            display_name: change.display_name.unwrap_or_default(),
            given_name: change.given_name.unwrap_or_default(),
            family_name: change.family_name.unwrap_or_default(),
            picture: change.picture.unwrap_or_default(),
            phone: change.phone.unwrap_or_default(),
            locale: change.locale.unwrap_or_default(),
            time_zone: change.time_zone.unwrap_or_default(),
        },
        public_metadata,
        private_metadata,
        ..NewAccount::of(email)
    })
}

/// An address.
pub fn email(field: &str, text: &str) -> Result<Email> {
    Email::parse(text).map_err(|invalid| Error::field(field, invalid))
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

/// Reads what a list is of, and the place where its page begins.
pub fn listing(request: &pb::ListUsersRequest) -> Result<(Listing, Option<Cursor>)> {
    let listing = Listing::parse(
        &request.filter,
        &request.search,
        &request.order_by,
        request.show_deleted,
    )
    .map_err(Error::unlistable)?;
    let behind = Cursor::parse(&request.page_token, &listing)
        .map_err(|error| Error::field("page_token", error))?;
    Ok((listing, behind))
}

/// Reads a change: the fields that the mask names, or without a mask those that have a value.
pub fn change(user: &pb::User, mask: Option<&FieldMask>) -> Result<Change> {
    let mask = match mask {
        Some(mask) if !mask.paths.is_empty() => Mask::parse(mask, user)?,
        _ => Mask::populated(user),
    };
    read(user, &mask)
}

/// Every field that clients may set is read here, and nowhere else.
fn read(user: &pb::User, mask: &Mask) -> Result<Change> {
    let mut faults = Faults::default();
    macro_rules! read {
        ($field:ident, $name:ident, $parse:expr) => {
            mask.has(Field::$field)
                .then(|| faults.take(concat!("user.", stringify!($name)), $parse(&user.$name)))
                .flatten()
        };
    }
    let change = Change {
        email: read!(Email, email, Email::parse),
        email_verified: mask
            .has(Field::EmailVerified)
            .then_some(user.email_verified),
        username: read!(Username, username, Username::parse),
        display_name: read!(DisplayName, display_name, DisplayName::parse),
        given_name: read!(GivenName, given_name, PersonName::parse),
        family_name: read!(FamilyName, family_name, PersonName::parse),
        picture: read!(Picture, picture, Picture::parse),
        phone: read!(Phone, phone, Phone::parse),
        locale: read!(Locale, locale, Locale::parse),
        time_zone: read!(TimeZone, time_zone, TimeZone::parse),
        public_metadata: faults
            .take(
                "user.public_metadata",
                edits(user.public_metadata.as_ref(), &mask.public_metadata),
            )
            .unwrap_or_default(),
        private_metadata: faults
            .take(
                "user.private_metadata",
                edits(user.private_metadata.as_ref(), &mask.private_metadata),
            )
            .unwrap_or_default(),
    };
    if faults.0.is_empty() {
        Ok(change)
    } else {
        Err(Error::Invalid(faults.0))
    }
}

fn edits(object: Option<&Struct>, parts: &[Part]) -> Result<Vec<MetadataEdit>, Invalid> {
    let edit = |part: &Part| match part {
        Part::Whole => metadata::replace(object),
        Part::Patch => metadata::merge(object),
        Part::Member(path) => metadata::member(object, path.clone()),
    };
    if !parts.is_empty() {
        metadata::bounded(object)?;
    }
    parts.iter().map(edit).collect()
}

/// Details of an error travel in a header, which has little room.
const MAX_FAULTS: usize = 4;

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
