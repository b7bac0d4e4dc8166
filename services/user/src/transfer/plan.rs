//! What is to be done with each account of a batch, decided before anything is written.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::{Outcome, Record};
use crate::{
    domain::{Account, Imported, RoleName, Roles, Status, UserId, Username},
    error::{Error, Result},
};

/// What is to be done, in the order of the records.
pub struct Plan(Vec<Step>);

/// What is to be done with one account.
pub enum Step {
    /// Add it.
    Create(Box<Account>),
    /// Write it back.
    Change {
        /// As it is.
        before: Box<Account>,
        /// As it is to be.
        after: Box<Account>,
    },
    /// Nothing: it is there just so.
    Keep(UserId),
    /// Nothing, for that reason.
    Refuse(Error),
}

/// The first records, up to one that has the id, the address or the name of another before it.
pub fn distinct(records: &[Record]) -> &[Record] {
    let (mut ids, mut emails, mut names) = (HashSet::new(), HashSet::new(), HashSet::new());
    let end = records.iter().position(|record| {
        let Ok(record) = record else { return false };
        let name = record.new.username.as_ref().map(Username::key);
        let fresh = [
            record.id.is_none_or(|id| ids.insert(id)),
            name.is_none_or(|name| names.insert(name)),
            emails.insert(record.new.email.key()),
        ];
        fresh != [true; 3]
    });
    &records[..end.unwrap_or(records.len())]
}

/// The roles that an account is to get or to lose; a new one has those of everybody for free.
pub fn role_difference(before: Option<&Account>, after: &Account) -> Roles {
    match before {
        Some(before) => before.roles.difference(&after.roles),
        None => Roles::initial().difference(&after.roles),
    }
}

impl Plan {
    /// For distinct records, of which `found` has every account with one of their ids, addresses or names. It ends
    /// before the first record that meets an account which an earlier one changes: that is the next plan's.
    pub fn new(records: &[Record], found: Vec<Account>, now: DateTime<Utc>) -> Self {
        let known = Known::new(found);
        let mut met = HashSet::new();
        let mut steps = Vec::with_capacity(records.len());
        for record in records {
            let step = match record {
                Err(violations) => Step::Refuse(Error::Invalid(violations.clone())),
                Ok(record) => {
                    let accounts = known.of(record);
                    if accounts.iter().any(|id| met.contains(id)) {
                        break;
                    }
                    met.extend(accounts);
                    known.step(record, now)
                }
            };
            steps.push(step);
        }
        Self(steps)
    }

    /// The roles that somebody is to get or to lose, and those of whose address moves.
    pub fn roles_in_question(&self) -> BTreeSet<RoleName> {
        let mut names = BTreeSet::new();
        for step in &self.0 {
            match step {
                Step::Create(account) => {
                    names.extend(role_difference(None, account).iter().cloned());
                }
                Step::Change { before, after } => {
                    names.extend(role_difference(Some(before), after).iter().cloned());
                    if after.was_moved(before) {
                        names.extend(before.roles.of_the_few().cloned());
                    }
                }
                Step::Keep(_) | Step::Refuse(_) => {}
            }
        }
        names
    }

    /// Refuses each account that does not pass.
    pub fn refuse(&mut self, check: impl Fn(Option<&Account>, &Account) -> Result<()>) {
        for step in &mut self.0 {
            let checked = match step {
                Step::Create(account) => check(None, account),
                Step::Change { before, after } => check(Some(before), after),
                Step::Keep(_) | Step::Refuse(_) => Ok(()),
            };
            if let Err(error) = checked {
                *step = Step::Refuse(error);
            }
        }
    }

    /// The accounts to add.
    pub fn created(&self) -> impl Iterator<Item = &Account> {
        self.0.iter().filter_map(|step| match step {
            Step::Create(account) => Some(&**account),
            _ => None,
        })
    }

    /// The accounts to write back, before and after.
    pub fn changes(&self) -> impl Iterator<Item = (&Account, &Account)> {
        self.0.iter().filter_map(|step| match step {
            Step::Change { before, after } => Some((&**before, &**after)),
            _ => None,
        })
    }

    /// What came of each, once it is written, save for accounts that could not be.
    pub fn outcomes(self, failed: impl Fn(UserId) -> Option<Error>) -> Vec<Outcome> {
        self.0
            .into_iter()
            .map(|step| step.outcome(&failed))
            .collect()
    }
}

/// The accounts that are there, by all that is unique of them.
#[expect(
    clippy::struct_field_names,
    reason = "`by` tells a map from what it leads to"
)]
struct Known {
    by_id: HashMap<UserId, Account>,
    by_email: HashMap<String, UserId>,
    by_name: HashMap<String, UserId>,
}

impl Known {
    fn new(found: Vec<Account>) -> Self {
        let emails = found.iter().map(|it| (it.email.key(), it.id));
        let names = found
            .iter()
            .filter_map(|it| Some((it.username.as_ref()?.key(), it.id)));
        Self {
            by_email: emails.collect(),
            by_name: names.collect(),
            by_id: found.into_iter().map(|it| (it.id, it)).collect(),
        }
    }

    /// Who has the id, the address and the name of a record.
    fn holders(&self, record: &Imported) -> [Option<UserId>; 3] {
        let name = record.new.username.as_ref().map(Username::key);
        [
            record.id.filter(|id| self.by_id.contains_key(id)),
            self.by_email.get(&record.new.email.key()).copied(),
            name.and_then(|name| self.by_name.get(&name).copied()),
        ]
    }

    fn of(&self, record: &Imported) -> BTreeSet<UserId> {
        self.holders(record).into_iter().flatten().collect()
    }

    fn step(&self, record: &Imported, now: DateTime<Utc>) -> Step {
        let [same, with_email, with_name] = self.holders(record);
        // An id that is not the holder's would be lost without a word.
        if with_email.is_some_and(|holder| record.id.is_some_and(|id| id != holder)) {
            return Step::Refuse(Error::EmailTaken);
        }
        let target = same.or(with_email);
        if with_name.is_some_and(|holder| target != Some(holder)) {
            return Step::Refuse(Error::UsernameTaken);
        }
        let Some(before) = target.and_then(|id| self.by_id.get(&id)) else {
            return Step::Create(Box::new(record.open(now)));
        };
        if before.status == Status::Deleted {
            return Step::Refuse(Error::Deleted);
        }
        match record.apply_to(before, now) {
            Err(unfit) => Step::Refuse(Error::unfit(unfit)),
            Ok(None) => Step::Keep(before.id),
            Ok(Some(after)) => Step::Change {
                before: Box::new(before.clone()),
                after: Box::new(after),
            },
        }
    }
}
