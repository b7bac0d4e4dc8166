use chrono::{DateTime, TimeDelta, Utc};

use super::{
    DisplayName, Email, Etag, Invalid, Locale, Metadata, MetadataEdit, PersonName, Phone, Picture,
    Profile, Revision, RoleName, Roles, Status, TimeZone, UserId, Username,
};

/// An account. One that was purged is none any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Who it is, for good.
    pub id: UserId,
    /// The address, unique among accounts whatever its case.
    pub email: Email,
    /// Whether the address is known to be the person's.
    pub email_verified: bool,
    /// The name, unique among accounts whatever its case.
    pub username: Option<Username>,
    /// What it tells of its person.
    pub profile: Profile,
    /// What applications keep of it, for the person to see as well.
    pub public_metadata: Metadata,
    /// The same, for administrators alone.
    pub private_metadata: Metadata,
    /// Whether it may be used.
    pub status: Status,
    /// Whether it was suspended when it was deleted.
    pub suspended_before: bool,
    /// What it may do.
    pub roles: Roles,
    /// How often it has been changed.
    pub revision: Revision,
    /// When it was created.
    pub create_time: DateTime<Utc>,
    /// When it was last changed.
    pub update_time: DateTime<Utc>,
    /// When it was deleted.
    pub delete_time: Option<DateTime<Utc>>,
    /// When it is purged, having been deleted.
    pub purge_time: Option<DateTime<Utc>>,
}

/// What somebody says of an account that does not exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAccount {
    /// The address.
    pub email: Email,
    /// Whether the address is known to be the person's.
    pub email_verified: bool,
    /// The name.
    pub username: Option<Username>,
    /// The person.
    pub profile: Profile,
    /// What applications keep of it, for the person to see as well.
    pub public_metadata: Metadata,
    /// The same, for administrators alone.
    pub private_metadata: Metadata,
}

impl NewAccount {
    /// An account of which nothing but the address is known.
    pub fn of(email: Email) -> Self {
        Self {
            email,
            email_verified: false,
            username: None,
            profile: Profile::default(),
            public_metadata: Metadata::default(),
            private_metadata: Metadata::default(),
        }
    }
}

/// New values for some fields of an account; `None`, and no edits, leave a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The address.
    pub email: Option<Email>,
    /// Whether the address is known to be the person's.
    pub email_verified: Option<bool>,
    /// The name, or none.
    #[expect(
        clippy::option_option,
        reason = "the outer says whether it changes, as with every field; the inner whether there is one"
    )]
    pub username: Option<Option<Username>>,
    /// What the person is called on screens.
    pub display_name: Option<DisplayName>,
    /// The given name.
    pub given_name: Option<PersonName>,
    /// The family name.
    pub family_name: Option<PersonName>,
    /// Where a picture is.
    pub picture: Option<Picture>,
    /// The phone number.
    pub phone: Option<Phone>,
    /// The preferred language.
    pub locale: Option<Locale>,
    /// The time zone.
    pub time_zone: Option<TimeZone>,
    /// What applications keep, for the person to see as well.
    pub public_metadata: Vec<MetadataEdit>,
    /// The same, for administrators alone.
    pub private_metadata: Vec<MetadataEdit>,
}

/// A change that an account cannot take, by the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfit(pub &'static str, pub Invalid);

impl Account {
    /// A new account, in use.
    pub fn open(id: UserId, new: NewAccount, roles: Roles, now: DateTime<Utc>) -> Self {
        Self {
            id,
            email: new.email,
            email_verified: new.email_verified,
            username: new.username,
            profile: new.profile,
            public_metadata: new.public_metadata,
            private_metadata: new.private_metadata,
            status: Status::Active,
            suspended_before: false,
            roles,
            revision: Revision::FIRST,
            create_time: now,
            update_time: now,
            delete_time: None,
            purge_time: None,
        }
    }

    /// Whether it is in the state that a client has seen, if the client said one.
    pub fn matches(&self, expected: Option<&Etag>) -> bool {
        expected.is_none_or(|etag| *etag == self.revision.etag())
    }

    /// Whether it is one of those who may do everything.
    pub fn administers(&self) -> bool {
        self.status == Status::Active && self.roles.administer()
    }

    /// Whether something is new since before that people may not change on their own accounts.
    ///
    /// The address is among it: links to new passwords go there, so it changes when somebody has proved to
    /// have the new one (the auth service asks for that, and for the password), or on an administrator's word.
    pub fn took_an_administrator(&self, before: &Self) -> bool {
        self.email != before.email
            || self.email_verified != before.email_verified
            || self.public_metadata != before.public_metadata
            || self.private_metadata != before.private_metadata
    }

    /// Whether links to new passwords go elsewhere than before, or go out at all now.
    pub fn was_moved(&self, before: &Self) -> bool {
        self.email.key() != before.email.key() || self.email_verified && !before.email_verified
    }

    /// Takes new values, and says whether any of them was new. A new address has to be verified again,
    /// unless the change says that it was.
    pub fn apply(&mut self, change: Change, now: DateTime<Utc>) -> Result<bool, Unfit> {
        let before = self.clone();
        if let Some(email) = change.email {
            self.email_verified &= email.key() == self.email.key();
            self.email = email;
        }
        replace(&mut self.email_verified, change.email_verified);
        replace(&mut self.username, change.username);
        let profile = &mut self.profile;
        replace(&mut profile.display_name, change.display_name);
        replace(&mut profile.given_name, change.given_name);
        replace(&mut profile.family_name, change.family_name);
        replace(&mut profile.picture, change.picture);
        replace(&mut profile.phone, change.phone);
        replace(&mut profile.locale, change.locale);
        replace(&mut profile.time_zone, change.time_zone);
        self.public_metadata = self
            .public_metadata
            .edited(&change.public_metadata)
            .map_err(|error| Unfit("user.public_metadata", error))?;
        self.private_metadata = self
            .private_metadata
            .edited(&change.private_metadata)
            .map_err(|error| Unfit("user.private_metadata", error))?;
        let changed = *self != before;
        if changed {
            self.touch(now);
        }
        Ok(changed)
    }

    /// Takes an address that was proved to be the person's, and says whether anything was new.
    pub fn confirm(&mut self, email: &Email, now: DateTime<Utc>) -> bool {
        let known = self.email.key() == email.key();
        if known && self.email_verified {
            return false;
        }
        if !known {
            self.email = email.clone();
        }
        self.email_verified = true;
        self.touch(now);
        true
    }

    /// Keeps it out, or lets it in again, and says whether that changed anything.
    pub fn set_suspended(&mut self, suspended: bool, now: DateTime<Utc>) -> bool {
        let status = if suspended {
            Status::Suspended
        } else {
            Status::Active
        };
        if self.status == status {
            return false;
        }
        self.status = status;
        self.touch(now);
        true
    }

    /// Deletes it, to be purged after a while.
    pub fn delete(&mut self, now: DateTime<Utc>, keep: TimeDelta) {
        self.suspended_before = self.status == Status::Suspended;
        self.status = Status::Deleted;
        self.delete_time = Some(now);
        self.purge_time = now.checked_add_signed(keep);
        self.touch(now);
    }

    /// Takes its deletion back: it is what it was before, and stays suspended if it was.
    pub fn undelete(&mut self, now: DateTime<Utc>) {
        (self.delete_time, self.purge_time) = (None, None);
        self.status = if self.suspended_before {
            Status::Suspended
        } else {
            Status::Active
        };
        self.suspended_before = false;
        self.touch(now);
    }

    /// Gives it a role, and says whether it did not hold it.
    pub fn grant(&mut self, role: RoleName, now: DateTime<Utc>) -> bool {
        let added = self.roles.add(role);
        if added {
            self.touch(now);
        }
        added
    }

    /// Takes a role from it, and says whether it held it.
    pub fn revoke(&mut self, role: &RoleName, now: DateTime<Utc>) -> bool {
        let removed = self.roles.remove(role);
        if removed {
            self.touch(now);
        }
        removed
    }

    /// Counts a change.
    pub fn touch(&mut self, now: DateTime<Utc>) {
        self.revision = self.revision.next();
        // Clocks of two machines may differ; the time of an account never runs backwards.
        self.update_time = self.update_time.max(now);
    }
}

fn replace<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}
