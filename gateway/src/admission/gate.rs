//! How many connections one client may hold, and how many requests may run on one of them.

use std::{
    cell::Cell,
    collections::HashMap,
    net::IpAddr,
    rc::Rc,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::address::subscriber;
use crate::problem::Problem;

/// Counts the connections of each client of this process. Clones share the count.
#[derive(Clone, Debug)]
pub struct Gate {
    most: u32,
    held: Arc<Mutex<HashMap<IpAddr, u32>>>,
}

/// A connection that is counted until this is dropped.
#[derive(Debug)]
pub struct Seat(Option<(Gate, IpAddr)>);

impl Gate {
    /// So many connections for each client; 0 sets no limit.
    pub fn new(most: u32) -> Self {
        Self {
            most,
            held: Arc::default(),
        }
    }

    /// Whether a client may have one more.
    pub fn has_room(&self, address: IpAddr) -> bool {
        let held = self.held().get(&subscriber(address)).copied();
        self.most == 0 || held.unwrap_or(0) < self.most
    }

    /// Counts a connection, unless it is nobody's in particular, as those of proxies are.
    pub fn enter(&self, address: IpAddr, exempt: bool) -> Seat {
        if exempt || self.most == 0 {
            return Seat(None);
        }
        let who = subscriber(address);
        *self.held().entry(who).or_insert(0) += 1;
        Seat(Some((self.clone(), who)))
    }

    fn held(&self) -> MutexGuard<'_, HashMap<IpAddr, u32>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some((gate, who)) = self.0.take() else {
            return;
        };
        let mut held = gate.held();
        if let Some(count) = held.get_mut(&who) {
            *count -= 1;
            if *count == 0 {
                held.remove(&who);
            }
        }
    }
}

/// Which requests run on one connection. A client that resets its streams as fast as it opens them would
/// else leave any number of calls behind.
#[derive(Debug, Default)]
pub struct Running(Rc<Cell<u32>>);

/// A request that runs until this is dropped.
#[derive(Debug)]
pub struct Run(Rc<Cell<u32>>);

impl Running {
    /// Lets one more run; 0 sets no limit.
    pub fn start(&self, most: u32) -> Result<Run, Problem> {
        if most > 0 && self.0.get() >= most {
            let problem = Problem::unavailable_for("too many requests run on this connection");
            return Err(problem.by("open_requests"));
        }
        self.0.set(self.0.get() + 1);
        Ok(Run(Rc::clone(&self.0)))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_so_many_seats_and_gets_them_back() {
        let gate = Gate::new(2);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let one = address("2001:db8::1");
        let seats = [
            gate.enter(one, false),
            gate.enter(address("2001:db8::2"), false),
        ];
        assert!(!gate.has_room(one));
        assert!(gate.has_room(address("192.0.2.1")));
        drop(seats);
        assert!(gate.has_room(one));
        assert!(gate.held().is_empty());
        let _proxy = gate.enter(one, true);
        assert!(gate.held().is_empty());
        assert!(Gate::new(0).has_room(one));
    }

    #[test]
    fn so_many_requests_run_at_once() {
        let running = Running::default();
        let first = running.start(1).unwrap();
        assert!(running.start(1).is_err());
        assert!(running.start(0).is_ok());
        drop(first);
        assert!(running.start(1).is_ok());
    }
}
