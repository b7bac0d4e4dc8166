//! A network channel whose losses are called by their name.

use std::{
    error::Error,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http_body::{Frame, SizeHint};
use portico_proto::error::Reason;
use tonic::{Code, ConnectError, Status, TimeoutExpired, body::Body, transport::Channel};
use tower::Service;

use super::{BoxError, Request, Response};

/// A channel that answers `UNAVAILABLE` when the connection could not be made or was lost. Left to
/// itself, tonic reports some of these as `UNKNOWN` or `CANCELLED`, which callers must take for answers
/// of the service.
#[derive(Clone)]
pub(super) struct Honest(Channel);

impl Honest {
    pub(super) fn new(channel: Channel) -> Self {
        Self(channel)
    }
}

impl Service<Request> for Honest {
    type Response = Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx).map_err(|error| honest(&error).into())
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let answer = self.0.call(request);
        Box::pin(async move {
            match answer.await {
                Ok(response) => Ok(response.map(|body| Body::new(Incoming(body)))),
                Err(error) => Err(honest(&error).into()),
            }
        })
    }
}

/// A transport's error as what it is. The cause goes to the log and not to the caller.
fn honest(error: &(dyn Error + 'static)) -> Status {
    let mut cause = Some(error);
    while let Some(error) = cause {
        // The channel keeps the deadline of the request that it was given.
        if error.is::<TimeoutExpired>() {
            return Reason::DeadlineExceeded.status("the deadline passed before the answer came");
        }
        if let Some(ConnectError(refused)) = error.downcast_ref() {
            tracing::debug!(error, "no connection");
            return super::unary::not_sent(refused.to_string());
        }
        if let Some(status) = error.downcast_ref::<Status>()
            && !is_loss(status.code())
        {
            return status.clone();
        }
        cause = error.source();
    }
    tracing::debug!(error, "connection lost");
    Reason::Unavailable.status("the service cannot be reached")
}

/// Whether tonic's code for a failed transport may stand for a connection that was lost.
fn is_loss(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown | Code::Cancelled | Code::Unavailable | Code::Internal
    )
}

/// A response body; what fails in it is the connection, since a status travels in the trailers.
struct Incoming(Body);

impl http_body::Body for Incoming {
    type Data = <Body as http_body::Body>::Data;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Status>>> {
        Pin::new(&mut self.0)
            .poll_frame(cx)
            .map(|frame| frame.map(|frame| frame.map_err(|status| honest(&status))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
