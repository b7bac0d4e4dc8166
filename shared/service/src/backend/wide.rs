//! One HTTP/2 connection for calls of any kind: those of generated clients, and those with a stream on
//! either side.

use std::{
    error::Error,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{
    HeaderValue, Uri,
    header::{Entry, USER_AGENT},
};
use http_body::{Frame, SizeHint};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use portico_proto::error::Reason;
use tokio::{runtime::Handle, time::timeout, time::timeout_at};
use tonic::{Code, Status, body::Body};
use tower::Service;

use super::{
    AGENT, BoxError, CONNECT, CONNECTION_WINDOW, KEEP_ALIVE, KEEP_ALIVE_ANSWER, LATER, Request,
    Response, STREAM_WINDOW,
    balance::{Endpoint, Lease, View},
    dial::{Away, Dial},
    lazy::{Connecting, Lazy, Link},
    lost::{lost, not_sent},
    narrow::Narrow,
};
use crate::deadline;

/// How often a call is handed to another connection when the first one ended before taking it.
const HANDINGS: u32 = 3;

/// An open connection.
#[derive(Clone)]
pub(super) struct Wide(http2::SendRequest<Body>);

impl Link for Wide {
    fn of(endpoint: &Endpoint) -> &Lazy<Self> {
        &endpoint.wide
    }

    fn is_open(&mut self) -> bool {
        self.0.is_ready()
    }

    /// The other connection to the same endpoint knows.
    fn is_well(&self, endpoint: &Endpoint) -> bool {
        if let Some(narrow) = endpoint.narrow.now() {
            return narrow.is_well(endpoint);
        }
        endpoint.narrow.kick(true);
        false
    }
}

/// Connects; where a proof is asked for, only if the other connection to the same endpoint has it.
pub(super) async fn connect(dial: Dial, proof: Option<Connecting<Narrow>>) -> Result<Wide, Away> {
    if let Some(proof) = proof {
        proof.await?;
    }
    let stream = dial.connect().await?;
    let mut settings = http2::Builder::new(TokioExecutor::new());
    settings
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_ANSWER)
        .keep_alive_while_idle(true);
    let shaken = timeout(CONNECT, settings.handshake(TokioIo::new(stream)));
    let (sender, connection) = shaken.await.map_err(Away::new)?.map_err(Away::new)?;
    Handle::current().spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(error = &error as &dyn Error, "connection lost");
        }
    });
    Ok(Wide(sender))
}

/// The endpoints of a service, as a transport of generated clients.
#[derive(Clone)]
pub(super) struct Channel(pub Arc<View>);

impl Service<Request> for Channel {
    type Response = Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // Which connection it will be is decided with each call.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let view = Arc::clone(&self.0);
        Box::pin(async move {
            let deadline = deadline::pass_on(request.headers_mut());
            let answer = send(&view, request);
            let answer = match deadline {
                None => answer.await,
                Some(deadline) => {
                    timeout_at(deadline + LATER, answer)
                        .await
                        .unwrap_or_else(|_late| {
                            let late = "the deadline passed before the answer came";
                            Err(Reason::DeadlineExceeded.status(late))
                        })
                }
            };
            Ok(answer?)
        })
    }
}

async fn send(view: &View, mut request: Request) -> Result<Response, Status> {
    if let Entry::Vacant(place) = request.headers_mut().entry(USER_AGENT) {
        place.insert(HeaderValue::from_static(AGENT));
    }
    let mut handings = 0;
    loop {
        let (lease, mut link) = view.take::<Wide>().await.map_err(not_sent)?;
        address(&mut request, &lease.dial)?;
        match link.0.try_send_request(request).await {
            Ok(response) => {
                let code = response.headers().get(Status::GRPC_STATUS);
                let code = code.map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()));
                view.note(&lease, code);
                return Ok(response.map(|body| Body::new(Reply { body, lease })));
            }
            Err(mut failed) => {
                handings += 1;
                match failed.take_message() {
                    Some(message) if handings < HANDINGS => request = message,
                    Some(_) => return Err(not_sent(failed.into_error())),
                    None => {
                        view.note(&lease, Code::Unavailable);
                        return Err(lost(failed.into_error().into()));
                    }
                }
            }
        }
    }
}

/// Addresses a request to an endpoint.
fn address(request: &mut Request, dial: &Dial) -> Result<(), Status> {
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(dial.scheme());
    uri.authority = Some(dial.authority.clone());
    uri.path_and_query = request.uri().path_and_query().cloned();
    *request.uri_mut() = Uri::from_parts(uri).map_err(|error| Status::from_error(error.into()))?;
    Ok(())
}

/// A response body; what fails in it is the connection, since a status travels in the trailers.
struct Reply {
    body: Incoming,
    lease: Lease,
}

impl http_body::Body for Reply {
    type Data = <Incoming as http_body::Body>::Data;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Status>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if polled.is_ready() {
            self.lease.load.hear();
        }
        polled.map_err(|error| lost(error.into()))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
