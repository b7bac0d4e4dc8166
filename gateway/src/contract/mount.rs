//! One upstream's descriptors, compiled.

use std::sync::Arc;

use http::uri::PathAndQuery;
use portico_caller::{Access, Policies, Policy};
use portico_transcode::{Binding, Plans, PoolError};
use thiserror::Error;
use tracing::warn;

use super::Descriptors;
use crate::{
    overload::{Pace, Priority},
    stream::Resume,
};

/// The most routes of one upstream: each costs memory, and names of its own in metrics.
const MOST_ROUTES: usize = 4096;

/// Where Portico's own services are declared.
const OUR_PACKAGES: &str = "portico.";

/// The id by which callers name themselves.
const CALLER: &str = "me";

/// One upstream's routes, and what they came from.
#[derive(Debug)]
pub struct Mount {
    /// The upstream's place in the list.
    pub upstream: usize,
    /// What it was compiled from.
    pub descriptors: Descriptors,
    /// Everything that REST may reach.
    pub routes: Vec<Arc<Route>>,
}

/// One HTTP rule of one RPC.
#[derive(Debug)]
pub struct Route {
    /// The upstream's place in the list.
    pub upstream: usize,
    /// Whether the upstream is a service of Portico, whose word on sessions counts.
    pub ours: bool,
    /// How its messages are translated.
    pub plans: Arc<Plans>,
    /// How the HTTP request makes the RPC's.
    pub binding: Binding,
    /// How its stream is taken up again.
    pub resume: Resume,
    /// The RPC.
    pub rpc: PathAndQuery,
    /// Who may call it.
    pub policy: Policy,
    /// How much it matters when there is too much to do.
    pub priority: Priority,
    /// How long it usually takes.
    pub pace: Pace,
    /// The path's template.
    pub template: Arc<str>,
}

/// Why descriptors make no contract.
#[derive(Debug, Error)]
pub enum Error {
    #[error("the descriptors are invalid: {0}")]
    Pool(#[from] PoolError),
    #[error("no file declares the service {0}")]
    Undeclared(String),
    #[error("{0} is not a path")]
    Path(String),
    #[error("there are more than {MOST_ROUTES} routes")]
    Large,
}

impl Mount {
    /// Compiles descriptors. An RPC whose rules make no sense is left out with a line in the log, as
    /// are those that only services may call.
    pub fn compile(
        upstream: usize,
        name: &str,
        ours: bool,
        descriptors: Descriptors,
    ) -> Result<Self, Error> {
        let pool = descriptors.pool()?;
        let plans = Arc::new(Plans::compile(&pool));
        let policies = Policies::from_pool(&pool);
        let mut routes = Vec::new();
        for service in descriptors.services() {
            if !ours && service.starts_with(OUR_PACKAGES) {
                warn!(
                    upstream = name,
                    service, "a stranger poses as a service of portico"
                );
                continue;
            }
            let declared = pool.get_service_by_name(service);
            let declared = declared.ok_or_else(|| Error::Undeclared(service.clone()))?;
            for method in declared.methods() {
                let rpc = format!("/{service}/{}", method.name());
                let policy = policies.get(&rpc);
                if policy.access == Access::Internal {
                    continue;
                }
                let bindings = match Binding::all(&plans, &method) {
                    Ok(bindings) => bindings,
                    Err(error) => {
                        warn!(upstream = name, rpc, %error, "an rpc's http rules are invalid");
                        continue;
                    }
                };
                let path = PathAndQuery::try_from(rpc.as_str());
                let path = path.map_err(|_invalid| Error::Path(rpc))?;
                if routes.len() + bindings.len() > MOST_ROUTES {
                    return Err(Error::Large);
                }
                let resume = Resume::of(&method);
                routes.extend(bindings.into_iter().map(|mut binding| {
                    // Who reads their own account has its id in it, and sends it back as it came.
                    if let Some(own) = &policy.self_field
                        && binding.body_field(&plans).is_some()
                    {
                        binding.alias(own, CALLER);
                    }
                    Arc::new(Route {
                        upstream,
                        ours,
                        plans: Arc::clone(&plans),
                        template: binding.template.as_str().into(),
                        binding,
                        resume: resume.clone(),
                        rpc: path.clone(),
                        priority: Priority::of(policy),
                        pace: Pace::default(),
                        policy: policy.clone(),
                    })
                }));
            }
        }
        Ok(Self {
            upstream,
            descriptors,
            routes,
        })
    }
}
