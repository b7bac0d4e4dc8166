//! Layers that measure and trace gRPC calls, around a server's services and around a client's
//! transport. A service that is called in process gets the same ones.

mod body;
mod client;
mod instruments;
mod server;

pub use client::{Client, ClientLayer, Outgoing};
pub use server::{Server, ServerLayer};

use std::{error::Error, future::Future, pin::Pin};

use tonic::{Code, Status, body::Body};

type BoxError = Box<dyn Error + Send + Sync>;
type Answer = Pin<Box<dyn Future<Output = Result<http::Response<Body>, BoxError>> + Send>>;

/// The code that a response's headers already give: with an error that came before any message, gRPC
/// sends nothing but headers.
fn code_in(headers: &http::HeaderMap) -> Option<Code> {
    headers
        .get(Status::GRPC_STATUS)
        .map(|value| Code::from_bytes(value.as_bytes()))
}

/// The code behind a failed call.
fn code_of(error: &(dyn Error + 'static)) -> Code {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(status) = error.downcast_ref::<Status>() {
            return status.code();
        }
        cause = error.source();
    }
    Code::Unavailable
}

/// Service and method of a gRPC path, `/package.Service/Method`.
fn split(path: &str) -> Option<(&str, &str)> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    (!service.is_empty() && !method.is_empty() && !method.contains('/'))
        .then_some((service, method))
}

#[cfg(test)]
mod tests;
