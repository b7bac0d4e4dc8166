//! The gateway as a process of its own.

use std::process::ExitCode;

use portico_cache::{Denylist, Quotas};
use portico_caller::{Keys, Verifier};
use portico_gateway::Upstream;
use portico_service::{
    Endpoints, Secret, Shape,
    process::{self, Process, Program},
};

struct Gateway;

impl Program for Gateway {
    const SHAPE: Shape = Shape::Gateway;

    async fn serve(process: &Process) -> anyhow::Result<()> {
        let Process { config, frame, .. } = process;
        let tls = config.tls.client()?;
        let ours = [
            (
                "user",
                &config.user.url,
                portico_proto::user::DESCRIPTOR_SET,
            ),
            (
                "auth",
                &config.auth.url,
                portico_proto::auth::DESCRIPTOR_SET,
            ),
        ];
        let ours = ours
            .into_iter()
            .map(|(name, url, set)| Upstream::remote(name, url, tls.as_ref(), Some(set)));
        let mut upstreams = ours.collect::<anyhow::Result<Vec<_>>>()?;
        upstreams.extend(Upstream::strangers(config)?);

        let redis = config.cache.redis_url.as_ref().map(Secret::expose);
        let cache = portico_cache::connect(redis).await?;
        let quotas = Quotas::new(redis.map(|_| cache.clone()));
        let denylist = Denylist::start(cache, &frame.tasks, frame.stop.clone());
        let keys = Keys::from_backend(Endpoints::new(&config.auth.url, tls.as_ref())?.backend());
        let verifier = Verifier::new(
            &config.auth.issuer,
            &config.auth.audience,
            keys,
            denylist.clone(),
            frame.clock.clone(),
        );
        let server = portico_gateway::bind(config, upstreams, verifier, denylist, quotas, frame)?;
        process.spawn("gateway", server.run());
        Ok(())
    }
}

fn main() -> ExitCode {
    process::run::<Gateway>()
}
