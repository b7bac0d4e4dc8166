//! Keeps the contract in step with the upstreams, off the path of requests.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use metrics::{counter, gauge};
use portico_service::{Backend, Check, Frame};
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use super::{Contract, Descriptors, Mount, reflection};

/// The current contract, for all workers.
#[derive(Debug)]
pub struct Contracts {
    current: ArcSwap<Contract>,
    /// Held while a new contract is made from the current one.
    changing: Mutex<()>,
}

/// An upstream whose descriptors are followed.
pub struct Source {
    /// Its place in the list of upstreams.
    pub index: usize,
    /// Its name in logs and metrics.
    pub name: String,
    /// Whether it is a service of Portico.
    pub ours: bool,
    /// Where to ask.
    pub backend: Backend,
}

impl Contracts {
    /// Nothing but the gateway's own routes.
    pub fn new(upstreams: usize) -> Self {
        Self {
            current: ArcSwap::from_pointee(Contract::empty(upstreams)),
            changing: Mutex::new(()),
        }
    }

    /// The contract of this moment.
    pub fn current(&self) -> Arc<Contract> {
        self.current.load_full()
    }

    /// Serves an upstream's routes from now on. `name` is the upstream's, for logs and metrics.
    pub fn mount(&self, name: &str, mount: Mount) {
        let index = mount.upstream;
        // Nothing is broken by a panic while the lock is held: the contract is swapped whole.
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let (next, refused) = self.current().with(Arc::new(mount));
        for it in &refused {
            counter!("gateway_route_conflicts_total").increment(1);
            warn!(
                upstream = it.upstream,
                rpc = it.rpc,
                reason = it.reason,
                "a route was refused"
            );
        }
        let routes = next
            .routes()
            .filter(|route| route.upstream == index)
            .count();
        let left_out = next.refused(index);
        info!(
            upstream = name,
            routes,
            refused = left_out,
            "contract taken over"
        );
        set_gauge("gateway_routes", name, routes);
        set_gauge("gateway_routes_refused", name, left_out);
        self.current.store(Arc::new(next));
    }

    /// Asks an upstream again and again, and takes over what changed. Whatever goes wrong, the last
    /// good contract stays.
    pub fn follow(self: Arc<Self>, source: Source, every: Duration, frame: &Frame) {
        let stop = frame.stop.clone();
        let tasks = frame.tasks.clone();
        let reachable = frame
            .readiness
            .dependency(format!("upstream {}", source.name));
        let following = async move {
            let mut follower = Follower {
                contracts: self,
                source: Arc::new(source),
                reachable,
                rejected: None,
                trouble: None,
            };
            loop {
                follower.refresh(&tasks).await;
                tokio::time::sleep(every).await;
            }
        };
        frame.tasks.spawn(async move {
            stop.run_until_cancelled(following).await;
        });
    }
}

struct Follower {
    contracts: Arc<Contracts>,
    source: Arc<Source>,
    /// What probes are told of it.
    reachable: Check,
    /// What could not be compiled, lest it be tried every time.
    rejected: Option<Descriptors>,
    /// What went wrong last time, lest it be logged every time.
    trouble: Option<String>,
}

impl Follower {
    async fn refresh(&mut self, tasks: &TaskTracker) {
        let descriptors = match reflection::fetch(&self.source.backend).await {
            Ok(descriptors) => descriptors,
            Err(error) => return self.failed("failed", error.to_string()),
        };
        let index = self.source.index;
        let current = self.contracts.current();
        let known = current.mount(index);
        if known.is_some_and(|mount| mount.descriptors == descriptors) {
            self.rejected = None;
            return self.succeeded("unchanged");
        }
        if self.rejected.as_ref() == Some(&descriptors) {
            counter!("gateway_contract_refreshes_total",
                "upstream" => self.source.name.clone(), "outcome" => "invalid")
            .increment(1);
            return;
        }
        let had_routes = known.is_some_and(|mount| !mount.routes.is_empty());
        let (contracts, source) = (Arc::clone(&self.contracts), Arc::clone(&self.source));
        let candidate = descriptors.clone();
        let compiled = tasks.spawn_blocking(move || {
            let Source { name, ours, .. } = &*source;
            let mount = Mount::compile(index, name, *ours, candidate);
            let mount = mount.map_err(|error| error.to_string())?;
            // A server that loses the options of its descriptors would take our own routes away.
            if *ours && had_routes && mount.routes.is_empty() {
                return Err("no http rule is left".to_owned());
            }
            contracts.mount(name, mount);
            Ok(())
        });
        let outcome = compiled
            .await
            .unwrap_or_else(|panic| Err(panic.to_string()));
        match outcome {
            Ok(()) => {
                self.rejected = None;
                self.succeeded("changed");
            }
            Err(error) => {
                self.rejected = Some(descriptors);
                self.failed("invalid", error);
            }
        }
    }

    fn succeeded(&mut self, outcome: &'static str) {
        let name = &self.source.name;
        counter!("gateway_contract_refreshes_total",
            "upstream" => name.clone(), "outcome" => outcome)
        .increment(1);
        set_gauge("gateway_upstream_reachable", name, 1);
        self.reachable.up();
        if self.trouble.take().is_some() {
            info!(upstream = name, "the upstream's contract can be read again");
        }
    }

    fn failed(&mut self, outcome: &'static str, error: String) {
        let name = &self.source.name;
        counter!("gateway_contract_refreshes_total",
            "upstream" => name.clone(), "outcome" => outcome)
        .increment(1);
        let answers = outcome == "invalid";
        set_gauge("gateway_upstream_reachable", name, usize::from(answers));
        self.reachable.down(if answers {
            "its contract is invalid, the last good one stays"
        } else {
            "it cannot be reached"
        });
        if self.trouble.as_ref() == Some(&error) {
            debug!(
                upstream = name,
                error, "the upstream's contract still cannot be read"
            );
        } else {
            warn!(
                upstream = name,
                error, "the upstream's contract cannot be read, the last good one stays"
            );
            self.trouble = Some(error);
        }
    }
}

fn set_gauge(name: &'static str, upstream: &str, value: usize) {
    #[expect(clippy::cast_precision_loss, reason = "nobody has 2^52 routes")]
    gauge!(name, "upstream" => upstream.to_owned()).set(value as f64);
}
