//! The process of the auth service alone.

use std::process::ExitCode;

use anyhow::Context;
use portico_auth::Migrator;
use portico_cache::Denylist;
use portico_service::{
    Config, Endpoints, Secret, Shape, database,
    process::{self, Process, Program},
};

struct Auth;

impl Program for Auth {
    const SHAPE: Shape = Shape::Auth;

    async fn serve(process: &Process) -> anyhow::Result<()> {
        let (config, frame) = (&process.config, &process.frame);
        let db = database::connect(&config.auth.database_url, config.auth.pool_size).await?;
        let db = database::observe("auth", db, frame);
        database::supervise::<Migrator>(&db, frame).await?;
        let redis = config.cache.redis_url.as_ref().map(Secret::expose);
        let cache = portico_cache::connect(redis).await?;
        let denylist = Denylist::start(cache.clone(), &frame.tasks, frame.stop.clone());
        let tls = config.tls.client()?;
        let users = Endpoints::new(&config.user.url, tls.as_ref()).context("USER__URL")?;
        let users = users.backend();
        let auth = portico_auth::start(config, db, users, cache, denylist, frame).await?;
        process
            .serve_grpc(config.auth.listen, auth.backend.clone())
            .await?;

        let (email, password) = (
            &config.auth.bootstrap_admin_email,
            &config.auth.bootstrap_admin_password,
        );
        if let (Some(email), Some(password)) = (email.clone(), password.clone()) {
            let stop = frame.stop.clone();
            frame.tasks.spawn(async move {
                let making = Box::pin(auth.bootstrap_admin_patiently(&email, password.expose()));
                if let Some(Err(error)) = stop.run_until_cancelled(making).await {
                    tracing::error!(%error, "cannot make the first administrator");
                }
            });
        }
        Ok(())
    }

    async fn migrate(config: &Config) -> anyhow::Result<()> {
        let db = database::connect(&config.auth.database_url, 2).await?;
        Ok(database::migrate::<Migrator>(&db).await?)
    }
}

fn main() -> ExitCode {
    process::run::<Auth>()
}
