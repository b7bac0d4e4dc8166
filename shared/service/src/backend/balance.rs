//! Which endpoint gets a call.
//!
//! Of two that are drawn at random, the one with fewer calls under way: nearly as good as the best of all,
//! and no two callers flock to the same one. What is not connected, asleep or failing is passed over.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{
            AtomicU64, AtomicUsize,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
};

use arc_swap::ArcSwap;
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use tonic::Code;

use super::{
    budget::Budget,
    dial::{Away, Dial},
    endpoints::{Peer, Shared},
    lazy::{Lazy, Link},
    narrow::{self, Narrow},
    wide::{self, Wide},
};

/// One worker's connections to a service.
pub(super) struct View {
    shared: Arc<Shared>,
    /// Which state of the shared list this one follows.
    generation: AtomicU64,
    endpoints: ArcSwap<Vec<Arc<Endpoint>>>,
    dice: AtomicU64,
    pub budget: Budget,
}

/// One worker's connections to one address.
pub(super) struct Endpoint {
    peer: Arc<Peer>,
    pub dial: Dial,
    pub load: Arc<Load>,
    pub narrow: Arc<Lazy<Narrow>>,
    pub wide: Lazy<Wide>,
}

/// What an endpoint has to do for one worker.
#[derive(Default)]
pub(super) struct Load {
    in_flight: AtomicUsize,
    heard: AtomicUsize,
}

impl Load {
    /// Calls that have no answer yet.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Relaxed)
    }

    /// Changes with every sign of life.
    pub fn heard(&self) -> usize {
        self.heard.load(Relaxed)
    }

    pub fn hear(&self) {
        self.heard.fetch_add(1, Relaxed);
    }
}

/// An endpoint that has a call to answer, until this is dropped.
pub(super) struct Lease(Arc<Endpoint>);

impl Deref for Lease {
    type Target = Endpoint;

    fn deref(&self) -> &Endpoint {
        &self.0
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.load.in_flight.fetch_sub(1, Relaxed);
    }
}

impl Lease {
    fn new(endpoint: &Arc<Endpoint>) -> Self {
        endpoint.load.in_flight.fetch_add(1, Relaxed);
        Self(Arc::clone(endpoint))
    }
}

impl Endpoint {
    fn new(peer: &Arc<Peer>, shared: &Arc<Shared>) -> Self {
        let load = Arc::<Load>::default();
        let (dial, counted, trouble) = (
            peer.dial.clone(),
            Arc::clone(&load),
            Arc::clone(&shared.trouble),
        );
        let narrow = move |proven| {
            let (dial, load, trouble) = (dial.clone(), Arc::clone(&counted), Arc::clone(&trouble));
            let connecting = async move {
                let made = narrow::connect(dial, load, proven).await;
                made.inspect_err(|_away| trouble.notify_one())
            };
            connecting.boxed()
        };
        let narrow = Arc::new(Lazy::new(Box::new(narrow)));
        let (dial, trouble) = (peer.dial.clone(), Arc::clone(&shared.trouble));
        let prover = Arc::clone(&narrow);
        let wide = move |proven: bool| {
            let (dial, trouble) = (dial.clone(), Arc::clone(&trouble));
            let proof = proven.then(|| prover.made(true));
            let connecting = async move {
                let made = wide::connect(dial, proof).await;
                made.inspect_err(|_away| trouble.notify_one())
            };
            connecting.boxed()
        };
        Self {
            peer: Arc::clone(peer),
            dial: peer.dial.clone(),
            load,
            narrow,
            wide: Lazy::new(Box::new(wide)),
        }
    }
}

impl View {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            generation: AtomicU64::new(0),
            endpoints: ArcSwap::default(),
            dice: AtomicU64::new(super::seed()),
            budget: Budget::default(),
        }
    }

    /// Whether there is no choice.
    pub fn is_single(&self) -> bool {
        self.endpoints.load().len() < 2
    }

    /// An endpoint for a call, and a connection to it. Where there is none, the first that can be made.
    pub async fn take<L: Link>(&self) -> Result<(Lease, L), Away> {
        match self.lease(None) {
            Some(taken) => Ok(taken),
            None => self.connected().await,
        }
    }

    /// An endpoint that is connected and well, other than `besides`.
    pub fn lease<L: Link>(&self, besides: Option<&Lease>) -> Option<(Lease, L)> {
        self.keep_up();
        let all = self.endpoints.load();
        if let [only] = all.as_slice() {
            // Whatever it may suffer from, there is no other.
            let link = L::of(only).now().filter(|_| besides.is_none())?;
            return Some((Lease::new(only), link));
        }
        if all.is_empty() {
            return None;
        }
        let (first, second) = self.draw(all.len());
        let (first, second) = if all[second].load.in_flight() < all[first].load.in_flight() {
            (second, first)
        } else {
            (first, second)
        };
        let others = (first..all.len()).chain(0..first);
        let order = [first, second].into_iter().chain(others);
        for endpoint in order.map(|place| &all[place]) {
            if besides.is_some_and(|it| Arc::ptr_eq(&it.0, endpoint)) {
                continue;
            }
            let Some(link) = L::of(endpoint).now() else {
                L::of(endpoint).kick(true);
                continue;
            };
            if link.is_well(endpoint) && endpoint.peer.breaker.admits() {
                return Some((Lease::new(endpoint), link));
            }
        }
        None
    }

    /// Takes note of how a call ended.
    pub fn note(&self, lease: &Lease, code: Code) {
        if lease.peer.breaker.note(code) {
            self.shared.eject(&lease.peer);
        }
    }

    #[cold]
    async fn connected<L: Link>(&self) -> Result<(Lease, L), Away> {
        self.shared.looked_up().await;
        self.keep_up();
        let all = self.endpoints.load_full();
        let proven = all.len() > 1;
        let attempts = all.iter().map(|endpoint| {
            let attempt = L::of(endpoint).made(proven);
            attempt.map(move |made| (endpoint, made))
        });
        let mut attempts: FuturesUnordered<_> = attempts.collect();
        let (mut ailing, mut failure) = (None, Away::because("the name has no address"));
        while let Some((endpoint, made)) = attempts.next().await {
            match made {
                Ok(link) if !proven || link.is_well(endpoint) && endpoint.peer.breaker.admits() => {
                    return Ok((Lease::new(endpoint), link));
                }
                Ok(link) => ailing = Some((endpoint, link)),
                Err(away) => failure = away,
            }
        }
        // Rather than nobody.
        match ailing {
            Some((endpoint, link)) => Ok((Lease::new(endpoint), link)),
            None => Err(failure),
        }
    }

    /// Follows the shared list. Who has left it gets no more calls; those under way end there.
    fn keep_up(&self) {
        let generation = self.shared.generation.load(Acquire);
        if self.generation.load(Acquire) == generation {
            return;
        }
        let had = self.endpoints.load();
        let peers = self.shared.peers.load();
        let endpoints = peers.iter().map(|peer| {
            let same = had.iter().find(|it| Arc::ptr_eq(&it.peer, peer));
            same.map_or_else(|| Arc::new(Endpoint::new(peer, &self.shared)), Arc::clone)
        });
        self.endpoints.store(Arc::new(endpoints.collect()));
        self.generation.store(generation, Release);
    }

    /// Two different places of so many (at least two).
    fn draw(&self, of: usize) -> (usize, usize) {
        // SplitMix64: a few instructions, and nothing that threads would share.
        let mut dice = self.dice.load(Relaxed).wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.dice.store(dice, Relaxed);
        dice = (dice ^ (dice >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        dice = (dice ^ (dice >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let (high, low) = ((dice >> 32) as usize, (dice & 0xffff_ffff) as usize);
        let first = high % of;
        let second = (first + 1 + low % (of - 1)) % of;
        (first, second)
    }
}
