//! How many calls an upstream bears at a time.
//!
//! More by an eighth while calls that want to begin have to wait and those under way are answered at their
//! usual pace; fewer by an eighth when most of them are late, and by half when they are far too late. What lies
//! between stays as it is. So an upstream that is asked for more than it can do gets about as much as keeps it
//! busy, and answers that much.

use std::time::{Duration, Instant};

use super::pace::Came;

/// The limit at first, to which it also returns when nothing is the matter.
const FIRST: usize = 128;

/// However slow an upstream is, so many are tried.
const FEWEST: usize = 4;

/// After how long the answers are weighed, and how many there must be.
const WINDOW: Duration = Duration::from_millis(100);
const ENOUGH: u32 = 10;

/// A limit that finds itself.
#[derive(Debug)]
pub(super) struct Limit {
    now: usize,
    most: usize,
    began: Instant,
    answers: u32,
    late: u32,
    far: u32,
    pressed: bool,
    /// Whether the last window was.
    was_pressed: bool,
}

impl Limit {
    pub fn new(most: usize) -> Self {
        Self {
            now: FIRST.min(most),
            most,
            began: Instant::now(),
            answers: 0,
            late: 0,
            far: 0,
            pressed: false,
            was_pressed: false,
        }
    }

    pub fn now(&self) -> usize {
        self.now
    }

    /// Somebody has to wait.
    pub fn press(&mut self) {
        self.pressed = true;
    }

    /// Whether somebody had to wait of late.
    pub fn is_pressed(&self) -> bool {
        self.pressed || self.was_pressed
    }

    /// Takes note of an answer. `true` when the limit may have changed.
    pub fn note(&mut self, came: Came, now: Instant) -> bool {
        self.answers += 1;
        self.late += u32::from(came != Came::InTime);
        self.far += u32::from(came == Came::FarTooLate);
        if self.answers < ENOUGH || now.duration_since(self.began) < WINDOW {
            return false;
        }
        let step = (self.now / 8).max(1);
        if self.far * 2 > self.answers {
            self.now = (self.now / 2).max(FEWEST.min(self.most));
        } else if self.late * 2 > self.answers {
            self.now = (self.now - step).max(FEWEST.min(self.most));
        } else {
            let more = (self.now + step).min(self.most);
            if self.pressed && self.late * 5 <= self.answers {
                self.now = more;
            } else if !self.pressed && self.now < FIRST {
                self.now = more.min(FIRST);
            }
        }
        self.was_pressed = self.pressed;
        (self.answers, self.late, self.far) = (0, 0, 0);
        (self.began, self.pressed) = (now, false);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many windows of answers, of which `late` in ten are.
    fn windows(limit: &mut Limit, count: u32, late: u32, pressed: bool) {
        windows_of(Came::Late, limit, count, late, pressed);
    }

    fn windows_of(came: Came, limit: &mut Limit, count: u32, late: u32, pressed: bool) {
        for _ in 0..count {
            if pressed {
                limit.press();
            }
            let then = limit.began + WINDOW;
            for answer in 0..10 {
                let came = if answer < late { came } else { Came::InTime };
                limit.note(came, then);
            }
        }
    }

    #[test]
    fn it_grows_while_it_is_wanted_and_borne() {
        let mut limit = Limit::new(512);
        windows(&mut limit, 100, 0, false);
        assert_eq!(limit.now(), FIRST, "nobody has to wait");
        windows(&mut limit, 100, 0, true);
        assert_eq!(limit.now(), 512);
    }

    #[test]
    fn it_shrinks_when_most_are_late_and_comes_back() {
        let mut limit = Limit::new(512);
        windows(&mut limit, 3, 6, true);
        assert!(limit.now() < FIRST);
        let there = limit.now();
        windows(&mut limit, 10, 4, true);
        assert_eq!(
            limit.now(),
            there,
            "some are late, which is how it should be"
        );
        windows(&mut limit, 100, 10, true);
        assert_eq!(limit.now(), FEWEST);
        windows(&mut limit, 100, 0, false);
        assert_eq!(limit.now(), FIRST);
        windows_of(Came::FarTooLate, &mut limit, 3, 6, true);
        assert_eq!(limit.now(), FIRST / 8);
    }
}
