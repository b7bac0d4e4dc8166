//! The gateway as a process of its own.

use std::{process::ExitCode, sync::Arc};

use anyhow::Context;
use portico_cache::Denylist;
use portico_caller::{Keys, Verifier};
use portico_gateway::Upstream;
use portico_service::{
    Backend, Secret, Shape,
    process::{self, Process, Program},
};

struct Gateway;

impl Program for Gateway {
    const SHAPE: Shape = Shape::Gateway;

    async fn serve(process: &Process) -> anyhow::Result<()> {
        let Process { config, frame, .. } = process;
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
            .map(|(name, url, set)| upstream(name, url, Some(set)));
        let strangers = &config.gateway.upstreams;
        let strangers = strangers
            .iter()
            .map(|(name, url)| upstream(name, url, None));
        let upstreams = ours.chain(strangers).collect::<anyhow::Result<_>>()?;

        let redis = config.cache.redis_url.as_ref().map(Secret::expose);
        let cache = portico_cache::connect(redis).await?;
        let denylist = Denylist::start(cache, &frame.tasks, frame.stop.clone());
        let keys = Keys::from_backend(Backend::connect(&config.auth.url)?);
        let verifier = Verifier::new(
            &config.auth.issuer,
            &config.auth.audience,
            keys,
            denylist.clone(),
            frame.clock.clone(),
        );
        let server = portico_gateway::bind(config, upstreams, verifier, denylist, frame)?;
        process.spawn("gateway", server.run());
        Ok(())
    }
}

/// An upstream by its address, which is checked here once and used by each worker.
fn upstream(name: &str, url: &str, descriptors: Option<&'static [u8]>) -> anyhow::Result<Upstream> {
    Backend::connect(url).with_context(|| format!("the upstream {name} has a bad address"))?;
    let url = url.to_owned();
    Ok(Upstream {
        name: name.to_owned(),
        backend: Arc::new(move || Backend::connect(&url).expect("the address was checked")),
        descriptors,
    })
}

fn main() -> ExitCode {
    process::run::<Gateway>()
}
