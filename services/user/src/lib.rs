//! The user service: who exists, what is known of them, whether they may act and in which roles.
//!
//! It keeps accounts in a database of its own, and with each change an event that other services follow.
//! The imports go one way: `domain` ← `wire` ← `storage` ← use cases (a file each) ← `grpc` ←
//! `server`.

mod confirm_email;
mod create;
mod domain;
mod error;
mod get;
mod grants;
mod grpc;
mod lifecycle;
mod list;
mod migration;
mod pause;
mod provision;
mod purge;
mod retention;
mod roles;
mod server;
mod storage;
mod sweep;
mod transfer;
mod unread;
mod update;
mod users;
mod watch;
mod wire;

pub use migration::Migrator;
pub use server::start;
