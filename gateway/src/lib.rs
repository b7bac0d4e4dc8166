//! The REST edge: JSON over HTTP in front, gRPC behind.
//!
//! The gateway learns routes, shapes and access policy from the descriptors of its upstreams
//! (`contract`) and has no handler for any business RPC. A request goes through `server` from top to
//! bottom: request id, trace, metrics, limits, admission, and then `proxy`; what browsers and caches are told
//! comes last.

mod admission;
mod api_keys;
mod audit;
mod browser;
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
mod payload;
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
