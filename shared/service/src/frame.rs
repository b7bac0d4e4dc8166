//! What the tasks of a process share.

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{Clock, Readiness};

/// What every task of a process is given: when to stop, where to be counted, how to say that something
/// is missing, and the time.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Cancelled when the process is to stop.
    pub stop: CancellationToken,
    /// Where long-lived tasks are spawned, so that stopping waits for them.
    pub tasks: TaskTracker,
    /// What the process needs in order to serve.
    pub readiness: Readiness,
    /// The time.
    pub clock: Clock,
}

impl Frame {
    /// A frame with nothing running in it.
    pub fn new(clock: Clock) -> Self {
        Self {
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            readiness: Readiness::new(clock.clone()),
            clock,
        }
    }
}
