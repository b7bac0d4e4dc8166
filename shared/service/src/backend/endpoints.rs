//! The addresses of a service, and what the whole process knows of each.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{
            AtomicU64,
            Ordering::{Acquire, Release},
        },
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use http::{
    Uri,
    uri::{Authority, Scheme},
};
use metrics::counter;
use portico_telemetry::grpc::ClientLayer;
use rustls::pki_types::ServerName;
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
    time::{sleep, timeout},
};
use tower::Layer;

use super::{
    Backend, CONNECT, balance::View, breaker::Breaker, dial::Dial, unary::Direct, wide::Channel,
};
use crate::tls::Client;

/// What separates the URLs of one service.
pub const SEPARATOR: char = '|';

/// How often names are looked up again, and how often at most when somebody could not be reached.
const LOOK_UP: Duration = Duration::from_secs(5);
const SOONEST: Duration = Duration::from_millis(500);

/// A service over the network: every address of one URL or of several (`http://a:1|http://b:1`). Names
/// are looked up again and again; each of their addresses is an endpoint. Clones share what is known.
#[derive(Clone)]
pub struct Endpoints(Arc<Shared>);

/// An address, and how it has been doing.
pub(super) struct Peer {
    pub dial: Dial,
    pub breaker: Breaker,
}

pub(super) struct Shared {
    targets: Vec<Target>,
    pub peers: ArcSwap<Vec<Arc<Peer>>>,
    /// Counts the changes of `peers`. 0: no name was looked up yet.
    pub generation: AtomicU64,
    looked_up: watch::Sender<bool>,
    /// Somebody could not be reached: where it was, it may be no more.
    pub trouble: Arc<Notify>,
}

struct Target {
    host: String,
    port: u16,
    authority: Authority,
    tls: Option<(Client, ServerName<'static>)>,
}

/// Why a URL names no service.
#[derive(Clone, Debug)]
pub struct BadUrl(String);

impl fmt::Display for BadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadUrl {}

impl Endpoints {
    /// The endpoints that URLs name, with `|` between them. `tls` is for those with `https://`. They are
    /// connected with the first calls, and again whenever a connection is lost.
    ///
    /// Must be called within a tokio runtime, which looks names up for as long as the endpoints are held.
    pub fn new(urls: &str, tls: Option<&Client>) -> Result<Self, BadUrl> {
        let targets = urls.split(SEPARATOR).map(|url| Target::parse(url, tls));
        let targets = targets.collect::<Result<Vec<_>, _>>()?;
        let shared = Arc::new(Shared {
            targets,
            peers: ArcSwap::default(),
            generation: AtomicU64::new(0),
            looked_up: watch::Sender::new(false),
            trouble: Arc::default(),
        });
        let known: Option<Vec<_>> = shared.targets.iter().map(Target::literal).collect();
        match known {
            Some(known) => shared.put(known),
            None => follow(&shared),
        }
        Ok(Self(shared))
    }

    /// A way to call them with connections of its own: one for each worker, since what several threads
    /// share costs each of them. Calls are measured and traced.
    ///
    /// Must be called within a tokio runtime, which drives the connections.
    pub fn backend(&self) -> Backend {
        let view = Arc::new(View::new(Arc::clone(&self.0)));
        let layer = ClientLayer::new();
        let service = Backend::new(layer.layer(Channel(Arc::clone(&view)))).service;
        let direct = Some(Arc::new(Direct::new(view, layer)));
        Backend { service, direct }
    }
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.targets.iter().map(|target| &target.authority))
            .finish()
    }
}

impl Shared {
    /// Waits for the first look at the names, though not for long.
    pub async fn looked_up(&self) {
        let mut looked_up = self.looked_up.subscribe();
        // Without it, there are no endpoints, which is what callers see.
        let _ = timeout(CONNECT, looked_up.wait_for(|looked_up| *looked_up)).await;
    }

    /// Opens a peer's breaker, unless half of them would then be left alone: where so many fail, it is
    /// something else that fails.
    pub fn eject(&self, peer: &Peer) {
        let peers = self.peers.load();
        let open = peers.iter().filter(|it| it.breaker.is_open()).count();
        let again = peer.breaker.is_open();
        if again || (open + 1) * 2 <= peers.len() {
            peer.breaker.open();
            if !again {
                counter!("upstream_ejections_total", "reason" => "failing").increment(1);
                tracing::warn!(endpoint = %peer.dial.address, "an endpoint fails and is left alone");
            }
        }
    }

    fn put(&self, addresses: Vec<(SocketAddr, &Target)>) {
        let known = self.peers.load();
        let mut peers: Vec<Arc<Peer>> = Vec::with_capacity(addresses.len());
        for (address, target) in addresses {
            let same = |it: &&Arc<Peer>| {
                it.dial.address == address && it.dial.authority == target.authority
            };
            if peers.iter().any(|it| same(&it)) {
                continue;
            }
            peers.push(known.iter().find(same).cloned().unwrap_or_else(|| {
                Arc::new(Peer {
                    dial: Dial {
                        address,
                        authority: target.authority.clone(),
                        tls: target.tls.clone(),
                    },
                    breaker: Breaker::new(),
                })
            }));
        }
        let unchanged = known.len() == peers.len()
            && peers
                .iter()
                .all(|peer| known.iter().any(|it| Arc::ptr_eq(it, peer)));
        if !unchanged || self.generation.load(Acquire) == 0 {
            tracing::debug!(endpoints = peers.len(), of = %self.targets[0].authority, "endpoints");
            self.peers.store(Arc::new(peers));
            // Whoever sees it sees the list as well.
            self.generation.fetch_add(1, Release);
        }
        self.looked_up.send_replace(true);
    }

    /// Looks every name up. One that cannot be looked up just now keeps the addresses that it had.
    async fn look_up(&self) {
        let mut found = Vec::new();
        for target in &self.targets {
            if let Some(known) = target.literal() {
                found.push(known);
                continue;
            }
            match tokio::net::lookup_host((target.host.as_str(), target.port)).await {
                Ok(addresses) => found.extend(addresses.map(|address| (address, target))),
                Err(error) => {
                    tracing::debug!(name = target.host, %error, "a name cannot be looked up");
                    let peers = self.peers.load();
                    let kept = peers
                        .iter()
                        .filter(|peer| peer.dial.authority == target.authority);
                    found.extend(kept.map(|peer| (peer.dial.address, target)));
                }
            }
        }
        self.put(found);
    }
}

/// Looks the names up for as long as somebody holds the endpoints.
fn follow(shared: &Arc<Shared>) {
    let (held, trouble) = (Arc::downgrade(shared), Arc::clone(&shared.trouble));
    Handle::current().spawn(async move {
        while let Some(shared) = held.upgrade() {
            shared.look_up().await;
            drop(shared);
            sleep(SOONEST).await;
            let _ = timeout(LOOK_UP, trouble.notified()).await;
        }
    });
}

impl Target {
    fn parse(url: &str, tls: Option<&Client>) -> Result<Self, BadUrl> {
        let bad = || BadUrl(format!("{url:?} is no URL of a service"));
        let uri: Uri = url.trim().parse().map_err(|_| bad())?;
        let secure = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            _ => return Err(bad()),
        };
        let authority = uri.authority().ok_or_else(bad)?.clone();
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        if host.is_empty() {
            return Err(bad());
        }
        let tls = if secure {
            let tls = match tls {
                Some(tls) => tls.clone(),
                None => Client::machine().map_err(|error| BadUrl(format!("{url:?}: {error:#}")))?,
            };
            Some((tls, ServerName::try_from(host.clone()).map_err(|_| bad())?))
        } else {
            None
        };
        let port = authority
            .port_u16()
            .unwrap_or(if secure { 443 } else { 80 });
        Ok(Self {
            host,
            port,
            authority,
            tls,
        })
    }

    /// The address, where the host is one already.
    fn literal(&self) -> Option<(SocketAddr, &Self)> {
        let address: IpAddr = self.host.parse().ok()?;
        Some(((address, self.port).into(), self))
    }
}

#[cfg(test)]
mod tests;
