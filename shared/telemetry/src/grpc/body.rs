//! A response body that reports how its call ended.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use http_body::{Frame, SizeHint};
use tonic::{Code, Status, body::Body};
use tracing::Span;

use super::{
    code_in,
    instruments::{Instruments, conventional},
};
use crate::trace::{KeyValue, SpanKind, Trace};

/// One call on its way; finishing it counts it and closes its span. A call that is dropped before its
/// end was cancelled by whoever waited for it.
pub(super) struct Call {
    span: Span,
    /// Of a call that came in.
    trace: Option<Trace>,
    started: Instant,
    instruments: Option<Arc<Instruments>>,
    open: bool,
}

impl Call {
    pub(super) fn new(span: Span, instruments: Option<Arc<Instruments>>) -> Self {
        Self {
            span,
            trace: None,
            started: Instant::now(),
            instruments,
            open: true,
        }
    }

    /// A call that came in.
    pub(super) fn served(trace: Trace, instruments: Arc<Instruments>) -> Self {
        let mut call = Self::new(trace.span().clone(), Some(instruments));
        call.trace = Some(trace);
        call
    }

    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    pub(super) fn measured_by(&mut self, instruments: Arc<Instruments>) {
        self.instruments = Some(instruments);
    }

    pub(super) fn finish(&mut self, code: Code) {
        if !std::mem::replace(&mut self.open, false) {
            return;
        }
        if !self.span.is_disabled() {
            self.span
                .record("rpc.response.status_code", conventional(code));
        }
        if is_fault(code) {
            self.failed(code);
        }
        if let Some(instruments) = &self.instruments {
            instruments.finish(code, self.started.elapsed());
        }
    }

    fn failed(&self, code: Code) {
        self.span.record("error.type", conventional(code));
        self.span.record("otel.status_code", "ERROR");
        let (Some(trace), Some(instruments)) = (&self.trace, &self.instruments) else {
            return;
        };
        trace.failed(SpanKind::Server, || {
            let method = instruments.method();
            let attributes = vec![
                KeyValue::new("rpc.system.name", "grpc"),
                KeyValue::new("rpc.method", method.clone()),
                KeyValue::new("rpc.response.status_code", conventional(code)),
                KeyValue::new("error.type", conventional(code)),
            ];
            (method.into(), attributes)
        });
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.finish(Code::Cancelled);
    }
}

/// Whether the code tells of a fault of the answering side (OpenTelemetry's conventions for RPC
/// servers); the rest are ordinary answers.
fn is_fault(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

/// Passes a body on and finishes its call at the end, by the trailers' code.
pub(super) struct Measured {
    inner: Body,
    call: Call,
}

impl Measured {
    /// The response with its end reported. One that is already over is finished here.
    pub(super) fn response(response: http::Response<Body>, mut call: Call) -> http::Response<Body> {
        if let Some(code) = code_in(response.headers()) {
            call.finish(code);
            return response;
        }
        response.map(|inner| {
            if http_body::Body::is_end_stream(&inner) {
                call.finish(Code::Unknown);
                return inner;
            }
            Body::new(Self { inner, call })
        })
    }
}

impl http_body::Body for Measured {
    type Data = <Body as http_body::Body>::Data;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.get_mut();
        let polled = {
            let _inside = this.call.span.enter();
            Pin::new(&mut this.inner).poll_frame(cx)
        };
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(trailers) = frame.trailers_ref() {
                    this.call.finish(code_in(trailers).unwrap_or(Code::Unknown));
                }
            }
            Poll::Ready(Some(Err(status))) => this.call.finish(status.code()),
            // An end without trailers tells nothing of the call.
            Poll::Ready(None) => this.call.finish(Code::Unknown),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
