//! What has to be looked at again and again: keys, roles, and sessions that were ended or are over.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use portico_service::Check;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{core::Core, error::Error, lease::Lease, sessions};

/// How often keys and roles are read again, so that every process has what another one changed.
const EVERY: Duration = Duration::from_secs(5);

/// How far back each look goes for ended sessions: several looks.
const LATELY: TimeDelta = TimeDelta::seconds(20);

/// How often sessions that have been over for long are removed.
const SWEEP_EVERY: Duration = Duration::from_hours(1);

/// How often a process that could not start is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Loads what the service cannot work without.
pub(crate) async fn prepare(core: &Core, lease: &Lease) -> Result<(), Error> {
    core.keys.prepare(lease).await?;
    core.roles.reload().await?;
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
        let mut swept = None;
        loop {
            tokio::time::sleep(EVERY).await;
            if let Err(error) = look_after(&core, &lease, &mut swept).await {
                // What was loaded last goes on serving.
                tracing::warn!(%error, "cannot read keys and roles again");
            }
        }
    };
    stop.run_until_cancelled(working).await;
    lease.release().await;
}

async fn look_after(core: &Core, lease: &Lease, swept: &mut Option<Instant>) -> Result<(), Error> {
    let leads = lease.take().await?;
    if leads {
        core.keys.maintain(lease).await?;
    } else {
        core.keys.reload().await?;
    }
    core.roles.reload().await?;
    sessions::publish_ended(core, LATELY).await?;
    if leads && swept.is_none_or(|at| at.elapsed() >= SWEEP_EVERY) {
        sessions::sweep(core).await?;
        *swept = Some(Instant::now());
    }
    Ok(())
}
