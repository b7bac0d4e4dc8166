//! The body of a request.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{dev, error::PayloadError};
use bytes::Bytes;
use futures_util::Stream;

/// A body as it comes. Clones are the same, and read on where another one stopped.
///
/// One of them stays until the answer is sent, whoever reads and gives up: if all were gone, actix would wait for
/// the end of a body that nobody reads, however long that took. So it closes the connection.
#[derive(Clone)]
pub struct Payload(Rc<RefCell<dev::Payload>>);

impl From<dev::Payload> for Payload {
    fn from(payload: dev::Payload) -> Self {
        Self(Rc::new(RefCell::new(payload)))
    }
}

impl Stream for Payload {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(cx)
    }
}
