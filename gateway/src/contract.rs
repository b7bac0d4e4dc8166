//! What the gateway serves: every route of every upstream, as read from their descriptors.

mod descriptors;
mod follow;
mod mount;
mod reflection;
mod territory;

#[cfg(test)]
mod tests;

use std::{collections::HashSet, sync::Arc};

use portico_transcode::{Found, Router, RouterBuilder};

use self::territory::Territory;
use crate::openapi::Asset;

pub use descriptors::Descriptors;
pub use follow::{Contracts, Source};
pub use mount::{Error, Mount, Route};

/// One state of all routes. It never changes: a new one takes its place.
#[derive(Debug)]
pub struct Contract {
    router: Router<Target>,
    /// One per upstream, `None` as long as its descriptors are not known.
    mounts: Vec<Option<Arc<Mount>>>,
    refused: HashSet<Claim>,
}

/// Where a request goes.
#[derive(Debug)]
pub struct Target {
    /// The template, as metrics and traces name the route.
    pub template: Arc<str>,
    /// What answers.
    pub kind: Kind,
}

impl Target {
    /// Whether it is the page that shows the reference, or a file of it.
    pub fn is_page(&self) -> bool {
        matches!(self.kind, Kind::Own(Own::Docs(_)))
    }
}

/// What answers a request.
#[derive(Debug)]
pub enum Kind {
    /// An RPC of an upstream.
    Rpc(Arc<Route>),
    /// The gateway itself.
    Own(Own),
}

/// What the gateway answers itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// Whether the process lives.
    Health,
    /// Whether it can serve.
    Ready,
    /// The OpenAPI document of all routes.
    Reference,
    /// A file of the page that shows it.
    Docs(Asset),
}

impl Own {
    fn all() -> impl Iterator<Item = (Self, &'static str)> {
        let own = [
            (Self::Health, "/health"),
            (Self::Ready, "/ready"),
            (Self::Reference, "/openapi.json"),
        ];
        let files = Asset::ALL.map(|(asset, path)| (Self::Docs(asset), path));
        own.into_iter().chain(files)
    }
}

/// A route that an upstream asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Claim {
    upstream: usize,
    method: String,
    template: String,
    rpc: String,
}

impl Claim {
    fn of(route: &Route) -> Self {
        Self {
            upstream: route.upstream,
            method: route.binding.http_method.clone(),
            template: route.template.to_string(),
            rpc: route.binding.grpc_path.clone(),
        }
    }
}

/// A claim that was not granted, for the log.
#[derive(Debug)]
pub struct Refused {
    /// The upstream that asked.
    pub upstream: usize,
    /// The RPC, as `/package.Service/Method`.
    pub rpc: String,
    /// Why not.
    pub reason: String,
}

impl Contract {
    /// A contract without any upstream's routes.
    pub fn empty(upstreams: usize) -> Self {
        let mut router = Router::builder();
        add_own(&mut router);
        Self {
            router: router.build(),
            mounts: vec![None; upstreams],
            refused: HashSet::new(),
        }
    }

    /// This contract with one upstream's routes put in or replaced, and what was refused for the first
    /// time. Portico's own services go first; of the others, whoever holds a route already keeps it, and
    /// the newcomer's claim to it, or to a part of it, is refused.
    pub fn with(&self, mount: Arc<Mount>) -> (Self, Vec<Refused>) {
        let mut mounts = self.mounts.clone();
        let place = mount.upstream;
        mounts[place] = Some(mount);
        let held: HashSet<Claim> = self.routes().map(Claim::of).collect();
        let wanted = mounts.iter().flatten().flat_map(|mount| &mount.routes);
        let mut wanted: Vec<_> = wanted.collect();
        // Stable: within each, as the upstreams stand in the list.
        wanted.sort_by_key(|route| (!route.ours, !held.contains(&Claim::of(route))));
        let territory = Territory::of(wanted.iter().map(AsRef::as_ref));

        let mut router = Router::builder();
        add_own(&mut router);
        let mut refused = HashSet::new();
        let mut fresh = Vec::new();
        let mut granted: Vec<&Route> = Vec::new();
        for route in wanted {
            let refusal = territory.refusal(route).or_else(|| {
                let loser = granted
                    .iter()
                    .find(|held| territory::takes_from(route, held))?;
                Some(format!(
                    "{} takes from {} of {}",
                    route.template, loser.template, loser.rpc
                ))
            });
            let Err(reason) = refusal.map_or_else(|| add(&mut router, route), Err) else {
                granted.push(route);
                continue;
            };
            let claim = Claim::of(route);
            if !self.refused.contains(&claim) {
                fresh.push(Refused {
                    upstream: claim.upstream,
                    rpc: claim.rpc.clone(),
                    reason,
                });
            }
            refused.insert(claim);
        }
        let contract = Self {
            router: router.build(),
            mounts,
            refused,
        };
        (contract, fresh)
    }

    /// What a request meets. The path is as it was sent, percent-encoded.
    pub fn find<'c, 'p>(&'c self, method: &str, path: &'p str) -> Found<'c, 'p, Target> {
        self.router.find(method, path)
    }

    /// What is known of an upstream.
    pub fn mount(&self, upstream: usize) -> Option<&Arc<Mount>> {
        self.mounts.get(upstream)?.as_ref()
    }

    /// The routes of all upstreams.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.router
            .routes()
            .filter_map(|target| match &target.kind {
                Kind::Rpc(route) => Some(route.as_ref()),
                Kind::Own(_) => None,
            })
    }

    /// How many claims of an upstream are refused.
    pub fn refused(&self, upstream: usize) -> usize {
        let claims = self.refused.iter();
        claims.filter(|claim| claim.upstream == upstream).count()
    }
}

fn add_own(router: &mut RouterBuilder<Target>) {
    for (own, path) in Own::all() {
        let target = Target {
            template: path.into(),
            kind: Kind::Own(own),
        };
        router
            .add("GET", path, "the gateway", target)
            .expect("the gateway's own paths are constant and distinct");
    }
}

fn add(router: &mut RouterBuilder<Target>, route: &Arc<Route>) -> Result<(), String> {
    let target = Target {
        template: Arc::clone(&route.template),
        kind: Kind::Rpc(Arc::clone(route)),
    };
    let binding = &route.binding;
    router
        .add(
            &binding.http_method,
            &route.template,
            &binding.grpc_path,
            target,
        )
        .map_err(|error| error.to_string())
}
