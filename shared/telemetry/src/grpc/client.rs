//! The client's side of a call.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    task::{Context, Poll},
};

use http::HeaderMap;
use tonic::{Code, body::Body};
use tower::{Layer, Service};
use tracing::{Instrument, Span, field::Empty};

use super::{
    Answer, BoxError,
    body::{Call, Measured},
    code_in, code_of,
    instruments::{Instruments, Side},
    split,
};
use crate::{propagation, trace};

/// The most methods that get labels of their own; further ones count as `unknown`.
const LABELLED: usize = 2048;

struct Methods {
    known: RwLock<HashMap<Box<str>, Arc<Instruments>>>,
    unknown: Arc<Instruments>,
}

impl Methods {
    fn get(&self, path: &str) -> Option<Arc<Instruments>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(path).cloned()
    }

    /// The instruments for a path that was answered with that code. A method that the server does not
    /// have gets no labels, since anybody can make such a path up.
    fn learn(&self, path: &str, code: Option<Code>) -> Arc<Instruments> {
        let Some((service, method)) = split(path) else {
            return Arc::clone(&self.unknown);
        };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(instruments) = known.get(path) {
            return Arc::clone(instruments);
        }
        if code == Some(Code::Unimplemented) || known.len() >= LABELLED {
            return Arc::clone(&self.unknown);
        }
        let instruments = Instruments::new(Side::Client, service, method);
        known.insert(path.into(), Arc::clone(&instruments));
        instruments
    }
}

/// Gives each call a client span, sends its trace context along (W3C Trace Context), and counts the
/// call when its answer's last byte is read. Where no spans are exported, there is none: a log line
/// finds its request by the server's span.
#[derive(Clone)]
pub struct ClientLayer(Arc<Methods>);

impl ClientLayer {
    /// A layer that learns the methods as they are called.
    pub fn new() -> Self {
        Self(Arc::new(Methods {
            known: RwLock::default(),
            unknown: Instruments::new(Side::Client, "unknown", "unknown"),
        }))
    }

    /// Begins a call of that path (`/package.Service/Method`) which no service of this layer carries.
    pub fn begin(&self, path: &str) -> Outgoing {
        let instruments = self.0.get(path);
        Outgoing {
            new: instruments.is_none().then(|| Arc::clone(&self.0)),
            call: Call::new(span(path), instruments),
        }
    }
}

/// A call on its way. Dropped before its end, it counts as cancelled.
pub struct Outgoing {
    call: Call,
    /// Who learns the method, when it was never called before.
    new: Option<Arc<Methods>>,
}

impl Outgoing {
    /// Sends the call's trace context along.
    pub fn inject(&self, headers: &mut HeaderMap) {
        propagation::inject(self.call.span(), headers);
    }

    /// Counts the call and closes its span. `path` is the one that it began with.
    pub fn finish(mut self, path: &str, code: Code) {
        self.learn(path, Some(code));
        self.call.finish(code);
    }

    fn learn(&mut self, path: &str, code: Option<Code>) {
        if let Some(methods) = self.new.take() {
            self.call.measured_by(methods.learn(path, code));
        }
    }
}

impl Default for ClientLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for ClientLayer {
    type Service = Client<S>;

    fn layer(&self, inner: S) -> Client<S> {
        Client {
            inner,
            layer: self.clone(),
        }
    }
}

/// What [`ClientLayer`] makes.
#[derive(Clone)]
pub struct Client<S> {
    inner: S,
    layer: ClientLayer,
}

impl<S> Service<http::Request<Body>> for Client<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = BoxError;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Answer {
        let mut outgoing = self.layer.begin(request.uri().path());
        outgoing.inject(request.headers_mut());
        // The path is only needed again for a method that is new.
        let uri = outgoing.new.as_ref().map(|_| request.uri().clone());
        let span = outgoing.call.span().clone();
        let answer = span.in_scope(|| self.inner.call(request)).instrument(span);
        Box::pin(async move {
            let answer = answer.await.map_err(Into::into);
            let code = match &answer {
                Ok(response) => code_in(response.headers()),
                Err(error) => Some(code_of(&**error)),
            };
            if let Some(uri) = uri {
                outgoing.learn(uri.path(), code);
            }
            let Outgoing { mut call, .. } = outgoing;
            match answer {
                Ok(response) => Ok(Measured::response(response, call)),
                Err(error) => {
                    call.finish(code.unwrap_or(Code::Unknown));
                    Err(error)
                }
            }
        })
    }
}

/// A call is recorded when what it is made for is.
fn span(path: &str) -> Span {
    if !trace::is_recording() {
        return Span::none();
    }
    let method = path.strip_prefix('/').unwrap_or(path);
    tracing::info_span!(
        "grpc_client",
        otel.name = method,
        otel.kind = "client",
        otel.status_code = Empty,
        rpc.system.name = "grpc",
        rpc.method = method,
        rpc.response.status_code = Empty,
        error.type = Empty,
    )
}
