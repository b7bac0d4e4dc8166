//! What events do to the copy.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use portico_proto::user::v1::{UserChange, UserEvent, user_event::Change};
use uuid::Uuid;

use crate::{
    api_keys,
    core::Core,
    domain::{Identity, Status},
    storage::{self, Transaction},
    users,
};

/// What has to be made known once the transaction stands.
#[derive(Default)]
pub(super) struct Effects {
    ended: Vec<Uuid>,
    ended_keys: Vec<String>,
    roles_changed: bool,
}

impl Effects {
    /// Roles are others now.
    pub(super) fn roles_changed(&mut self) {
        self.roles_changed = true;
    }

    /// Makes it known.
    pub(super) async fn tell(&self, core: &Core) -> storage::Result<()> {
        for session in &self.ended {
            core.denylist.publish(*session).await;
        }
        api_keys::tell_ended(core, &self.ended_keys).await;
        if self.roles_changed {
            core.roles.reload().await?;
        }
        Ok(())
    }
}

/// Applies events in their order. Accounts in use that follow each other are stored together.
pub(super) async fn all(
    tx: &Transaction,
    events: Vec<UserEvent>,
    now: DateTime<Utc>,
    effects: &mut Effects,
) -> storage::Result<()> {
    let mut run = Run::default();
    for event in events {
        match event.change {
            Some(Change::User(change)) => account(tx, &change, now, &mut run, effects).await?,
            Some(Change::Role(role)) => {
                tx.put_role(&role.name, &role.scopes).await?;
                effects.roles_changed();
            }
            Some(Change::DeletedRole(role)) => {
                tx.delete_role(&role.name).await?;
                effects.roles_changed();
            }
            // A kind of change that is newer than this program.
            None => {}
        }
    }
    run.store(tx, now).await
}

/// Applies the state of accounts, as a snapshot has it.
pub(super) async fn accounts(
    tx: &Transaction,
    changes: &[UserChange],
    now: DateTime<Utc>,
    effects: &mut Effects,
) -> storage::Result<()> {
    let mut run = Run::default();
    for change in changes {
        account(tx, change, now, &mut run, effects).await?;
    }
    run.store(tx, now).await
}

async fn account(
    tx: &Transaction,
    change: &UserChange,
    now: DateTime<Utc>,
    run: &mut Run,
    effects: &mut Effects,
) -> storage::Result<()> {
    let Some(identity) = users::identity(change) else {
        tracing::error!("a change of an account makes no sense; left out");
        return Ok(());
    };
    if identity.status == Status::Active {
        if run.meets(&identity) {
            run.store(tx, now).await?;
        }
        run.add(identity);
        return Ok(());
    }
    run.store(tx, now).await?;
    if tx.put_identity(&identity, now).await? {
        effects
            .ended
            .extend(tx.revoke_sessions(identity.id, now).await?);
        effects
            .ended_keys
            .extend(api_keys::revoke_all(tx, identity.id, now).await?);
        if users::is_purged(change) {
            tx.erase_person(identity.id).await?;
        }
    }
    Ok(())
}

/// Accounts in use that have nothing to do with each other, and so can be stored in one statement.
#[derive(Default)]
struct Run {
    identities: Vec<Identity>,
    ids: HashSet<Uuid>,
    emails: HashSet<String>,
}

impl Run {
    fn meets(&self, identity: &Identity) -> bool {
        self.ids.contains(&identity.id) || self.emails.contains(identity.email.key())
    }

    fn add(&mut self, identity: Identity) {
        self.ids.insert(identity.id);
        self.emails.insert(identity.email.key().to_owned());
        self.identities.push(identity);
    }

    async fn store(&mut self, tx: &Transaction, now: DateTime<Utc>) -> storage::Result<()> {
        let run = std::mem::take(self);
        match run.identities.as_slice() {
            [] => {}
            [one] => {
                tx.put_identity(one, now).await?;
            }
            many => tx.put_identities(many, now).await?,
        }
        Ok(())
    }
}
