//! How long an RPC usually takes.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// How much later than usual an answer must be to count as late: it takes both.
const TIMES: u64 = 4;
const BEYOND: u64 = 25_000;

/// How long an RPC takes when nothing holds it up, in microseconds. Follows a faster answer at once, and
/// slower ones little by little.
#[derive(Debug, Default)]
pub struct Pace(AtomicU64);

impl Pace {
    /// Whether an answer after so long is late.
    pub fn is_late(&self, took: Duration) -> bool {
        let usual = self.0.load(Relaxed);
        let late = (usual * TIMES).max(usual + BEYOND);
        usual != 0 && micros(took) > late
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
        assert!(!pace.is_late(long), "nothing is known yet");
        for _ in 0..100 {
            pace.note(Duration::from_millis(2));
        }
        assert!(!pace.is_late(Duration::from_millis(20)));
        assert!(pace.is_late(Duration::from_millis(30)));
        let slow = Pace::default();
        for _ in 0..100 {
            slow.note(Duration::from_millis(100));
        }
        assert!(!slow.is_late(Duration::from_millis(300)));
        assert!(slow.is_late(Duration::from_millis(500)));
    }

    #[test]
    fn a_few_slow_answers_do_not_make_slowness_usual() {
        let pace = Pace::default();
        for round in 0..1000 {
            let took = if round % 10 == 0 { 200 } else { 2 };
            pace.note(Duration::from_millis(took));
        }
        assert!(pace.is_late(Duration::from_millis(100)));
    }
}
