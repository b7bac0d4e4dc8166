//! The auth service: credentials, sessions, tokens and the keys that sign them.
//!
//! It keeps its own small copy of each account, fed by the user service's event feed, so that sign-in
//! works while that service is away. Nothing in its database is a usable secret: passwords are hashed,
//! refresh tokens are hashes, private keys are encrypted under a key that only the operator has.

mod api_keys;
mod bootstrap;
mod clients;
mod core;
mod crash;
mod domain;
mod email;
mod error;
mod factors;
mod feed;
mod grpc;
mod guessing;
mod import;
mod keys;
mod lease;
mod links;
mod login;
mod logout;
mod mail;
mod mfa;
mod migration;
mod oauth;
mod password;
mod passwords;
mod refresh;
mod register;
mod repair;
mod revocations;
mod roles;
mod server;
mod service_accounts;
mod sessions;
mod storage;
mod tokens;
mod upkeep;
mod users;

pub use migration::Migrator;
pub use passwords::breached::{BuildError, Built, build as build_breached};
pub use server::{Auth, start};
