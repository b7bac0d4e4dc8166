use chrono::{DateTime, Utc};

use super::{DisplayName, Email, Etag, Locale, Profile, Revision, Roles, Status, TimeZone, UserId};

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Who it is, for good.
    pub id: UserId,
    /// The address, unique among accounts whatever its case.
    pub email: Email,
    /// Whether the address is known to be the person's.
    pub email_verified: bool,
    /// What it tells of its person.
    pub profile: Profile,
    /// Whether it may be used.
    pub status: Status,
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
}

/// What somebody says of an account that does not exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAccount {
    /// The address.
    pub email: Email,
    /// The person.
    pub profile: Profile,
}

/// New values for some fields of an account; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The address.
    pub email: Option<Email>,
    /// What the person is called on screens.
    pub display_name: Option<DisplayName>,
    /// The preferred language.
    pub locale: Option<Locale>,
    /// The time zone.
    pub time_zone: Option<TimeZone>,
}

impl Account {
    /// A new account, in use.
    pub fn open(id: UserId, new: NewAccount, roles: Roles, now: DateTime<Utc>) -> Self {
        Self {
            id,
            email: new.email,
            email_verified: false,
            profile: new.profile,
            status: Status::Active,
            roles,
            revision: Revision::FIRST,
            create_time: now,
            update_time: now,
            delete_time: None,
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

    /// Takes new values, and says whether any of them was new. A new address has to be verified again.
    pub fn apply(&mut self, change: Change, now: DateTime<Utc>) -> bool {
        let before = (self.email.clone(), self.profile.clone());
        if let Some(email) = change.email {
            self.email_verified &= email.key() == self.email.key();
            self.email = email;
        }
        replace(&mut self.profile.display_name, change.display_name);
        replace(&mut self.profile.locale, change.locale);
        replace(&mut self.profile.time_zone, change.time_zone);
        let changed = before != (self.email.clone(), self.profile.clone());
        if changed {
            self.touch(now);
        }
        changed
    }

    /// Keeps it out, or lets it in again, and says whether that changed anything.
    pub fn set_status(&mut self, status: Status, now: DateTime<Utc>) -> bool {
        if self.status == status {
            return false;
        }
        self.status = status;
        if status == Status::Deleted {
            self.delete_time = Some(now);
        }
        self.touch(now);
        true
    }

    fn touch(&mut self, now: DateTime<Utc>) {
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
