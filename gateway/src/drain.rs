//! Which answers are still on their way, so that a stop waits for them and for nothing else.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use bytes::Bytes;
use tokio::time::sleep;

use crate::payload::Payload;

/// How long nothing may have been on its way until everything counts as sent: what was handed over
/// last may still be in a connection's buffer.
const QUIET: u32 = 5;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Counts requests from their head to the last byte of their answer. Clones share the count.
#[derive(Clone, Debug, Default)]
pub struct Drain(Arc<AtomicUsize>);

/// A request that is counted until this is dropped.
#[derive(Debug)]
pub struct Open(Drain);

/// An answer's body, which keeps its request counted until it is handed over or given up.
pub struct Answer {
    body: BoxBody,
    _open: Open,
    /// The request's own body, of which something may be unread.
    _payload: Payload,
}

impl Drain {
    /// Counts a request.
    pub fn open(&self) -> Open {
        self.0.fetch_add(1, Ordering::Relaxed);
        Open(self.clone())
    }

    /// Waits until nothing has been on its way for a quarter of a second.
    pub async fn quiet(&self) {
        let mut looks = 0;
        while looks < QUIET {
            sleep(LOOK_EVERY).await;
            looks = if self.0.load(Ordering::Relaxed) == 0 {
                looks + 1
            } else {
                0
            };
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Open {
    /// Goes on counting until the body is sent.
    pub fn until_sent(self, body: BoxBody, payload: Payload) -> Answer {
        Answer {
            body,
            _open: self,
            _payload: payload,
        }
    }
}

impl MessageBody for Answer {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_next(cx)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::dev;
    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn an_answer_on_its_way_is_waited_for() {
        let drain = Drain::default();
        let body = BoxBody::new(Bytes::from_static(b"x"));
        let answer = drain.open().until_sent(body, dev::Payload::None.into());
        let early = timeout(Duration::from_millis(500), drain.quiet()).await;
        assert!(early.is_err());
        drop(answer);
        timeout(SOON, drain.quiet()).await.unwrap();
    }
}
