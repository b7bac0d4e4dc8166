//! The REST edge: JSON over HTTP in front, gRPC behind.
//!
//! The gateway learns routes, shapes and access policy from the descriptors of its upstreams
//! (`contract`) and has no handler for any business RPC. A request goes through `server` from top to
//! bottom: request id, trace, metrics, limits, caller, and then `proxy`.

mod api_keys;
mod caller;
mod codec;
mod contract;
mod drain;
mod edge;
mod headers;
mod limits;
mod listen;
mod openapi;
mod overload;
mod own;
mod preconditions;
mod problem;
mod proxy;
mod request;
mod retry;
mod run;
mod server;
mod stream;
mod trace;

pub use run::{Error, Server, Upstream, bind};
