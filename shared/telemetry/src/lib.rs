//! What every process of Portico tells about itself: logs, metrics and traces.
//!
//! [`init`] installs all three once per process. [`grpc`] and [`http`] measure calls, [`trace`] decides which
//! requests are recorded, and [`propagation`] carries a trace across a border.

mod export;
mod figures;
mod filter;
pub mod grpc;
pub mod http;
mod init;
mod level;
mod log;
mod metrics;
pub mod propagation;
pub mod request_id;
pub mod trace;
mod waits;

pub use figures::watch_runtime;
pub use init::{Error, Telemetry, init};
pub use level::LogLevel;
pub use log::LogFormat;
pub use metrics::{Metrics, Row, Table};
