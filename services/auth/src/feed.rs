//! Following the user service's feed: each change of an account or a role is applied here once.
//!
//! Events are kept for some days only. When those behind the cursor are gone, a snapshot is read, and the
//! feed is followed from where the snapshot says.

mod apply;
mod resync;

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use portico_proto::{
    error::Reason,
    user::v1::{UserEvent, WatchResponse},
};
use portico_telemetry::trace;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use tracing::Instrument;

use crate::{core::Core, lease::Lease, storage};

use self::apply::Effects;

/// How long to wait before looking whether the lease is free.
const LEASE_POLL: Duration = Duration::from_secs(1);

/// The shortest and the longest pause before connecting again, each plus up to as much at random.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// How often the user service is told how far we are, so that it keeps what we need.
const ACKNOWLEDGE_EVERY: Duration = Duration::from_mins(1);

/// Follows the feed until `stop`, whenever the lease is held.
pub(crate) async fn run(core: Arc<Core>, lease: Lease, stop: CancellationToken) {
    metrics::gauge!("auth_feed_connected").set(0);
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
        Err(status) => return broken(core, cursor, &status, false).await,
    };
    let _connected = Connected::begin();
    let (mut progress, mut told) = (false, Instant::now());
    core.users.acknowledge(cursor).await;
    loop {
        match timeout(ACKNOWLEDGE_EVERY, stream.message()).await {
            Ok(Ok(Some(batch))) => match apply(core, cursor, batch).await {
                Ok(reached) => (cursor, progress) = (reached, true),
                Err(storage::Error::CursorMoved) => return Ok(ControlFlow::Break(())),
                Err(error) => return Err(error),
            },
            Ok(Ok(None)) => return Ok(ControlFlow::Continue(progress)),
            Ok(Err(status)) => return broken(core, cursor, &status, progress).await,
            Err(_quiet) => {}
        }
        if told.elapsed() >= ACKNOWLEDGE_EVERY {
            core.users.acknowledge(cursor).await;
            told = Instant::now();
        }
    }
}

/// What to do when a stream failed: read a snapshot if events are gone, or try again.
async fn broken(
    core: &Core,
    cursor: i64,
    status: &Status,
    progress: bool,
) -> storage::Result<ControlFlow<(), bool>> {
    if Reason::of(status) == Some(Reason::EventsExpired) {
        tracing::warn!(
            cursor,
            "events that are missing here are gone; reading a snapshot"
        );
        return match resync::run(core, cursor).await {
            Ok(done) => Ok(ControlFlow::Continue(done)),
            Err(storage::Error::CursorMoved) => Ok(ControlFlow::Break(())),
            Err(error) => Err(error),
        };
    }
    let cause = status.code();
    if matches!(
        cause,
        Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded
    ) {
        tracing::debug!(code = ?cause, "the user service's feed broke off");
    } else {
        // It will not pass by itself.
        tracing::warn!(code = ?cause, cursor, "the user service's feed cannot be followed");
    }
    Ok(ControlFlow::Continue(progress))
}

/// Shows that this process follows the feed, until it is dropped.
struct Connected;

impl Connected {
    fn begin() -> Self {
        metrics::gauge!("auth_feed_connected").set(1);
        Self
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        metrics::gauge!("auth_feed_connected").set(0);
    }
}

/// Applies a batch and moves the cursor, in one transaction; then tells the world.
async fn apply(core: &Core, cursor: i64, batch: WatchResponse) -> storage::Result<i64> {
    let causes = batch.events.iter().map(|event| &*event.traceparent);
    let span = trace::caused_by(causes, || {
        tracing::info_span!("apply-events", events = batch.events.len())
    });
    apply_all(core, cursor, batch).instrument(span).await
}

async fn apply_all(core: &Core, cursor: i64, batch: WatchResponse) -> storage::Result<i64> {
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
    apply::all(&tx, events, now, &mut effects).await?;
    tx.commit().await?;
    effects.tell(core).await?;
    metrics::counter!("auth_feed_events_total").increment(count);
    if let Some(lag) = time.and_then(|time| lag(&time, now)) {
        metrics::gauge!("auth_feed_lag_seconds").set(lag);
    }
    Ok(reached)
}

/// How old an event was when it was applied, in seconds.
fn lag(time: &prost_types::Timestamp, now: DateTime<Utc>) -> Option<f64> {
    let made = DateTime::from_timestamp(time.seconds, u32::try_from(time.nanos).ok()?)?;
    Some((now - made).to_std().unwrap_or_default().as_secs_f64())
}
