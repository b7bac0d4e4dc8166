//! Configuration: one namespace for every shape of deployment.
//!
//! Environment variables (`GATEWAY__LISTEN`) stand over an optional file (`portico.toml`), which
//! stands over the defaults (`config/default.toml`). Only names that can be ours are looked at; among
//! those an unknown one is refused, with the nearest known name.

mod check;
mod edge;
mod environment;
mod error;
mod load;
pub mod rate_limits;
mod schema;
mod sections;

pub use error::ConfigError;
pub use sections::{
    AuthConfig, CacheConfig, Config, GatewayConfig, LogConfig, OpsConfig, Requirement, TlsConfig,
    UserConfig,
};

/// The file that is read from the working directory when no other is named and it exists.
pub const FILE: &str = "portico.toml";

/// The defaults, with a comment on each key: a good start for a `portico.toml`.
pub const DEFAULTS: &str = include_str!("config/default.toml");

/// Which process is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The REST edge alone.
    Gateway,
    /// The user service alone.
    User,
    /// The auth service alone.
    Auth,
    /// All in one process.
    Standalone,
}

impl Shape {
    /// The name in logs, traces and `application_name` of database connections.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "portico-gateway",
            Self::User => "portico-user",
            Self::Auth => "portico-auth",
            Self::Standalone => "portico",
        }
    }
}

#[cfg(test)]
mod tests;
