//! The caller's deadline, kept on the server's side.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http_body::{Frame, SizeHint};
use portico_proto::error::Reason;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};
use tonic::{Status, body::Body};
use tower::Service;

use crate::deadline;

/// How much earlier than the caller the call gives up, so that the answer is this one: tonic's own
/// timer starts a moment sooner, and answers `CANCELLED`.
const EARLIER: Duration = Duration::from_millis(2);

/// Drops a call when its `grpc-timeout` has passed, and answers `DEADLINE_EXCEEDED`. The deadline also
/// ends a response that is still streaming.
#[derive(Clone)]
pub(super) struct Deadline<S>(S);

impl<S> Deadline<S> {
    pub(super) fn new(inner: S) -> Self {
        Self(inner)
    }
}

impl<S> Service<http::Request<Body>> for Deadline<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let Some(timeout) = deadline::asked(request.headers()) else {
            return Box::pin(self.0.call(request));
        };
        let deadline = Instant::now() + timeout.saturating_sub(EARLIER);
        let answer = deadline::within(deadline, self.0.call(request));
        Box::pin(async move {
            let Ok(answer) = timeout_at(deadline, answer).await else {
                return Ok(passed().into_http());
            };
            answer.map(|response| {
                response.map(|body| {
                    Body::new(Until {
                        inner: body,
                        deadline,
                        sleep: None,
                        over: false,
                    })
                })
            })
        })
    }
}

fn passed() -> Status {
    Reason::DeadlineExceeded.status("the deadline passed before the call was done")
}

/// A response body that ends with `DEADLINE_EXCEEDED` when the deadline passes before its last frame.
struct Until {
    inner: Body,
    deadline: Instant,
    /// Armed when the body first has to be waited for; most never have to.
    sleep: Option<Pin<Box<Sleep>>>,
    over: bool,
}

impl http_body::Body for Until {
    type Data = <Body as http_body::Body>::Data;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Status>>> {
        if self.over {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        let deadline = self.deadline;
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.over = true;
        self.inner = Body::empty();
        let trailers = passed().into_http::<()>().into_parts().0.headers;
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
