//! How long to wait before the same is tried again.

use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};

/// The longest pause after the first try; it doubles with each further one.
const FIRST: Duration = Duration::from_millis(2);
/// What it never exceeds.
const LONGEST: Duration = Duration::from_millis(128);

/// A pause after so many tries, drawn between nothing and what those tries allow.
pub fn after(tries: u32) -> Duration {
    let mut drawn = [0; 2];
    // Without randomness everybody waits for as long as is allowed, which is slower and still right.
    let share = match SystemRandom::new().fill(&mut drawn) {
        Ok(()) => u16::from_le_bytes(drawn),
        Err(_) => u16::MAX,
    };
    part(tries, share)
}

fn part(tries: u32, share: u16) -> Duration {
    let doublings = tries.saturating_sub(1).min(16);
    let most = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    most * u32::from(share) / u32::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_and_stays_bounded() {
        let longest: Vec<u128> = (1..=9).map(|n| part(n, u16::MAX).as_millis()).collect();
        assert_eq!(longest, [2, 4, 8, 16, 32, 64, 128, 128, 128]);
        assert_eq!(part(u32::MAX, u16::MAX), LONGEST);
        assert_eq!(part(5, 0), Duration::ZERO);
        assert_eq!(part(5, u16::MAX / 2).as_millis(), 15);
    }

    #[test]
    fn two_who_met_wait_for_different_times() {
        let drawn: std::collections::BTreeSet<Duration> = (0..20).map(|_| after(7)).collect();
        assert!(drawn.len() > 10, "{drawn:?}");
    }
}
