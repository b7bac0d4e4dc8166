//! Taking accounts in by the batch: each for itself, all in one transaction with their events.

mod plan;

use std::collections::BTreeSet;

use crate::{
    domain::{Account, Authority, Imported, Role, RoleName, Scopes, UserId},
    error::{Error, Result},
    roles::may_move,
    storage::Transaction,
    users::{Users, persist, save},
};

use plan::{Plan, Step};

/// Changing anybody's roles needs it, whichever way.
const ROLES_WRITE: &str = "roles:write";

/// What came of one account.
#[derive(Debug)]
pub enum Outcome {
    /// It was created.
    Created(UserId),
    /// It was there, and was changed.
    Updated(UserId),
    /// It was there just so.
    Skipped(UserId),
    /// It was refused.
    Refused(Error),
}

/// One account that is to come in, or why it cannot.
pub type Record = Result<Imported, Vec<portico_proto::error::Violation>>;

impl Users {
    /// Creates or changes accounts, and answers for each, in order. What was refused changes nothing; the
    /// others last once this answers, with their events. The same again is skipped.
    ///
    /// With `dry` it answers what would come of it, and changes nothing.
    pub async fn import(
        &self,
        records: &[Record],
        by: &Authority,
        dry: bool,
    ) -> Result<Vec<Outcome>> {
        if dry {
            return persist(|| self.rehearse(records, by)).await;
        }
        let mut outcomes = Vec::with_capacity(records.len());
        while let Some(rest) = records
            .get(outcomes.len()..)
            .filter(|rest| !rest.is_empty())
        {
            outcomes.extend(persist(|| self.import_some(rest, by)).await?);
        }
        Ok(outcomes)
    }

    async fn import_some(&self, records: &[Record], by: &Authority) -> Result<Vec<Outcome>> {
        let tx = self.storage.begin().await?;
        let (outcomes, changed) = self.carry_out(&tx, records, by).await?;
        if changed {
            self.commit(tx).await?;
        }
        Ok(outcomes)
    }

    /// Does everything in a transaction that is rolled back.
    async fn rehearse(&self, records: &[Record], by: &Authority) -> Result<Vec<Outcome>> {
        let tx = self.storage.begin().await?;
        let mut outcomes = Vec::with_capacity(records.len());
        while let Some(rest) = records
            .get(outcomes.len()..)
            .filter(|rest| !rest.is_empty())
        {
            outcomes.extend(self.carry_out(&tx, rest, by).await?.0);
        }
        Ok(outcomes)
    }

    /// Takes in the first of the records, as many as do not touch an account twice. Says whether anything was
    /// written.
    async fn carry_out(
        &self,
        tx: &Transaction,
        records: &[Record],
        by: &Authority,
    ) -> Result<(Vec<Outcome>, bool)> {
        let now = self.clock.now();
        let records = plan::distinct(records);
        let known = records.iter().filter_map(|record| record.as_ref().ok());
        let ids = known.clone().filter_map(|record| record.id);
        let emails = known.clone().map(|record| &record.new.email);
        let names = known.filter_map(|record| record.new.username.as_ref());
        let found = tx.load_all(ids, emails, names).await?;
        let mut plan = Plan::new(records, found, now);

        let roles = Grantable::load(tx, &plan.roles_in_question()).await?;
        plan.refuse(|before, after| roles.check(before, after, by));

        // Who gives up administering is last, when it is known who else does.
        let (leaving, changed): (Vec<_>, Vec<_>) = plan
            .changes()
            .partition(|(before, after)| before.administers() && !after.administers());
        let created: Vec<&Account> = plan.created().collect();
        let changed: Vec<&Account> = changed.into_iter().map(|(_, after)| after).collect();
        if !created.is_empty() {
            tx.insert_all(&created).await?;
        }
        if !changed.is_empty() {
            tx.save_all(&changed).await?;
        }
        let written: Vec<&Account> = created.into_iter().chain(changed).collect();
        if !written.is_empty() {
            tx.publish_all(&written, now).await?;
        }
        let mut wrote = !written.is_empty();
        let mut last = BTreeSet::new();
        if !leaving.is_empty() {
            tx.hold_administrators().await?;
        }
        for (before, after) in leaving {
            if tx.has_other_administrator(after.id).await? {
                save(tx, after, before.revision, now).await?;
                wrote = true;
            } else {
                last.insert(after.id);
            }
        }
        let outcomes = plan.outcomes(|id| last.contains(&id).then_some(Error::LastAdministrator));
        Ok((outcomes, wrote))
    }
}

/// What is known of the roles that somebody is to get or to lose.
struct Grantable {
    roles: Vec<Role>,
    admin: Scopes,
}

impl Grantable {
    async fn load(tx: &Transaction, names: &BTreeSet<RoleName>) -> Result<Self> {
        let (mut roles, mut admin) = (Vec::new(), Scopes::default());
        if !names.is_empty() {
            roles = tx.hold_roles(names.iter()).await?;
            admin = tx.admin_scopes().await?;
        }
        Ok(Self { roles, admin })
    }

    /// Whether an account may be what it is to be.
    fn check(&self, before: Option<&Account>, after: &Account, by: &Authority) -> Result<()> {
        if let Some(before) = before.filter(|before| after.was_moved(before)) {
            may_move(by, before, &self.roles, &self.admin)?;
        }
        self.check_roles(before, after, by)
    }

    fn check_roles(&self, before: Option<&Account>, after: &Account, by: &Authority) -> Result<()> {
        let difference = plan::role_difference(before, after);
        if difference.is_empty() {
            return Ok(());
        }
        if !by.scopes.contains(ROLES_WRITE) {
            return Err(Error::ScopeNeeded(ROLES_WRITE));
        }
        for name in difference.iter() {
            let Some(role) = self.roles.iter().find(|role| role.name == *name) else {
                return Err(Error::unknown_role(name));
            };
            if let Some(lacking) = by.lacks(&role.scopes, &self.admin) {
                return Err(Error::ScopeOutOfReach(lacking.clone()));
            }
        }
        Ok(())
    }
}

impl Step {
    fn outcome(self, last: impl Fn(UserId) -> Option<Error>) -> Outcome {
        match self {
            Self::Create(account) => Outcome::Created(account.id),
            Self::Change { after, .. } => match last(after.id) {
                Some(error) => Outcome::Refused(error),
                None => Outcome::Updated(after.id),
            },
            Self::Keep(id) => Outcome::Skipped(id),
            Self::Refuse(error) => Outcome::Refused(error),
        }
    }
}
