//! What one worker of the gateway holds.

use std::{sync::Arc, time::Duration};

use portico_cache::{Denylist, Quotas};
use portico_caller::Verifier;
use portico_service::{Backend, Clock, Config, Frame, Readiness};
use tokio_util::sync::CancellationToken;

use crate::{
    admission::{Proxies, RateLimits},
    api_keys::ApiKeys,
    browser::{Compression, Cors, Secure},
    contract::Contracts,
    drain::Drain,
    limits::HeadLimits,
    openapi::Reference,
    overload::Gate,
    retry::Absence,
    run::Upstream,
    stream::Places,
};

/// Longer than clocks differ: an ended session is denied for as long as any of its tokens is good.
const SLACK: Duration = Duration::from_mins(1);

/// What all workers share.
#[derive(Clone)]
pub struct Shared {
    /// The routes.
    pub contracts: Arc<Contracts>,
    /// What describes them.
    pub reference: Reference,
    /// Verifies tokens.
    pub verifier: Verifier,
    /// Verifies API keys.
    pub api_keys: ApiKeys,
    /// Ended sessions.
    pub denylist: Denylist,
    /// How often requests may come.
    pub rate_limits: RateLimits,
    /// Who is believed when they say whose a request is.
    pub proxies: Proxies,
    /// Whose pages may read answers.
    pub cors: Cors,
    /// What every answer says.
    pub secure: Secure,
    /// Which answers are compressed.
    pub compression: Compression,
    /// How large a head may be.
    pub head_limits: HeadLimits,
    /// How many requests may run at once on one connection; 0 sets no limit.
    pub requests_per_connection: u32,
    /// What is on its way.
    pub drain: Drain,
    /// Whether the process can serve.
    pub readiness: Readiness,
    /// What time it is.
    pub clock: Clock,
    /// Cancelled when the process stops.
    pub stop: CancellationToken,
    /// The longest body, in bytes.
    pub body_limit: usize,
    /// How long a request may take as a whole.
    pub request_timeout: Duration,
    /// How long it goes on as before when it was told to stop.
    pub drain_delay: Duration,
    /// How late a read may be before another endpoint is asked as well.
    pub hedge_after: Option<Duration>,
    /// The most calls that one worker has under way to one upstream.
    pub concurrency: usize,
    /// How long the longest access token is good.
    pub token_lifetime: Duration,
}

impl Shared {
    /// What the configuration says, around what the process has.
    pub fn new(
        config: &Config,
        contracts: Arc<Contracts>,
        reference: Reference,
        verifier: Verifier,
        denylist: Denylist,
        quotas: Quotas,
        frame: &Frame,
    ) -> Self {
        let gateway = &config.gateway;
        let token_lifetime = Duration::from_secs(config.auth.access_token_ttl_seconds);
        Self {
            contracts,
            reference,
            verifier,
            api_keys: ApiKeys::new(frame.clock.clone()),
            denylist,
            rate_limits: RateLimits::new(config, quotas),
            proxies: Proxies::new(gateway),
            cors: Cors::new(gateway),
            secure: Secure::new(config),
            compression: Compression::new(gateway.compress_from_bytes),
            head_limits: HeadLimits {
                target: gateway.uri_limit_bytes,
                fields: gateway.header_limit_bytes,
            },
            requests_per_connection: gateway.requests_per_connection,
            drain: Drain::default(),
            readiness: frame.readiness.clone(),
            clock: frame.clock.clone(),
            stop: frame.stop.clone(),
            body_limit: gateway.body_limit_bytes,
            request_timeout: Duration::from_secs(gateway.request_timeout_seconds),
            drain_delay: Duration::from_secs(gateway.drain_delay_seconds),
            hedge_after: gateway.hedge_after(),
            concurrency: gateway.upstream_concurrency,
            token_lifetime: token_lifetime + SLACK,
        }
    }
}

/// One worker's own part: connections are never shared between workers.
pub struct Edge {
    /// What all workers share.
    pub shared: Shared,
    /// One per upstream, in the order of the list.
    pub backends: Vec<Backend>,
    /// Which of them are away just now.
    pub absences: Vec<Absence>,
    /// How much of each is asked for at a time.
    pub gates: Vec<Gate>,
    /// The upstreams themselves, for connections of a stream's own.
    pub upstreams: Vec<Upstream>,
    /// Room for streams.
    pub places: Places,
}

impl Edge {
    /// The auth service, where there is one.
    pub fn auth(&self) -> Option<&Backend> {
        let ours = |it: &Upstream| it.descriptors.is_some() && it.name == "auth";
        let place = self.upstreams.iter().position(ours)?;
        self.backends.get(place)
    }
}
