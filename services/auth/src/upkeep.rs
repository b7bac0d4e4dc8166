//! What has to be looked at again and again: keys, roles, sessions that were ended, and rows that are
//! over.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use portico_service::Check;
use tokio_util::sync::CancellationToken;

use crate::{
    core::Core,
    error::Error,
    lease::Lease,
    mfa, revocations, sessions,
    storage::{self, Expiring},
};

/// The tables whose rows end by themselves.
const EXPIRING: [&Expiring; 8] = [
    &storage::API_KEYS,
    &storage::CHALLENGES,
    &storage::CLIENT_ASSERTIONS,
    &storage::DELETED_CLIENTS,
    &storage::ENROLMENTS,
    &storage::LINKS,
    &storage::REVOCATIONS,
    &storage::SESSIONS,
];

/// How often keys and roles are read again, so that every process has what another one changed.
const EVERY: Duration = Duration::from_secs(5);

/// How far back each look goes for ended sessions: several looks.
const LATELY: TimeDelta = TimeDelta::seconds(20);

/// How often rows that are over are removed.
const SWEEP_EVERY: TimeDelta = TimeDelta::minutes(10);

/// How many rows are removed in one statement, and in how many statements before others get a turn.
const BATCH: u32 = 1000;
const BATCHES: u32 = 100;

/// How often a process that could not start is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Loads what the service cannot work without.
pub(crate) async fn prepare(core: &Core, lease: &Lease) -> Result<(), Error> {
    core.keys.prepare(lease).await?;
    core.roles.reload().await?;
    revocations::publish(core, core.limits.token_life()).await?;
    sessions::publish_ended(core, core.limits.token_life()).await
}

/// Keeps keys and roles as they should be until `stop`. `prepared` says whether
/// [`prepare`] succeeded already; if not, it is tried until it does.
pub(crate) async fn run(
    core: Arc<Core>,
    lease: Lease,
    check: Check,
    prepared: bool,
    stop: CancellationToken,
) {
    let working = async {
        if !prepared {
            while let Err(error) = prepare(&core, &lease).await {
                tracing::debug!(%error, "cannot load keys and roles");
                tokio::time::sleep(AGAIN).await;
            }
        }
        check.up();
        let mut done = Done::default();
        loop {
            tokio::time::sleep(EVERY).await;
            if let Err(error) = look_after(&core, &lease, &mut done).await {
                // What was loaded last goes on serving.
                tracing::warn!(%error, "cannot read keys and roles again");
            }
        }
    };
    stop.run_until_cancelled(working).await;
    lease.release().await;
}

/// What needs not be done at every look.
#[derive(Default)]
struct Done {
    /// When rows that are over were last removed to the last one.
    swept: Option<DateTime<Utc>>,
    /// Whether all that is encrypted is encrypted under the first master key.
    resealed: bool,
}

async fn look_after(core: &Core, lease: &Lease, done: &mut Done) -> Result<(), Error> {
    let leads = lease.take().await?;
    if leads {
        core.keys.maintain(lease).await?;
    } else {
        core.keys.reload().await?;
    }
    core.roles.reload().await?;
    core.clients.catch_up(LATELY).await?;
    revocations::publish(core, LATELY).await?;
    sessions::publish_ended(core, LATELY).await?;
    if leads && !done.resealed {
        done.resealed = mfa::reseal(core).await?;
    }
    let now = core.clock.now();
    if leads && done.swept.is_none_or(|at| now - at >= SWEEP_EVERY) {
        done.swept = sweep(core, now).await?.then_some(now);
    }
    Ok(())
}

/// Removes rows that are over, in bounded batches. Says whether none was left.
async fn sweep(core: &Core, now: DateTime<Utc>) -> Result<bool, Error> {
    let mut done = true;
    for expiring in EXPIRING {
        let before = now - (expiring.keep)(&core.limits);
        let mut removed = 0;
        let mut full = true;
        for _ in 0..BATCHES {
            let batch = core.storage.remove_expired(expiring, before, BATCH).await?;
            removed += batch;
            full = batch == u64::from(BATCH);
            if !full {
                break;
            }
        }
        done &= !full;
        let table = expiring.table;
        metrics::counter!("auth_rows_expired_total", "table" => table).increment(removed);
    }
    Ok(done)
}
