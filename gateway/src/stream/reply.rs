//! The body of an answer that is a stream: pulled message by message, as the caller takes it.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::body::{BodySize, MessageBody};
use bytes::{Bytes, BytesMut};
use tokio::time::Instant;
use tracing::{Span, error};

use super::{
    calling::{Calling, Event},
    framing::Framing,
    places::Place,
};
use crate::problem::Problem;

/// How long a stream of events may be silent. Proxies close what is idle for a minute.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How much is gathered, at most, before it goes on: small messages share a write.
const CHUNK: usize = 16 * 1024;

/// A stream of messages on its way to the caller. Nothing is taken from the service that the caller's
/// connection has no room for.
pub struct Reply {
    calling: Calling,
    framing: Framing,
    /// A message that came before the answer began.
    first: Option<Event>,
    request_id: String,
    span: Span,
    silent_since: Instant,
    scratch: Vec<u8>,
    state: State,
    _place: Place,
}

enum State {
    Flowing,
    /// What is gathered is sent, and then nothing more.
    Ended,
    /// What is gathered is sent, and then the body is cut off.
    Breaking,
    /// The body is cut off.
    Broken,
}

/// Cuts off a body that has no room for a problem.
#[derive(Debug)]
pub struct CutOff;

impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the stream failed")
    }
}

impl std::error::Error for CutOff {}

impl Reply {
    /// A body of what a call gives, beginning with `first`.
    pub fn new(
        calling: Calling,
        framing: Framing,
        first: Option<Event>,
        request_id: &str,
        place: Place,
    ) -> Self {
        Self {
            calling,
            framing,
            first,
            request_id: request_id.to_owned(),
            span: Span::current(),
            silent_since: Instant::now(),
            scratch: Vec::new(),
            state: State::Flowing,
            _place: place,
        }
    }

    /// Gathers what is there.
    fn gather(&mut self, cx: &mut Context<'_>) -> BytesMut {
        let mut out = BytesMut::new();
        while matches!(self.state, State::Flowing) && out.len() < CHUNK {
            let event = match self.first.take() {
                Some(event) => Poll::Ready(event),
                None => self.calling.poll(cx),
            };
            match event {
                Poll::Pending => break,
                Poll::Ready(Event::Message(message)) => self.message(&message, &mut out),
                Poll::Ready(Event::End) => self.state = State::Ended,
                Poll::Ready(Event::Failed(problem)) => self.fail(&problem, &mut out),
                Poll::Ready(Event::Gone) => self.state = State::Breaking,
            }
        }
        if !out.is_empty() {
            self.silent_since = Instant::now();
        } else if self.framing == Framing::Events
            && matches!(self.state, State::Flowing)
            && self.silent_since.elapsed() >= HEARTBEAT
        {
            out.extend_from_slice(b":\n\n");
            self.silent_since = Instant::now();
        }
        out
    }

    fn message(&mut self, wire: &[u8], out: &mut BytesMut) {
        let route = &self.calling.route;
        let before = out.len();
        let framed = self.framing.message(route, wire, &mut self.scratch, out);
        if let Err(error) = framed {
            error!(rpc = %route.rpc, %error, "a reply has no json form");
            out.truncate(before);
            self.fail(&Problem::internal(), out);
        }
    }

    fn fail(&mut self, problem: &Problem, out: &mut BytesMut) {
        self.state = if self.framing.problem(problem, &self.request_id, out) {
            State::Ended
        } else {
            State::Breaking
        };
    }
}

impl MessageBody for Reply {
    type Error = CutOff;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, CutOff>>> {
        let this = self.get_mut();
        let span = this.span.clone();
        let chunk = span.in_scope(|| this.gather(cx));
        match this.state {
            _ if !chunk.is_empty() => Poll::Ready(Some(Ok(chunk.freeze()))),
            State::Flowing => Poll::Pending,
            State::Ended => Poll::Ready(None),
            State::Breaking => {
                // A connection that is told now would forget what it has not written yet.
                this.state = State::Broken;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            State::Broken => Poll::Ready(Some(Err(CutOff))),
        }
    }
}
