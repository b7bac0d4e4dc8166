//! Bearer tokens in headers (RFC 6750, section 2.1), coming and going.

use std::{
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::Either;
use http::{HeaderValue, header::AUTHORIZATION};
use portico_proto::error::Reason;
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use crate::Refusal;

const SCHEME: &[u8] = b"bearer ";

/// The token in the value of an `Authorization` header.
///
/// # Errors
///
/// [`Refusal::Missing`] for another scheme, [`Refusal::Malformed`] for what no token can be.
pub fn bearer_token(value: &[u8]) -> Result<&str, Refusal> {
    let Some((scheme, token)) = value.split_at_checked(SCHEME.len()) else {
        return Err(Refusal::Missing);
    };
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return Err(Refusal::Missing);
    }
    let token = str::from_utf8(token).map_err(|_| Refusal::Malformed("it is not text"))?;
    match token.trim_matches(' ') {
        "" => Err(Refusal::Missing),
        token => Ok(token),
    }
}

/// The token of a request, if it carries one.
pub(crate) fn of_headers(headers: &http::HeaderMap) -> Result<&str, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (None, _) => Err(Refusal::Missing),
        (Some(value), None) => bearer_token(value.as_bytes()),
        (Some(_), Some(_)) => Err(Refusal::Malformed("there is more than one")),
    }
}

type Source = dyn Fn() -> Result<String, Status> + Send + Sync;

/// A client layer that sends a token with each call, such as a service's own.
#[derive(Clone)]
pub struct Bearer {
    source: Arc<Source>,
}

impl Bearer {
    /// A layer that asks for the token at each call, so that the source may renew it. When the source
    /// fails, so does the call, with that status and without being sent.
    pub fn new(source: impl Fn() -> Result<String, Status> + Send + Sync + 'static) -> Self {
        Self {
            source: Arc::new(source),
        }
    }

    fn header(&self) -> Result<HeaderValue, Status> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", (self.source)()?))
            .map_err(|_| Reason::Internal.status("the service's own token cannot be sent"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl<S> Layer<S> for Bearer {
    type Service = BearerService<S>;

    fn layer(&self, inner: S) -> BearerService<S> {
        BearerService {
            inner,
            bearer: self.clone(),
        }
    }
}

/// What [`Bearer`] makes of a client's transport.
#[derive(Clone)]
pub struct BearerService<S> {
    inner: S,
    bearer: Bearer,
}

impl<S, B> Service<http::Request<B>> for BearerService<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>>,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Self::Response, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        match self.bearer.header() {
            Ok(value) => {
                request.headers_mut().insert(AUTHORIZATION, value);
                Either::Left(self.inner.call(request))
            }
            Err(status) => Either::Right(ready(Ok(status.into_http()))),
        }
    }
}
