//! What processes of one deployment share and may lose: values with a time to live, counts of what may
//! happen so often, and sets of marks that every process hears of at once.
//!
//! One trait, [`Cache`], with two makes: in memory for a single process, Redis for several. On top of
//! it stands the [`Denylist`] of ended sessions. Nothing in a cache is the only copy of anything: when
//! Redis is away the calls fail within a quarter of a second and the callers go on with what they know.

mod denylist;
mod limits;
mod memory;
mod quotas;
mod rate;
mod redis;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{future::BoxFuture, stream::BoxStream};
use tokio::time::Instant;

pub use self::{
    denylist::Denylist,
    limits::Limits,
    memory::Memory,
    quotas::{Quotas, Standing},
    rate::{Rate, Taken},
    redis::Redis,
};

/// What a cache call answers.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a cache call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The configured address cannot be used; trying again does not help.
    #[error("the address of redis is not valid: {0}")]
    Address(String),
    /// Nobody answers, or not in time. The call may have had its effect.
    #[error("redis is away")]
    Away,
    /// Redis refused the command.
    #[error("redis refused a command: {0}")]
    Refused(String),
}

/// A member of a set, and how long it stays there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The member.
    pub member: String,
    /// How long it still stands.
    pub remaining: Duration,
}

/// Values, counts and marks with a time to live.
///
/// A key that belongs together with others names what they share in braces (`idempotency:{user-1}:k`),
/// so that a Redis cluster keeps them in one place. Every value may be gone before its time: a bounded
/// memory makes room, and Redis may have been emptied.
pub trait Cache: Send + Sync + 'static {
    /// The value of a key, unless there is none or its time is over.
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>>>;

    /// Sets the value of a key for a time.
    fn put<'a>(&'a self, key: &'a str, value: Bytes, ttl: Duration) -> BoxFuture<'a, Result<()>>;

    /// Sets the value of a key for a time unless it has one. Says whether it did; of several that try
    /// at once, one does.
    fn put_if_absent<'a>(
        &'a self,
        key: &'a str,
        value: Bytes,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<bool>>;

    /// Removes a key, if it is there.
    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<()>>;

    /// Takes `cost` from every one of a key's rates, or from none when one has not so much left; of several
    /// who take at once, each sees what the others took. The rates of a key are always the same ones, in
    /// the same order. A `cost` of 0 only looks.
    fn take<'a>(
        &'a self,
        key: &'a str,
        rates: &'a [Rate],
        cost: u32,
    ) -> BoxFuture<'a, Result<Taken>>;

    /// As [`take`](Self::take) for a cost of one, after taking note of what somebody took without asking:
    /// `spent` more from every rate, of which each is used up for the time in `debts` at least, in
    /// microseconds.
    fn settle<'a>(
        &'a self,
        key: &'a str,
        rates: &'a [Rate],
        spent: u32,
        debts: &'a [u64],
    ) -> BoxFuture<'a, Result<Taken>>;

    /// Puts back into every one of a key's rates what was taken from it.
    fn put_back<'a>(
        &'a self,
        key: &'a str,
        rates: &'a [Rate],
        cost: u32,
    ) -> BoxFuture<'a, Result<()>>;

    /// Adds marks to a set and tells everybody who watches it. A member that is there already stays
    /// for the longer of the two times.
    fn mark<'a>(&'a self, set: &'a str, marks: &'a [Mark]) -> BoxFuture<'a, Result<()>>;

    /// All marks of a set that still stand, in any order. One may come twice.
    fn marked<'a>(&'a self, set: &'a str) -> BoxFuture<'a, Result<Vec<Mark>>>;

    /// The marks that are added to a set from now on. The stream ends when something may have been
    /// missed; then watch again, and read [`marked`](Self::marked) after that.
    fn watch<'a>(&'a self, set: &'a str) -> BoxFuture<'a, Result<BoxStream<'static, Mark>>>;
}

/// The cache of a process: Redis when there is an address (`redis://` or `rediss://`), else memory.
///
/// Never fails because Redis is away: the cache then starts without it, and uses it once it is there.
///
/// # Errors
///
/// [`Error::Address`] when the address cannot be understood.
#[expect(
    clippy::unused_async,
    reason = "connecting eagerly one day must not change every caller"
)]
pub async fn connect(redis_url: Option<&str>) -> Result<Arc<dyn Cache>> {
    Ok(match redis_url {
        Some(url) => Arc::new(Redis::new(url)?),
        None => Arc::new(Memory::new()),
    })
}

/// What a time to live that no clock can add is cut to: a year.
const LONGEST: Duration = Duration::from_hours(365 * 24);

/// The moment at which something ends.
fn deadline(now: Instant, ttl: Duration) -> Instant {
    now.checked_add(ttl).unwrap_or(now + LONGEST)
}
