//! A call with a stream on either side, while it goes on.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{
    StreamExt,
    future::{BoxFuture, LocalBoxFuture},
    stream::{self, BoxStream},
};
use http::uri::PathAndQuery;
use portico_service::Backend;
use tonic::{Request, Response, Status, Streaming, client::Grpc, metadata::MetadataMap};

use super::watch::{Stop, Watch};
use crate::{
    codec::{Part, UploadCodec},
    contract::Route,
    edge::Shared,
    payload::Payload,
    problem::Problem,
    proxy::{self, LARGEST_REPLY},
    request::Sent,
    retry::Retry,
};

/// What happens in a call.
#[derive(Debug)]
pub enum Event {
    /// The service sent a message.
    Message(Bytes),
    /// The service has said everything.
    End,
    /// Nothing more will come.
    Failed(Problem),
    /// The caller has gone.
    Gone,
}

/// A call. Dropping it cancels it over there.
pub struct Calling {
    state: State,
    upload: Option<LocalBoxFuture<'static, Result<Payload, Problem>>>,
    watch: Watch,
    /// What the head of the reply said, once it is there.
    pub metadata: Option<MetadataMap>,
    /// Where it goes.
    pub route: Arc<Route>,
    shared: Shared,
    sent: Sent,
}

/// What goes up.
pub enum Parts {
    /// One message, which can go up again.
    One(Bytes, Retry),
    /// What is gone once it went.
    Stream(BoxStream<'static, Part>),
}

type Opened = Result<Response<Streaming<Bytes>>, Status>;

async fn open(
    client: &mut Grpc<Backend>,
    rpc: PathAndQuery,
    parts: BoxStream<'static, Part>,
    metadata: MetadataMap,
) -> Opened {
    client.ready().await.map_err(Status::from_error)?;
    let mut request = Request::new(parts);
    *request.metadata_mut() = metadata;
    client.streaming(request, rpc, UploadCodec).await
}

enum State {
    Opening(BoxFuture<'static, Opened>),
    Flowing(Box<Streaming<Bytes>>),
    Over,
}

impl Calling {
    /// Starts a call over a connection that nothing else uses: a caller who reads slowly would hold up
    /// everything else on it.
    pub fn start(
        backend: Backend,
        route: Arc<Route>,
        parts: Parts,
        metadata: MetadataMap,
        shared: Shared,
        sent: Sent,
        watch: Watch,
    ) -> Self {
        let rpc = route.rpc.clone();
        let opening = async move {
            let budget = backend.clone();
            let mut client = Grpc::new(backend).max_decoding_message_size(LARGEST_REPLY);
            let (message, mut retry) = match parts {
                Parts::Stream(parts) => return open(&mut client, rpc, parts, metadata).await,
                Parts::One(message, retry) => (message, retry),
            };
            loop {
                let parts = stream::iter([Part::Message(message.clone())]).boxed();
                match open(&mut client, rpc.clone(), parts, metadata.clone()).await {
                    Ok(response) => {
                        retry.answered();
                        return Ok(response);
                    }
                    Err(status) if retry.again(&status, &budget).await => {}
                    Err(status) => return Err(status),
                }
            }
        };
        Self {
            state: State::Opening(Box::pin(opening)),
            upload: None,
            watch,
            metadata: None,
            route,
            shared,
            sent,
        }
    }

    /// Has the body of the request sent up meanwhile.
    pub fn upload(&mut self, pump: impl Future<Output = Result<Payload, Problem>> + 'static) {
        self.upload = Some(Box::pin(pump));
    }

    /// Whether the body is still on its way up.
    pub fn is_uploading(&self) -> bool {
        self.upload.is_some()
    }

    /// What happens next.
    pub async fn next(&mut self) -> Event {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// What happens next. Wakes its task twice a second, whatever happens.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if let Poll::Ready(stop) = self.watch.poll(&self.route, cx) {
            self.state = State::Over;
            return Poll::Ready(match stop {
                Stop::Gone => Event::Gone,
                Stop::Told(problem) => Event::Failed(problem),
            });
        }
        if let Some(upload) = &mut self.upload
            && let Poll::Ready(sent) = upload.as_mut().poll(cx)
        {
            match sent {
                Ok(payload) => self.watch.over(payload),
                Err(problem) => {
                    // The reply that there may be answers something else than was meant.
                    self.state = State::Over;
                    self.upload = None;
                    return Poll::Ready(Event::Failed(problem));
                }
            }
            self.upload = None;
        }
        self.poll_reply(cx)
    }

    fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        loop {
            let status = match &mut self.state {
                State::Opening(opening) => match opening.as_mut().poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(response)) => {
                        let (metadata, stream, _) = response.into_parts();
                        proxy::note_ended_sessions(&self.shared, &self.route, &metadata);
                        self.metadata = Some(metadata);
                        self.state = State::Flowing(Box::new(stream));
                        continue;
                    }
                    Poll::Ready(Err(status)) => status,
                },
                State::Flowing(stream) => match stream.poll_next_unpin(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Some(Ok(message))) => return Poll::Ready(Event::Message(message)),
                    Poll::Ready(Some(Err(status))) => status,
                    Poll::Ready(None) => {
                        self.state = State::Over;
                        return Poll::Ready(Event::End);
                    }
                },
                State::Over => return Poll::Ready(Event::End),
            };
            self.state = State::Over;
            proxy::note_ended_sessions(&self.shared, &self.route, status.metadata());
            let origin = self.sent.origin(&self.route);
            return Poll::Ready(Event::Failed(proxy::refused(&self.route, &status, &origin)));
        }
    }
}
