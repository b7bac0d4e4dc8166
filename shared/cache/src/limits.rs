//! Counting that goes on while the cache is away.

use std::sync::Arc;

use crate::{Cache, Memory, Rate, Taken};

/// How often things may happen in the whole deployment; in each process, while the cache is away.
#[derive(Clone)]
pub struct Limits {
    shared: Arc<dyn Cache>,
    own: Arc<Memory>,
}

impl Limits {
    /// Limits that are counted in a cache.
    pub fn new(shared: Arc<dyn Cache>) -> Self {
        Self {
            shared,
            own: Arc::default(),
        }
    }

    /// As [`Cache::take`]; counted by this process alone when the cache cannot.
    pub async fn take(&self, key: &str, rates: &[Rate], cost: u32) -> Taken {
        match self.shared.take(key, rates, cost).await {
            Ok(taken) => taken,
            Err(_) => self.own.take_here(key, rates, cost),
        }
    }

    /// As [`Cache::put_back`]. When the cache cannot, the loss is one count that comes back by itself.
    pub async fn put_back(&self, key: &str, rates: &[Rate], cost: u32) {
        if self.shared.put_back(key, rates, cost).await.is_err() {
            self.own.put_back_here(key, rates, cost);
        }
    }
}

impl std::fmt::Debug for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Limits")
    }
}
