//! How many streams may be open at once.

use std::{cell::Cell, rc::Rc};

use metrics::gauge;

/// The most streams that one worker holds open. Each has a connection of its own to its service.
const MOST: usize = 1024;

/// The places of one worker.
#[derive(Debug, Default)]
pub struct Places(Rc<Cell<usize>>);

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub struct Place(Rc<Cell<usize>>);

impl Places {
    /// Takes a place, if there is one.
    pub fn take(&self) -> Option<Place> {
        let taken = self.0.get();
        (taken < MOST).then(|| {
            self.0.set(taken + 1);
            gauge!("gateway_open_streams").increment(1);
            Place(Rc::clone(&self.0))
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
        gauge!("gateway_open_streams").decrement(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_so_many_and_they_come_back() {
        let places = Places::default();
        let mut taken: Vec<_> = (0..MOST).map_while(|_| places.take()).collect();
        assert_eq!(taken.len(), MOST);
        assert!(places.take().is_none());
        taken.pop();
        assert!(places.take().is_some());
    }
}
