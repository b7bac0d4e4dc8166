//! The frame of a process: what the gateway, the services and the standalone have in common around
//! their own work.
//!
//! A process is [`process::Process`] (commands, signals, draining) around a [`Frame`] (what tasks
//! share), with a [`Config`], an [`ops`] port, and gRPC services [`grpc::assemble`]d into a
//! [`Backend`].

mod backend;
mod clock;
pub mod config;
#[cfg(feature = "database")]
pub mod database;
pub mod deadline;
mod files;
mod frame;
pub mod grpc;
pub mod ops;
pub mod process;
mod readiness;
mod secret;
pub mod tls;

pub use backend::{Backend, BadUrl, BoxError, Endpoints, Fate, NotSent, Spare, Unary, never_sent};
pub use clock::{Clock, ClockHand};
pub use config::{Config, ConfigError, Shape};
pub use frame::Frame;
pub use readiness::{Check, CheckState, Readiness, State};
pub use secret::Secret;
