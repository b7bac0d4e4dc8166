//! Finishes registrations that a crash left behind.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use crate::{
    core::Core,
    error::Error,
    lease::Lease,
    register::{self, complete},
};

/// How long a registration may be under way before somebody else looks after it.
const PATIENCE: TimeDelta = TimeDelta::seconds(5);

/// How often somebody looks.
const EVERY: Duration = Duration::from_secs(2);

/// Looks after registrations until `stop`. Those that are made for an administrator are left to
/// [`bootstrap`](crate::bootstrap), which knows their password.
pub(crate) async fn run(core: Arc<Core>, lease: Lease, stop: CancellationToken) {
    let working = async {
        loop {
            if let Err(error) = lease.hold(Box::pin(all(&core))).await {
                tracing::debug!(%error, "cannot look for registrations to finish");
            }
            tokio::time::sleep(EVERY).await;
        }
    };
    stop.run_until_cancelled(working).await;
    lease.release().await;
}

async fn all(core: &Core) {
    match abandoned(core).await {
        Ok(0) | Err(Error::UsersAway) => {}
        Ok(finished) => tracing::info!(finished, "finished registrations that were left behind"),
        Err(error) => tracing::warn!(%error, "cannot finish a registration"),
    }
}

async fn abandoned(core: &Core) -> Result<usize, Error> {
    let before = core.clock.now() - PATIENCE;
    let roles = register::ROLES.map(str::to_owned);
    let left = core.storage.abandoned_registrations(&roles, before).await?;
    let mut finished = 0;
    for registration in left {
        match complete(core, &registration, None).await {
            Ok(_) | Err(Error::Invalid(_)) => finished += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(finished)
}
