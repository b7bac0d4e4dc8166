//! The body of a request as a stream of messages.

use std::{sync::Arc, time::Duration};

use actix_web::error::PayloadError;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::{sync::mpsc, time::timeout};

use super::lines::Lines;
use crate::{codec::Part, contract::Route, payload::Payload, problem::Problem, request};

/// How many messages may wait for the service.
const AHEAD: usize = 4;

/// How long the service may take to make room for the next message.
const STALLED: Duration = Duration::from_mins(1);

/// What the messages of a body have in common.
pub struct Upload {
    /// Where they go.
    pub route: Arc<Route>,
    /// What path, query and headers say, encoded: it goes behind each message.
    pub common: Vec<u8>,
    /// The media type of the body, for a service that takes bodies as they are.
    pub media_type: String,
    /// The longest line, in bytes.
    pub limit: usize,
    /// How long the caller may take for the next bytes.
    pub patience: Duration,
}

/// What the pump hands over.
enum Item {
    Message(Bytes),
    /// There was nothing more to send.
    End,
}

/// The way into the call. Dropped before the end, it leaves a stream that is cut off.
pub struct Sink(mpsc::Sender<Item>);

/// A way into a call, and the stream of messages that comes out of it there.
pub fn channel() -> (Sink, impl Stream<Item = Part> + Send + 'static) {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let parts = stream::unfold(Some(receiver), |receiver| async {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Item::Message(message)) => Some((Part::Message(message), Some(receiver))),
            Some(Item::End) => None,
            None => Some((Part::Cut, None)),
        }
    });
    (Sink(sender), parts)
}

impl Sink {
    /// Waits for room. A call that is over takes nothing more, and says itself why.
    async fn put(&self, item: Item) -> Result<(), Problem> {
        match timeout(STALLED, self.0.send(item)).await {
            Ok(_taken) => Ok(()),
            Err(_elapsed) => Err(Problem::deadline_exceeded()),
        }
    }
}

impl Upload {
    /// Sends the body up, one message at a time, and gives it back when it has come to its end. Fails on
    /// the first line that makes no message.
    pub async fn pump(self, mut payload: Payload, sink: Sink) -> Result<Payload, Problem> {
        if self.route.binding.takes_http_body() {
            self.chunks(&mut payload, &sink).await?;
        } else if self.route.binding.takes_body() {
            self.lines(&mut payload, &sink).await?;
        } else {
            sink.put(Item::Message(self.common.clone().into())).await?;
        }
        sink.put(Item::End).await?;
        Ok(payload)
    }

    async fn lines(&self, payload: &mut Payload, sink: &Sink) -> Result<(), Problem> {
        let mut lines = Lines::new(self.limit);
        while let Some(chunk) = self.next(payload).await? {
            lines.feed(chunk);
            while let Some(line) = lines.next().map_err(|_| self.too_long(&lines))? {
                sink.put(self.message(&line, lines.number())?).await?;
            }
        }
        if let Some(line) = lines.last().map_err(|_| self.too_long(&lines))? {
            sink.put(self.message(&line, lines.number())?).await?;
        }
        Ok(())
    }

    async fn chunks(&self, payload: &mut Payload, sink: &Sink) -> Result<(), Problem> {
        let Route { plans, binding, .. } = &*self.route;
        while let Some(chunk) = self.next(payload).await? {
            let mut wire = Vec::with_capacity(chunk.len() + self.common.len() + 64);
            binding
                .request_http_body(plans, &[], "", &self.media_type, &chunk, &mut wire)
                .map_err(|error| request::mistake(error, self.body_field()))?;
            wire.extend_from_slice(&self.common);
            sink.put(Item::Message(wire.into())).await?;
        }
        Ok(())
    }

    async fn next(&self, payload: &mut Payload) -> Result<Option<Bytes>, Problem> {
        let chunk = timeout(self.patience, payload.next()).await;
        let chunk = chunk.map_err(|_elapsed| Problem::request_timeout())?;
        chunk
            .transpose()
            .map_err(|error: PayloadError| match error {
                PayloadError::Overflow => Problem::body_too_large(self.limit),
                _ => Problem::bad_request("the body was cut off"),
            })
    }

    fn message(&self, line: &[u8], number: u64) -> Result<Item, Problem> {
        let Route { plans, binding, .. } = &*self.route;
        let mut wire = Vec::with_capacity(line.len() + self.common.len());
        binding
            .request(plans, &[], "", line, &mut wire)
            .map_err(|error| request::mistake(error, self.body_field()).in_line(number))?;
        wire.extend_from_slice(&self.common);
        Ok(Item::Message(wire.into()))
    }

    fn too_long(&self, lines: &Lines) -> Problem {
        Problem::line_too_long(self.limit).in_line(lines.number())
    }

    fn body_field(&self) -> Option<&str> {
        self.route.binding.body_field(&self.route.plans)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_an_end_that_was_said_is_one() {
        let message = || Item::Message(Bytes::from_static(b"m"));
        let (sink, parts) = channel();
        sink.put(message()).await.unwrap();
        sink.put(Item::End).await.unwrap();
        let parts: Vec<_> = parts.collect().await;
        assert!(matches!(parts.as_slice(), [Part::Message(_)]));

        let (sink, parts) = channel();
        sink.put(message()).await.unwrap();
        drop(sink);
        let parts: Vec<_> = parts.collect().await;
        assert!(matches!(parts.as_slice(), [Part::Message(_), Part::Cut]));
    }

    #[tokio::test]
    async fn no_more_is_taken_than_there_is_room_for() {
        let (sink, _parts) = channel();
        for _ in 0..AHEAD {
            sink.put(Item::End).await.unwrap();
        }
        let more = timeout(Duration::from_millis(50), sink.put(Item::End)).await;
        assert!(more.is_err());
    }
}
