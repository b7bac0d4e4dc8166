//! Going through all accounts at a cost that does not grow with them: for exports and snapshots.

use std::sync::Arc;

use futures_util::stream::{self, Stream};
use tokio_util::sync::CancellationToken;

use crate::{
    domain::{Role, UserId},
    error::Result,
    storage::{Sweep, Swept},
    users::Users,
};

/// How many accounts are read at once. They are the ones that are held in memory.
const PAGE: u64 = 250;
/// More roles than there may be.
const ROLES: usize = 2000;

impl Users {
    /// Every account behind an id, in the order of ids, some at a time and at least one. Nothing is read
    /// ahead of who listens. Ends on `stop`, like a stream that was cut off.
    pub fn sweep(
        self: &Arc<Self>,
        behind: Option<UserId>,
        sweep: Sweep,
        stop: CancellationToken,
    ) -> impl Stream<Item = Result<Vec<Swept>>> + Send + use<> {
        let start = Some((Arc::clone(self), behind, stop));
        stream::unfold(start, move |state| async move {
            let (users, behind, stop) = state?;
            let reading = users.storage.accounts_behind(behind, sweep, PAGE);
            let page = match stop.run_until_cancelled(reading).await {
                Some(Ok(page)) => page,
                Some(Err(error)) => return Some((Err(error.into()), None)),
                None => return Some((Err(crate::error::Error::Stopping), None)),
            };
            let last = page.last()?.account.id;
            Some((Ok(page), Some((users, Some(last), stop))))
        })
    }

    /// Where the feed goes on behind a sweep that begins now, and all roles.
    pub async fn begin_snapshot(&self) -> Result<(i64, Vec<Role>)> {
        let place = self.storage.end_of_feed().await?;
        let roles = self.storage.roles_page(None, ROLES).await?;
        Ok((place, roles))
    }
}
