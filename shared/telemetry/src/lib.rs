//! What every process of Portico tells about itself: logs, metrics and traces.
//!
//! [`init`] installs all three once per process. [`grpc`] and [`http`] measure calls, and
//! [`propagation`] carries a trace across a border.

pub mod grpc;
pub mod http;
mod init;
mod log;
mod metrics;
pub mod propagation;
pub mod request_id;

pub use init::{Error, Telemetry, init};
pub use log::LogFormat;
pub use metrics::Metrics;
