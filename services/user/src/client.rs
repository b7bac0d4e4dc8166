//! `portico-user import` and `export`: accounts in and out of a running system, through its gateway.
//!
//! Over REST, since that is where people get in, and since a line of a file is what goes over the wire.

mod edge;
mod export;
mod http;
mod import;
mod lines;
mod place;
mod progress;

use std::{env, path::PathBuf, process::ExitCode};

use clap::{Args, Parser};
use edge::Edge;

/// What the help of the program says of these commands.
pub const HELP: &str = "\
At a running system, with a token in PORTICO_TOKEN:
  import FILE    Bring accounts in from a file of JSON lines; goes on where it was cut off
  export [FILE]  Write all accounts as JSON lines; goes on where it was cut off";

#[derive(Debug, Parser)]
#[command(name = "portico-user", version)]
enum Command {
    /// Bring accounts in from a file with a line of JSON each: {"user": {"email": …}, "passwordHash": …}.
    ///
    /// What is there just so is skipped. When it is cut off, or stopped, the same command goes on behind the last
    /// line that was answered, which stands in FILE.place. Refused lines are listed in FILE.refused.
    Import(import::Options),
    /// Write all accounts as lines that an import takes.
    ///
    /// They are gathered in FILE.part, which is renamed at the end. When it is cut off, or stopped, the same
    /// command goes on behind the last account there.
    Export(export::Options),
}

/// How the system is reached.
#[derive(Debug, Args)]
pub struct Connection {
    /// Where the gateway is: https://, or http:// to a port of this machine, to which a tunnel
    /// (`kubectl port-forward`, `ssh -L`) may lead.
    #[arg(long, env = "PORTICO_URL", default_value = "http://127.0.0.1:3000")]
    url: String,
    /// A file with the access token, read again whenever the connection is made again. Without it the token is
    /// taken from the variable `PORTICO_TOKEN`.
    #[arg(long, env = "PORTICO_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// A file (PEM) with the CA of the gateway's certificate, where the machine does not know it.
    #[arg(long, env = "PORTICO_CA_FILE")]
    ca_file: Option<PathBuf>,
    /// Sends the token over http:// to another machine too, where whoever listens can read it.
    #[arg(long)]
    plaintext: bool,
}

/// Carries out the command when it is one of these; `None` when it is another one.
pub fn run() -> Option<ExitCode> {
    let name = env::args_os().nth(1)?;
    if name != "import" && name != "export" {
        return None;
    }
    let command = match Command::try_parse() {
        Ok(command) => command,
        Err(error) => {
            // Help and version come this way too.
            let _ = error.print();
            let code = u8::try_from(error.exit_code());
            return Some(code.map_or(ExitCode::FAILURE, ExitCode::from));
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = runtime
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(carry_out(command)));
    Some(done.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    }))
}

async fn carry_out(command: Command) -> anyhow::Result<ExitCode> {
    let stop = tokio::signal::ctrl_c();
    match command {
        Command::Import(options) => {
            let edge = Edge::new(&options.connection)?;
            import::run(&options, &edge, stop).await
        }
        Command::Export(options) => {
            let edge = Edge::new(&options.connection)?;
            export::run(&options, &edge, stop).await
        }
    }
}
