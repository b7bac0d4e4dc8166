//! How long an RPC usually takes.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// How much later than usual an answer must be to count as late: it takes both.
const TIMES: u64 = 4;
const BEYOND: u64 = 25_000;

/// How many times later than late is far too late.
const FAR: u64 = 3;

/// How an answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// As usual.
    InTime,
    /// Much later than usual.
    Late,
    /// So late that there is far too much to do.
    FarTooLate,
}

/// How long an RPC takes when nothing holds it up, in microseconds. Follows a faster answer at once, and
/// slower ones little by little.
#[derive(Debug, Default)]
pub struct Pace(AtomicU64);

impl Pace {
    /// How an answer after so long came.
    pub fn weigh(&self, took: Duration) -> Came {
        let (usual, took) = (self.0.load(Relaxed), micros(took));
        let late = (usual * TIMES).max(usual + BEYOND);
        if usual == 0 || took <= late {
            Came::InTime
        } else if took <= late * FAR {
            Came::Late
        } else {
            Came::FarTooLate
        }
    }

    /// Takes note of an answer.
    pub fn note(&self, took: Duration) {
        let (usual, took) = (self.0.load(Relaxed), micros(took).max(1));
        let next = if usual == 0 {
            took
        } else if took < usual {
            usual - (usual - took).div_ceil(8)
        } else {
            usual + (took - usual) / 256
        };
        // Workers share the line: it is written only when there is something to say.
        if next.abs_diff(usual) > usual / 64 {
            self.0.store(next, Relaxed);
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_is_what_takes_much_longer_than_usual() {
        let pace = Pace::default();
        let long = Duration::from_secs(5);
        assert_eq!(pace.weigh(long), Came::InTime, "nothing is known yet");
        for _ in 0..100 {
            pace.note(Duration::from_millis(2));
        }
        assert_eq!(pace.weigh(Duration::from_millis(20)), Came::InTime);
        assert_eq!(pace.weigh(Duration::from_millis(30)), Came::Late);
        assert_eq!(pace.weigh(Duration::from_millis(90)), Came::FarTooLate);
        let slow = Pace::default();
        for _ in 0..100 {
            slow.note(Duration::from_millis(100));
        }
        assert_eq!(slow.weigh(Duration::from_millis(300)), Came::InTime);
        assert_eq!(slow.weigh(Duration::from_millis(500)), Came::Late);
    }

    #[test]
    fn a_few_slow_answers_do_not_make_slowness_usual() {
        let pace = Pace::default();
        for round in 0..1000 {
            let took = if round % 10 == 0 { 200 } else { 2 };
            pace.note(Duration::from_millis(took));
        }
        assert_ne!(pace.weigh(Duration::from_millis(100)), Came::InTime);
    }
}
