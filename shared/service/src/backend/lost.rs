//! What became of a call that got no answer.

use std::{error::Error, fmt, sync::Arc};

use h2::Reason as Reset;
use portico_proto::error::Reason;
use tonic::{Code, Status};

use super::{BoxError, dial::Away};

/// Stands in the causes of a call's status when the call certainly reached no handler, so that making
/// it again does no harm.
#[derive(Debug)]
pub struct NotSent(BoxError);

impl NotSent {
    /// Around what stood in the way.
    pub fn new(cause: impl Into<BoxError>) -> Self {
        Self(cause.into())
    }
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the call reached nobody")
    }
}

impl Error for NotSent {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// How a call came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The service answered, whatever it said.
    Answered,
    /// Nobody listens.
    NobodyThere,
    /// Somebody listens, and certainly has not looked at the call.
    Untouched,
    /// The connection broke, and the call may have been done.
    Lost,
}

impl Fate {
    /// What a call's status tells of it.
    pub fn of(status: &Status) -> Self {
        let causes = || causes(status.source());
        if causes().any(<dyn Error>::is::<NotSent>) {
            if causes().any(<dyn Error>::is::<Away>) {
                Self::NobodyThere
            } else {
                Self::Untouched
            }
        } else if status.code() == Code::Unavailable && status.source().is_some() {
            // What a service answers has no cause on this side.
            Self::Lost
        } else {
            Self::Answered
        }
    }
}

/// Whether a call that failed so certainly reached no handler. Without the certainty, `false`.
pub fn never_sent(status: &Status) -> bool {
    matches!(Fate::of(status), Fate::NobodyThere | Fate::Untouched)
}

fn causes<'a>(
    first: Option<&'a (dyn Error + 'static)>,
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = first;
    std::iter::from_fn(move || {
        let cause = next?;
        next = cause.source();
        Some(cause)
    })
}

fn unavailable(cause: Arc<dyn Error + Send + Sync>) -> Status {
    let mut status = Reason::Unavailable.status("the service cannot be reached");
    status.set_source(cause);
    status
}

pub(super) fn not_sent(error: impl Into<BoxError>) -> Status {
    unavailable(Arc::new(NotSent::new(error)))
}

/// A call whose stream or connection failed. The peer says which streams it never looked at: those
/// beyond its last one when it goes away, and those that it refuses (RFC 9113, sections 6.8 and 8.7).
/// The cause goes to the log and not to the caller.
pub(super) fn lost(error: BoxError) -> Status {
    let h2 = causes(Some(&*error)).find_map(|cause| cause.downcast_ref::<h2::Error>());
    let untouched = h2.is_some_and(|error| {
        let reason = error.reason();
        error.is_remote()
            && (error.is_go_away() && reason == Some(Reset::NO_ERROR)
                || error.is_reset() && reason == Some(Reset::REFUSED_STREAM))
    });
    tracing::debug!(error = &*error as &dyn Error, untouched, "connection lost");
    if untouched {
        not_sent(error)
    } else {
        unavailable(error.into())
    }
}
