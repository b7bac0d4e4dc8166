//! `portico`: the whole system with one command.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::Context;
use portico::System;
use portico_service::{
    Config, Shape, database,
    process::{self, Process, Program},
};

fn main() -> ExitCode {
    process::run::<Standalone>()
}

struct Standalone;

impl Program for Standalone {
    const SHAPE: Shape = Shape::Standalone;

    async fn serve(process: &Process) -> anyhow::Result<()> {
        let system = portico::start(&process.config, &process.frame).await?;
        let url = format!("http://{}", system.gateway.addr);
        welcome(&url, &system).context("cannot write to standard output")?;
        process.spawn("gateway", system.run());
        Ok(())
    }

    async fn migrate(config: &Config) -> anyhow::Result<()> {
        let users = database::connect(&config.user.database_url, config.user.pool_size).await?;
        database::migrate::<portico_user::Migrator>(&users).await?;
        let auth = database::connect(&config.auth.database_url, config.auth.pool_size).await?;
        database::migrate::<portico_auth::Migrator>(&auth).await?;
        Ok(())
    }
}

/// Says what a person at the terminal wants to know. The password is said here and nowhere else.
fn welcome(url: &str, system: &System) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "\nPortico serves {url}")?;
    if let Some(administrator) = &system.administrator {
        writeln!(
            out,
            "\nThe first administrator, shown this once:\n\n{administrator}"
        )?;
        out.flush()?;
        system.shown()?;
    }
    writeln!(
        out,
        "\nTo try:\n\n\
         curl -X POST {url}/api/v1/auth/register -H 'content-type: application/json' \\\n\
         \x20    -d '{{\"email\": \"ada@example.org\", \"password\": \"correct horse battery\"}}'\n\
         curl -X POST {url}/api/v1/auth/login -H 'content-type: application/json' \\\n\
         \x20    -d '{{\"email\": \"ada@example.org\", \"password\": \"correct horse battery\"}}'\n\
         curl {url}/api/v1/users/me -H 'authorization: Bearer ACCESS_TOKEN'\n"
    )?;
    Ok(out.flush()?)
}
