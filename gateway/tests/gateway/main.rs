//! The gateway through its public door: HTTP in front, gRPC services of the tests' own behind.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod abuse;
mod access;
mod binary;
mod browser;
mod http;
mod limits;
mod preconditions;
mod reference;
mod refusals;
mod stranger;
mod streams;
mod support;
mod uploads;
mod upstream;
