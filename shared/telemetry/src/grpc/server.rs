//! The server's side of a call.

use std::{
    collections::HashMap,
    sync::Arc,
    task::{Context, Poll},
};

use tonic::body::Body;
use tower::{Layer, Service};
use tracing::field::Empty;

use super::{
    Answer, BoxError,
    body::{Call, Measured},
    code_of,
    instruments::{Instruments, Side},
    split,
};
use crate::{propagation::Incoming, request_id, trace::Trace};

struct Method {
    full: Box<str>,
    instruments: Arc<Instruments>,
}

impl Method {
    fn new(service: &str, name: &str) -> Self {
        Self {
            full: format!("{service}/{name}").into(),
            instruments: Instruments::new(Side::Server, service, name),
        }
    }
}

struct Methods {
    known: HashMap<Box<str>, Method>,
    unknown: Method,
}

/// Gives each call a server span whose parent is the caller's (W3C Trace Context), and counts it.
///
/// Only the methods that the layer was made for get labels of their own; whatever else a caller sends
/// is counted as `unknown`.
#[derive(Clone)]
pub struct ServerLayer(Arc<Methods>);

impl ServerLayer {
    /// A layer for the methods of those paths (`/package.Service/Method`).
    pub fn new<P: AsRef<str>>(paths: impl IntoIterator<Item = P>) -> Self {
        let known = paths
            .into_iter()
            .filter_map(|path| {
                let (service, method) = split(path.as_ref())?;
                Some((path.as_ref().into(), Method::new(service, method)))
            })
            .collect();
        Self(Arc::new(Methods {
            known,
            unknown: Method::new("unknown", "unknown"),
        }))
    }
}

impl<S> Layer<S> for ServerLayer {
    type Service = Server<S>;

    fn layer(&self, inner: S) -> Server<S> {
        Server {
            inner,
            methods: Arc::clone(&self.0),
        }
    }
}

/// What [`ServerLayer`] makes.
#[derive(Clone)]
pub struct Server<S> {
    inner: S,
    methods: Arc<Methods>,
}

impl<S> Service<http::Request<Body>> for Server<S>
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

    fn call(&mut self, request: http::Request<Body>) -> Answer {
        let methods = &self.methods;
        let method = methods
            .known
            .get(request.uri().path())
            .unwrap_or(&methods.unknown);
        let trace = trace(method, request.headers());
        let answer = trace.span().in_scope(|| self.inner.call(request));
        let answer = trace.scope(answer);
        let mut call = Call::served(trace, Arc::clone(&method.instruments));
        Box::pin(async move {
            match answer.await {
                Ok(response) => Ok(Measured::response(response, call)),
                Err(error) => {
                    let error = error.into();
                    call.finish(code_of(&*error));
                    Err(error)
                }
            }
        })
    }
}

fn trace(method: &Method, headers: &http::HeaderMap) -> Trace {
    let request_id = headers
        .get(request_id::HEADER)
        .and_then(|value| value.to_str().ok())
        .filter(|id| request_id::is_sane(id));
    let recorded = || {
        tracing::info_span!(
            "grpc_server",
            otel.name = &*method.full,
            otel.kind = "server",
            otel.status_code = Empty,
            rpc.system.name = "grpc",
            rpc.method = &*method.full,
            rpc.response.status_code = Empty,
            error.type = Empty,
            request_id,
        )
    };
    let plain = |trace_id: Option<u128>| tracing::info_span!("grpc_server", request_id, trace_id);
    Trace::begin(&Incoming::of(headers), recorded, plain)
}
