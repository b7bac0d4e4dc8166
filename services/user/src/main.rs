//! `portico-user serve | migrate | healthcheck`, and for people at a running system `import | export`.

mod client;

use std::process::ExitCode;

use portico_cache::Denylist;
use portico_caller::{Keys, Verifier};
use portico_service::{
    Config, Endpoints, Secret, Shape, database,
    process::{self, Process, Program},
};
use portico_user::Migrator;

struct User;

impl Program for User {
    const SHAPE: Shape = Shape::User;
    const COMMANDS: &'static str = client::HELP;

    async fn serve(process: &Process) -> anyhow::Result<()> {
        let Process { config, frame, .. } = process;
        let redis_url = config.cache.redis_url.as_ref().map(Secret::expose);
        let cache = portico_cache::connect(redis_url).await?;
        let denylist = Denylist::start(cache, &frame.tasks, frame.stop.clone());
        let keys = Keys::from_backend(
            Endpoints::new(&config.auth.url, config.tls.client()?.as_ref())?.backend(),
        );
        let (issuer, audience) = (&config.auth.issuer, &config.auth.audience);
        let verifier = Verifier::new(issuer, audience, keys, denylist, frame.clock.clone());

        let db = database::connect(&config.user.database_url, config.user.pool_size).await?;
        let db = database::observe("user", db, frame);
        let backend = portico_user::start(config, db, verifier, frame).await?;
        process.serve_grpc(config.user.listen, backend).await?;
        Ok(())
    }

    async fn migrate(config: &Config) -> anyhow::Result<()> {
        let db = database::connect(&config.user.database_url, 1).await?;
        database::migrate::<Migrator>(&db).await?;
        Ok(db.close().await?)
    }
}

fn main() -> ExitCode {
    client::run().unwrap_or_else(process::run::<User>)
}
