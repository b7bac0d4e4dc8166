//! Following the user service's feed: each change of an account or a role is applied here once.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use portico_proto::user::v1::{UserEvent, WatchResponse, user_event::Change};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    core::Core,
    domain::Status,
    lease::Lease,
    storage::{self, Transaction},
    users,
};

/// How long to wait before looking whether the lease is free.
const LEASE_POLL: Duration = Duration::from_secs(1);

/// The shortest and the longest pause before connecting again, each plus up to as much at random.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// Follows the feed until `stop`, whenever the lease is held.
pub(crate) async fn run(core: Arc<Core>, lease: Lease, stop: CancellationToken) {
    stop.run_until_cancelled(async {
        loop {
            match lease.hold(follow_on(&core)).await {
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "cannot hold the feed's lease"),
            }
            tokio::time::sleep(LEASE_POLL).await;
        }
    })
    .await;
    lease.release().await;
}

/// Follows the feed for as long as it is ours, connecting again whenever the stream breaks.
async fn follow_on(core: &Core) {
    let mut pause = PAUSE.0;
    loop {
        let progress = match follow(core).await {
            Ok(ControlFlow::Break(())) => return,
            Ok(ControlFlow::Continue(progress)) => progress,
            Err(error) => {
                tracing::warn!(%error, "cannot apply the user service's events");
                false
            }
        };
        pause = if progress {
            PAUSE.0
        } else {
            (pause * 2).min(PAUSE.1)
        };
        let [byte] = core.random.bytes();
        tokio::time::sleep(pause + pause * u32::from(byte) / 255).await;
    }
}

/// Follows one stream to its end. Says whether it brought anything; breaks off when another process
/// has taken over.
async fn follow(core: &Core) -> storage::Result<ControlFlow<(), bool>> {
    let mut cursor = core.storage.feed_cursor().await?;
    let mut stream = match core.users.watch(cursor).await {
        Ok(stream) => stream,
        Err(status) => {
            tracing::debug!(code = ?status.code(), "the user service's feed is away");
            return Ok(ControlFlow::Continue(false));
        }
    };
    let mut progress = false;
    loop {
        match stream.message().await {
            Ok(Some(batch)) => match apply(core, cursor, batch).await {
                Ok(reached) => cursor = reached,
                Err(storage::Error::CursorMoved) => return Ok(ControlFlow::Break(())),
                Err(error) => return Err(error),
            },
            Ok(None) => return Ok(ControlFlow::Continue(progress)),
            Err(status) => {
                tracing::debug!(code = ?status.code(), "the user service's feed broke off");
                return Ok(ControlFlow::Continue(progress));
            }
        }
        progress = true;
    }
}

/// Applies a batch and moves the cursor, in one transaction; then tells the world.
async fn apply(core: &Core, cursor: i64, batch: WatchResponse) -> storage::Result<i64> {
    let events: Vec<UserEvent> = batch
        .events
        .into_iter()
        .filter(|event| event.sequence > cursor)
        .collect();
    let Some(last) = events.last() else {
        return Ok(cursor);
    };
    let (reached, time) = (last.sequence, last.time);
    let now = core.clock.now();
    let count = u64::try_from(events.len()).unwrap_or(u64::MAX);

    let tx = core.storage.begin().await?;
    // First, so that the transaction begins by writing, and ends at once when it is not its turn.
    tx.advance_feed(cursor, reached).await?;
    let mut effects = Effects::default();
    for event in events {
        apply_one(&tx, event, now, &mut effects).await?;
    }
    tx.commit().await?;

    for session in &effects.ended {
        core.denylist.publish(*session).await;
    }
    if effects.roles_changed {
        core.roles.reload().await?;
    }
    metrics::counter!("auth_feed_events_total").increment(count);
    if let Some(lag) = time.and_then(|time| lag(&time, now)) {
        metrics::gauge!("auth_feed_lag_seconds").set(lag);
    }
    Ok(reached)
}

/// What has to be made known once the transaction stands.
#[derive(Default)]
struct Effects {
    ended: Vec<Uuid>,
    roles_changed: bool,
}

async fn apply_one(
    tx: &Transaction,
    event: UserEvent,
    now: DateTime<Utc>,
    effects: &mut Effects,
) -> storage::Result<()> {
    match event.change {
        Some(Change::User(change)) => {
            let Some(identity) = users::identity(&change) else {
                tracing::error!(
                    sequence = event.sequence,
                    "an event makes no sense; left out"
                );
                return Ok(());
            };
            let newer = tx.put_identity(&identity, now).await?;
            if newer && identity.status != Status::Active {
                effects
                    .ended
                    .extend(tx.revoke_sessions(identity.id, now).await?);
            }
            if newer && users::is_purged(&change) {
                tx.erase_person(identity.id).await?;
            }
        }
        Some(Change::Role(role)) => {
            tx.put_role(&role.name, &role.scopes).await?;
            effects.roles_changed = true;
        }
        // A kind of change that is newer than this program.
        None => {}
    }
    Ok(())
}

/// How old an event was when it was applied, in seconds.
fn lag(time: &prost_types::Timestamp, now: DateTime<Utc>) -> Option<f64> {
    let made = DateTime::from_timestamp(time.seconds, u32::try_from(time.nanos).ok()?)?;
    Some((now - made).to_std().unwrap_or_default().as_secs_f64())
}
