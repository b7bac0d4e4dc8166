//! The layer around a service's routes.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{FutureExt, future::BoxFuture};
use http::{HeaderName, Request, Response, request::Parts};
use tonic::body::Body;
use tower::{Layer, Service};
use tracing::debug;

use crate::{
    Access, Admission, Caller, Policies, Policy, Refusal, Verifier, admission::misuse, bearer,
};

/// What must answer whoever asks: probes have no token, and reflection tells what is public anyway.
const OPEN: [&str; 2] = ["/grpc.health.v1.Health/", "/grpc.reflection."];

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// Lets calls in by their method's policy, and leaves an [`Admission`] in each request.
///
/// A refused call is answered with a gRPC status; the handler never sees it. Health and reflection pass.
#[derive(Clone)]
pub struct Guard {
    verifier: Verifier,
    policies: Arc<Policies>,
}

impl Guard {
    /// A guard that verifies with `verifier` and decides by `policies`.
    pub fn new(verifier: Verifier, policies: Arc<Policies>) -> Self {
        Self { verifier, policies }
    }

    async fn admit(&self, request: &Parts) -> Result<Admission, Refusal> {
        let policy = self.policies.get(request.uri.path());
        let caller = self.caller(policy, request).await?;
        Admission::new(policy, caller)
    }

    async fn caller(
        &self,
        policy: &Policy,
        request: &Parts,
    ) -> Result<Option<Arc<Caller>>, Refusal> {
        let found = match bearer::of_headers(&request.headers) {
            Ok(token) => self.verifier.verify(token).await,
            Err(refusal) => Err(refusal),
        };
        match found {
            Ok(caller) => Ok(Some(caller)),
            // A public method answers everybody, so also those with a token that was good once.
            Err(_) if policy.access == Access::Public => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }
}

impl<S> Layer<S> for Guard {
    type Service = GuardService<S>;

    fn layer(&self, inner: S) -> GuardService<S> {
        GuardService {
            inner,
            guard: self.clone(),
        }
    }
}

/// What [`Guard`] makes of a service.
#[derive(Clone)]
pub struct GuardService<S> {
    inner: S,
    guard: Guard,
}

impl<S, B> Service<Request<B>> for GuardService<S>
where
    S: Service<Request<B>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that was found ready goes along; its clone stays and is asked again.
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        if OPEN
            .iter()
            .any(|open| request.uri().path().starts_with(open))
        {
            return inner.call(request).boxed();
        }
        let guard = self.guard.clone();
        async move {
            let (mut parts, body) = request.into_parts();
            let admission = match guard.admit(&parts).await {
                Ok(admission) => admission,
                Err(refusal) => {
                    let method = parts.uri.path();
                    debug!(method, reason = refusal.reason().as_str(), %refusal, "refused a call");
                    return Ok(tonic::Status::from(refusal).into_http());
                }
            };
            parts.extensions.insert(admission.clone());
            let response = inner.call(Request::from_parts(parts, body)).await?;
            // An error may well come before anybody asks; an answer may not.
            if admission.forgotten() && !response.headers().contains_key(GRPC_STATUS) {
                let status = misuse("a method with a self field did not ask whose it is");
                return Ok(status.into_http());
            }
            Ok(response)
        }
        .boxed()
    }
}
