//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// What a process of one service understands.
#[derive(Debug, Parser)]
#[command(version, about = "A service of Portico. Without a command it serves.")]
pub(super) struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The configuration file, instead of `portico.toml` in the working directory.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where SQLite databases and a master key of the process' own making lie.
    #[arg(long, global = true, value_name = "FOLDER")]
    pub data_dir: Option<String>,
    /// Print the effective configuration, secrets hidden, and exit.
    #[arg(long, global = true)]
    pub print_config: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Subcommand)]
pub(super) enum Command {
    /// Serve until told to stop.
    #[default]
    Serve,
    /// Bring the database up to date, and exit.
    Migrate,
    /// Ask a running process on this machine whether it is alive: exit code 0, or 1.
    Healthcheck,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_command_it_serves() {
        let cli = Cli::try_parse_from(["portico-user"]).unwrap();
        assert_eq!(cli.command.unwrap_or_default(), Command::Serve);
    }

    #[test]
    fn options_stand_on_either_side_of_the_command() {
        for line in [
            [
                "p",
                "--config",
                "a.toml",
                "--data-dir",
                "d",
                "--print-config",
                "migrate",
            ],
            [
                "p",
                "migrate",
                "--config",
                "a.toml",
                "--data-dir",
                "d",
                "--print-config",
            ],
        ] {
            let cli = Cli::try_parse_from(line).unwrap();
            assert_eq!(cli.command, Some(Command::Migrate));
            assert_eq!(cli.config, Some(PathBuf::from("a.toml")));
            assert_eq!(cli.data_dir.as_deref(), Some("d"));
            assert!(cli.print_config);
        }
        assert!(Cli::try_parse_from(["p", "frobnicate"]).is_err());
    }
}
