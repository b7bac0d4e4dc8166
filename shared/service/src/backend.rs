//! A gRPC service, wherever it runs.

use std::{
    error::Error,
    fmt,
    future::Future,
    hash::{BuildHasher, RandomState},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use portico_telemetry::grpc::ClientLayer;
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Status, body::Body};
use tower::{Layer, Service, ServiceExt, util::BoxCloneSyncService};
use tracing::Instrument;

use crate::deadline;

mod balance;
mod breaker;
mod budget;
mod dial;
mod endpoints;
mod lazy;
mod lost;
mod narrow;
mod unary;
mod wide;

pub use endpoints::{BadUrl, Endpoints, SEPARATOR};
pub use lost::{Fate, NotSent, never_sent};
pub use unary::{Spare, Unary};

/// What a call can fail with besides a gRPC status.
pub type BoxError = Box<dyn Error + Send + Sync>;

type Request = http::Request<Body>;
type Response = http::Response<Body>;

/// What this end calls itself.
const AGENT: &str = concat!("portico/", env!("CARGO_PKG_VERSION"));

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(3);
/// How often an idle connection is asked whether it lives, and how long the answer may take. Without
/// it, a vanished peer holds calls until their deadline.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
const KEEP_ALIVE_ANSWER: Duration = Duration::from_secs(5);
/// The same of TCP, which a firewall on the way may want to see.
const TCP_KEEP_ALIVE: Duration = Duration::from_mins(1);
/// How much of one answer, and of all together, may be on its way unread, in bytes.
const STREAM_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = 5 << 20;
/// How much longer than the service a call waits for its answer, which should be the service's.
const LATER: Duration = Duration::from_millis(100);

/// A gRPC service: a channel over the network, or one in this process. Generated clients take it as
/// their transport (`UserServiceClient::new(backend)`), and cannot tell which it is.
#[derive(Clone)]
pub struct Backend {
    service: BoxCloneSyncService<Request, Response, BoxError>,
    /// The shorter way for [`Backend::unary`], over a connection of its own.
    direct: Option<Arc<unary::Direct>>,
}

impl Backend {
    /// A backend around any gRPC service of this process.
    pub fn new<S>(service: S) -> Self
    where
        S: Service<Request, Response = Response> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
    {
        Self {
            service: BoxCloneSyncService::new(service.map_err(Into::into)),
            direct: None,
        }
    }

    /// A backend over the network: [`Endpoints`] for one user, who trusts whom the machine trusts. It
    /// connects with the first call, and again whenever the connection is lost; meanwhile calls fail
    /// with `UNAVAILABLE`. Calls are measured and traced.
    ///
    /// Must be called within a tokio runtime, which drives the connections.
    pub fn connect(urls: &str) -> Result<Self, BadUrl> {
        Ok(Endpoints::new(urls, None)?.backend())
    }

    /// The same service, with each call run on that runtime, however it is polled. For the in-process
    /// shape, where the caller's thread is not the place for the work. A call that is dropped is
    /// cancelled there. Calls are measured and traced as over the network.
    #[must_use]
    pub fn on(self, handle: Handle) -> Self {
        Self::new(ClientLayer::new().layer(Elsewhere {
            inner: self,
            handle,
        }))
    }
}

impl Service<Request> for Backend {
    type Response = Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.service.call(request)
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Backend")
    }
}

#[derive(Clone)]
struct Elsewhere {
    inner: Backend,
    handle: Handle,
}

impl Service<Request> for Elsewhere {
    type Response = Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // Readiness is waited for over there.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        // Over there, nobody knows of the call that is being served here.
        deadline::pass_on(request.headers_mut());
        let call = self.inner.clone().oneshot(request).in_current_span();
        let running = AbortOnDropHandle::new(self.handle.spawn(call));
        Box::pin(async move {
            match running.await {
                Ok(answer) => answer,
                Err(error) if error.is_panic() => {
                    tracing::error!("a call panicked");
                    Err(Status::internal("a fault of the service").into())
                }
                Err(_) => Err(Status::unavailable("the service has stopped").into()),
            }
        })
    }
}

/// Chance enough to keep callers from doing the same at the same time: from 0 to 1.
fn chance() -> f32 {
    let bits = u16::try_from(seed() & 0xffff).unwrap_or_default();
    f32::from(bits) / f32::from(u16::MAX)
}

fn seed() -> u64 {
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests;
