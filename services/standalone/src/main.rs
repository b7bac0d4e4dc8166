//! `portico`: the whole system with one command.

use std::process::ExitCode;

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
        println!("{}", welcome(&url, system.administrator.as_ref()));
        process.spawn("gateway", system.gateway.run());
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

/// What a person at the terminal wants to know. The password is said here and nowhere else.
fn welcome(url: &str, administrator: Option<&portico::Administrator>) -> String {
    let mut text = format!("\nPortico serves {url}\n");
    if let Some(administrator) = administrator {
        text += &format!("\nThe first administrator, shown this once:\n\n{administrator}");
    }
    text + &format!(
        "\nTo try:\n\n\
         curl -X POST {url}/api/v1/auth/register -H 'content-type: application/json' \\\n\
         \x20    -d '{{\"email\": \"ada@example.org\", \"password\": \"correct horse battery\"}}'\n\
         curl -X POST {url}/api/v1/auth/login -H 'content-type: application/json' \\\n\
         \x20    -d '{{\"email\": \"ada@example.org\", \"password\": \"correct horse battery\"}}'\n\
         curl {url}/api/v1/users/me -H 'authorization: Bearer ACCESS_TOKEN'\n"
    )
}
