//! The table from gRPC status and `google.rpc` details to HTTP.

use std::time::Duration;

use actix_web::http::StatusCode;
use portico_proto::error::Reason;
use portico_transcode::{MessageId, Plans};
use tonic::{Code, Status};
use tonic_types::{FieldViolation, StatusExt};

use super::{Fault, Problem};

/// What of the request decides how a refusal reads.
#[derive(Clone, Copy, Default)]
pub struct Origin<'a> {
    /// Whether the caller sent `If-Match`, which turns a conflict into a failed precondition.
    pub if_match: bool,
    /// Whether the caller sent a token.
    pub token: bool,
    /// The scopes that the route asks for.
    pub scopes: &'a [String],
    /// The request message, whose fields the caller knows by their JSON names.
    pub request: Option<(&'a Plans, MessageId)>,
    /// The request field that the body filled, whose name the caller never wrote.
    pub body_field: Option<&'a str>,
}

impl Problem {
    /// What a service answered instead of a reply. The message and the details of a status that is the
    /// service's own fault stay inside.
    pub fn from_status(status: &Status, origin: &Origin<'_>) -> Self {
        if status_of_transport(status) {
            return Self::unavailable();
        }
        let details = status.get_error_details();
        let named = details.error_info().map(|info| info.reason.as_str());
        let reason = Reason::of(status);
        let http = http_status(status.code(), reason, origin);
        let code = match named {
            Some(name) if is_name(name) => name.to_owned(),
            _ => code_name(status.code()).to_owned(),
        };
        let mut problem = if let Some(own) = own_words(status.code()) {
            own
        } else {
            let mut problem = Self::new(http, code, sentence(status, http));
            if let Some(request) = details.bad_request() {
                let faults = request.field_violations.iter();
                problem.0.errors = faults.map(|it| fault(it, origin)).collect();
                if let [only] = problem.0.errors.as_slice() {
                    problem.0.detail = format!("{}: {}", only.field, only.description).into();
                }
            }
            problem
        };
        if let Some(delay) = details.retry_info().and_then(|info| info.retry_delay) {
            problem.0.retry_after = Some(whole_seconds(delay));
        }
        problem.0.challenge = challenge(http, reason, origin);
        if !problem.status().is_server_error() {
            problem.0.rule = Some("service");
        }
        problem
    }
}

/// A status that tonic made up because the connection failed; a service's own has no source.
fn status_of_transport(status: &Status) -> bool {
    std::error::Error::source(status).is_some()
}

fn http_status(code: Code, reason: Option<Reason>, origin: &Origin<'_>) -> StatusCode {
    match (code, reason) {
        (Code::Aborted, Some(Reason::EtagMismatch)) if origin.if_match => {
            StatusCode::PRECONDITION_FAILED
        }
        (Code::FailedPrecondition, Some(Reason::IdempotencyKeyReused)) => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        (Code::InvalidArgument | Code::OutOfRange, _) => StatusCode::BAD_REQUEST,
        (Code::Unauthenticated, _) => StatusCode::UNAUTHORIZED,
        (Code::PermissionDenied, _) => StatusCode::FORBIDDEN,
        (Code::NotFound, _) => StatusCode::NOT_FOUND,
        (Code::AlreadyExists | Code::Aborted | Code::FailedPrecondition, _) => StatusCode::CONFLICT,
        (Code::ResourceExhausted, _) => StatusCode::TOO_MANY_REQUESTS,
        (Code::Cancelled, _) => {
            StatusCode::from_u16(499).expect("499 is within the range of statuses")
        }
        (Code::Unimplemented, _) => StatusCode::NOT_IMPLEMENTED,
        (Code::Unavailable, _) => StatusCode::SERVICE_UNAVAILABLE,
        (Code::DeadlineExceeded, _) => StatusCode::GATEWAY_TIMEOUT,
        (Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss, _) => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

/// What the edge says where a service's own words are none of the caller's business.
fn own_words(code: Code) -> Option<Problem> {
    match code {
        Code::Unavailable => Some(Problem::unavailable()),
        Code::DeadlineExceeded => Some(Problem::deadline_exceeded()),
        Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => Some(Problem::internal()),
        Code::Unimplemented => Some(Problem::new(
            StatusCode::NOT_IMPLEMENTED,
            "UNIMPLEMENTED",
            "the service does not offer this",
        )),
        Code::Cancelled
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unauthenticated => None,
    }
}

fn sentence(status: &Status, http: StatusCode) -> String {
    match status.message() {
        "" => super::title(http).to_owned(),
        message => message.to_owned(),
    }
}

/// Whether a reason has the shape that `google.rpc.ErrorInfo` asks for: it goes into programs.
fn is_name(reason: &str) -> bool {
    (1..=63).contains(&reason.len())
        && reason
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// The canonical name of a gRPC code (`google.rpc.Code`).
fn code_name(code: Code) -> &'static str {
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

fn fault(violation: &FieldViolation, origin: &Origin<'_>) -> Fault {
    Fault {
        field: as_written(&violation.field, origin),
        description: violation.description.clone(),
    }
}

/// A proto path as the REST caller wrote it: in JSON names, and without the field that the body is.
pub(super) fn as_written(path: &str, origin: &Origin<'_>) -> String {
    let Some((plans, request)) = origin.request else {
        return path.to_owned();
    };
    let written = plans.json_path(request, path);
    match origin.body_field.and_then(|field| path.strip_prefix(field)) {
        Some(rest) if rest.starts_with(['.', '[']) => within_body(&written).to_owned(),
        _ => written,
    }
}

/// What is left of a path when the field that the body is goes off its front; empty for the body as a
/// whole.
pub(crate) fn within_body(path: &str) -> &str {
    match path.find(['.', '[']) {
        Some(at) => path[at..].trim_start_matches('.'),
        None => "",
    }
}

/// `Retry-After` counts whole seconds, and zero would invite a storm.
fn whole_seconds(delay: Duration) -> u64 {
    let up = u64::from(delay.subsec_nanos() > 0);
    delay.as_secs().saturating_add(up).max(1)
}

/// `WWW-Authenticate` after RFC 6750, section 3: no error code when no token was sent.
fn challenge(http: StatusCode, reason: Option<Reason>, origin: &Origin<'_>) -> Option<String> {
    match (http, reason) {
        (StatusCode::UNAUTHORIZED, Some(Reason::InvalidCredentials | Reason::InvalidGrant)) => {
            Some("Bearer".to_owned())
        }
        (StatusCode::UNAUTHORIZED, _) if origin.token => {
            Some(r#"Bearer error="invalid_token""#.to_owned())
        }
        (StatusCode::UNAUTHORIZED, _) => Some("Bearer".to_owned()),
        (StatusCode::FORBIDDEN, Some(Reason::InsufficientScope)) if origin.scopes.is_empty() => {
            Some(r#"Bearer error="insufficient_scope""#.to_owned())
        }
        (StatusCode::FORBIDDEN, Some(Reason::InsufficientScope)) => Some(format!(
            r#"Bearer error="insufficient_scope", scope="{}""#,
            origin.scopes.join(" ")
        )),
        _ => None,
    }
}
