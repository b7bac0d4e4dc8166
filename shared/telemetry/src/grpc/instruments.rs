//! The counters and the histogram of one method, looked up once and then only used.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use metrics::{Counter, Histogram, Label, SharedString};
use tonic::Code;

/// Which side of a call is measured.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Server,
    Client,
}

/// How many gRPC codes there are.
const CODES: usize = 17;

/// What one method of one side counts into.
pub(super) struct Instruments {
    side: Side,
    labels: [Label; 2],
    duration: Histogram,
    handled: [OnceLock<Counter>; CODES],
}

impl Instruments {
    pub(super) fn new(side: Side, service: &str, method: &str) -> Arc<Self> {
        let labels = [
            Label::new("grpc_service", SharedString::from(service.to_owned())),
            Label::new("grpc_method", SharedString::from(method.to_owned())),
        ];
        let name = match side {
            Side::Server => "grpc_server_handling_seconds",
            Side::Client => "grpc_client_handling_seconds",
        };
        Arc::new(Self {
            side,
            duration: metrics::histogram!(name, labels.iter()),
            labels,
            handled: Default::default(),
        })
    }

    /// The method with its service, `package.Service/Method`.
    pub(super) fn method(&self) -> String {
        let [service, method] = &self.labels;
        format!("{}/{}", service.value(), method.value())
    }

    /// Counts one finished call.
    pub(super) fn finish(&self, code: Code, elapsed: Duration) {
        self.duration.record(elapsed);
        let index = usize::try_from(i32::from(code)).unwrap_or(CODES);
        if let Some(counter) = self.handled.get(index) {
            counter.get_or_init(|| self.counter(code)).increment(1);
        }
    }

    fn counter(&self, code: Code) -> Counter {
        let [service, method] = self.labels.clone();
        let labels = [service, method, Label::new("grpc_code", name(code))];
        match self.side {
            Side::Server => metrics::counter!("grpc_server_handled_total", labels.iter()),
            Side::Client => metrics::counter!("grpc_client_handled_total", labels.iter()),
        }
    }
}

/// The code's name as gRPC's own metrics write it.
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}

/// The code's name as OpenTelemetry's conventions write it, which is the protocol's own.
pub(super) fn conventional(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
