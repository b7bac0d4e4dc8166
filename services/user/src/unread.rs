//! Showing how far consumers of the feed are behind.

use std::{sync::Arc, time::Duration};

use metrics::gauge;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{error::Result, storage::Unread, users::Users};

/// How often.
const EVERY: Duration = Duration::from_secs(15);

/// Measures now and then, until `stop`.
pub async fn run(users: Arc<Users>, stop: CancellationToken) {
    stop.run_until_cancelled(async {
        loop {
            if let Err(error) = users.measure_feed().await {
                tracing::debug!(%error, "cannot measure the feed");
            }
            sleep(EVERY).await;
        }
    })
    .await;
}

impl Users {
    async fn measure_feed(&self) -> Result<()> {
        let unread = self.storage.unread().await?;
        let Unread { events, oldest } = unread.unwrap_or(Unread {
            events: 0,
            oldest: None,
        });
        let age = oldest.map(|oldest| self.clock.now() - oldest);
        let age = age.map_or(0.0, |age| age.as_seconds_f64().max(0.0));
        gauge!("user_outbox_unread_events").set(i32::try_from(events).unwrap_or(i32::MAX));
        gauge!("user_outbox_unread_seconds").set(age);
        Ok(())
    }
}
