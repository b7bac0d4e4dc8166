//! Sessions, and how long a used refresh token is forgiven.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::Assurance;

/// An open sign-in.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) id: Uuid,
    pub(crate) user_id: Uuid,
    /// The client that it was opened with, which alone may refresh it.
    pub(crate) client_id: String,
    /// The scopes that were asked for at sign-in; empty asks for all.
    pub(crate) scope: String,
    pub(crate) user_agent: String,
    pub(crate) ip_address: String,
    /// What the person called the device.
    pub(crate) device_name: String,
    /// What was proved by the person, and when last.
    pub(crate) assurance: Assurance,
    pub(crate) auth_time: DateTime<Utc>,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) last_used_time: DateTime<Utc>,
    /// When it ends unless it is used before.
    pub(crate) expire_time: DateTime<Utc>,
    /// When it ends however much it is used.
    pub(crate) absolute_expire_time: DateTime<Utc>,
}

impl Session {
    /// When the session ends if nothing more happens.
    pub(crate) fn end_time(&self) -> DateTime<Utc> {
        self.expire_time.min(self.absolute_expire_time)
    }
}

/// Where a sign-in came from: as the edge reports it, but for the name, which is the person's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Client {
    pub(crate) user_agent: String,
    pub(crate) ip_address: String,
    pub(crate) device_name: String,
}

/// The half of a grace period in which a moment lies, counted from 1970.
///
/// Rotations are counted by these windows, so that a refresh token which is several steps behind can
/// be told young enough without remembering each of its successors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window(pub(crate) i64);

impl Window {
    pub(crate) fn at(now: DateTime<Utc>, grace: TimeDelta) -> Self {
        let half = (grace.num_microseconds().unwrap_or(i64::MAX) / 2).max(1);
        Self(now.timestamp_micros().div_euclid(half))
    }
}

/// How often a family was rotated lately.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rotations {
    /// The window of the last rotation, how often it rotated in that one, and in the one before.
    pub(crate) window: i64,
    pub(crate) in_window: i64,
    pub(crate) in_window_before: i64,
    /// When it last rotated; never, in a session that was not refreshed yet.
    pub(crate) last: Option<DateTime<Utc>>,
}

/// Nobody races further than this; it bounds the work that one presented token can cause, again and
/// again for as long as it is forgiven, to about a millisecond for each master key.
const MOST_STEPS: i64 = 512;

impl Rotations {
    /// How many steps behind the current one a refresh token may be and still be answered.
    ///
    /// One step is forgiven for exactly the grace period. More steps are forgiven for at least half of
    /// it and never for longer than all of it.
    pub(crate) fn forgiven(&self, now: DateTime<Utc>, grace: TimeDelta) -> usize {
        let one = i64::from(self.last.is_some_and(|last| now - last <= grace));
        let more = match Window::at(now, grace).0 - self.window {
            ..=0 => self.in_window + self.in_window_before,
            1 => self.in_window,
            _ => 0,
        };
        usize::try_from(one.max(more).clamp(0, MOST_STEPS)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: TimeDelta = TimeDelta::seconds(10);

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a time")
    }

    /// A family that rotated at these seconds, as storage counts them.
    fn rotated(seconds: &[i64]) -> Rotations {
        let mut family = Rotations {
            window: 0,
            in_window: 0,
            in_window_before: 0,
            last: None,
        };
        for second in seconds {
            let window = Window::at(at(*second), GRACE).0;
            family.in_window_before = match window - family.window {
                0 => family.in_window_before,
                1 => family.in_window,
                _ => 0,
            };
            family.in_window = if window == family.window {
                family.in_window + 1
            } else {
                1
            };
            family.window = window;
            family.last = Some(at(*second));
        }
        family
    }

    #[test]
    fn a_session_that_never_rotated_forgives_nothing() {
        assert_eq!(rotated(&[]).forgiven(at(0), GRACE), 0);
    }

    #[test]
    fn one_step_is_forgiven_for_exactly_the_grace() {
        for start in 0..10 {
            let family = rotated(&[start]);
            assert_eq!(family.forgiven(at(start + 10), GRACE), 1, "{start}");
            assert_eq!(family.forgiven(at(start + 11), GRACE), 0, "{start}");
        }
    }

    #[test]
    fn however_often_a_family_rotates_an_old_token_costs_little() {
        let busy = Rotations {
            window: Window::at(at(0), GRACE).0,
            in_window: 100_000,
            in_window_before: 100_000,
            last: Some(at(0)),
        };
        assert_eq!(busy.forgiven(at(0), GRACE), 512);
    }

    #[test]
    fn several_steps_are_forgiven_for_half_the_grace_and_never_for_more_than_all_of_it() {
        for start in 0..20 {
            for gap in 1..15 {
                for wait in 0..30 {
                    let family = rotated(&[start, start, start, start + gap]);
                    let age_of_first = gap + wait;
                    let steps = family.forgiven(at(start + gap + wait), GRACE);
                    if age_of_first <= 5 {
                        assert_eq!(steps, 4, "{start} {gap} {wait}");
                    }
                    if age_of_first > 10 {
                        assert!(steps <= 1, "{start} {gap} {wait}");
                    }
                }
            }
        }
    }
}
