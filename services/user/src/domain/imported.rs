use chrono::{DateTime, Utc};

use super::{Account, Change, NewAccount, Roles, Status, Unfit, UserId};

/// What somebody says of an account that may exist elsewhere, and here too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Who it is, where that is to be kept.
    pub id: Option<UserId>,
    /// How it is created.
    pub new: NewAccount,
    /// How it is changed when it is there.
    pub change: Change,
    /// Whether the address is known to be the person's.
    pub email_verified: bool,
    /// Whether it may be used, when that was said.
    pub status: Option<Status>,
    /// What it may do, when that was said.
    pub roles: Option<Roles>,
    /// When it was created, when that was said.
    pub create_time: Option<DateTime<Utc>>,
}

impl Imported {
    /// A new account of it.
    pub fn open(&self, now: DateTime<Utc>) -> Account {
        let id = self.id.unwrap_or_else(|| UserId::new(now));
        let roles = self.roles.clone().unwrap_or_else(Roles::initial);
        Account {
            email_verified: self.email_verified,
            status: self.status.unwrap_or(Status::Active),
            create_time: self.create_time.unwrap_or(now),
            ..Account::open(id, self.new.clone(), roles, now)
        }
    }

    /// The account after the change, or none when it is just so already.
    pub fn apply_to(&self, before: &Account, now: DateTime<Utc>) -> Result<Option<Account>, Unfit> {
        let mut account = before.clone();
        account.apply(self.change.clone(), now)?;
        account.email_verified |= self.email_verified;
        if let Some(roles) = &self.roles {
            account.roles = roles.clone();
        }
        if let Some(status) = self.status {
            account.status = status;
        }
        // However much of it is new, it is one change.
        account.revision = before.revision;
        account.update_time = before.update_time;
        if account == *before {
            return Ok(None);
        }
        account.revision = before.revision.next();
        account.update_time = before.update_time.max(now);
        Ok(Some(account))
    }
}
