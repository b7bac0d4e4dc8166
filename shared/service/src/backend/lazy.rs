//! A connection that is made when it is first needed, and again when it has gone.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use tokio::runtime::Handle;

use super::{
    balance::Endpoint,
    dial::{Away, Rest},
};

/// Makes a connection. `true` asks for a proof that the peer is awake: a process that is stopped goes on
/// accepting connections.
type Make<L> = Box<dyn Fn(bool) -> BoxFuture<'static, Result<L, Away>> + Send + Sync>;

/// An attempt, for which any number may wait.
pub(super) type Connecting<L> = Shared<BoxFuture<'static, Result<L, Away>>>;

/// A connection into which calls can be written.
pub(super) trait Link: Clone + Send + Sync + 'static {
    /// An endpoint's connection of this kind.
    fn of(endpoint: &Endpoint) -> &Lazy<Self>;

    /// Whether the peer takes calls on it.
    fn is_open(&mut self) -> bool;

    /// Whether the peer has answered of late what it was asked.
    fn is_well(&self, endpoint: &Endpoint) -> bool;
}

/// The connection, if there is one. It lives as long as this does.
pub(super) struct Lazy<L> {
    make: Make<L>,
    current: Mutex<Option<Connecting<L>>>,
    rest: Arc<Rest>,
}

impl<L: Link> Lazy<L> {
    pub fn new(make: Make<L>) -> Self {
        Self {
            make,
            current: Mutex::default(),
            rest: Arc::default(),
        }
    }

    /// The connection, where one is open.
    pub fn now(&self) -> Option<L> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Ok(link)) = current.as_ref()?.peek() else {
            return None;
        };
        let mut link = link.clone();
        link.is_open().then_some(link)
    }

    /// The connection that is open or being made, else a new one.
    pub fn made(&self, proven: bool) -> Connecting<L> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connecting) = current.as_ref() {
            let good = match connecting.peek() {
                None => true,
                Some(Ok(link)) => link.clone().is_open(),
                Some(Err(_)) => false,
            };
            if good {
                return connecting.clone();
            }
        }
        current.insert(self.connect(proven)).clone()
    }

    /// Has the connection made for whoever comes later, unless that has just failed.
    pub fn kick(&self, proven: bool) {
        if self.rest.is_over() {
            drop(self.made(proven));
        }
    }

    /// Connects in a task of its own, so that no caller who gives up takes the connection with it.
    fn connect(&self, proven: bool) -> Connecting<L> {
        let (connecting, rest) = ((self.make)(proven), Arc::clone(&self.rest));
        let connecting = async move {
            let outcome = connecting.await;
            rest.note(outcome.is_ok());
            outcome
        };
        let connecting = connecting.boxed().shared();
        Handle::current().spawn(connecting.clone().map(drop));
        connecting
    }
}
