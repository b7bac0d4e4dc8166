//! Refusals as the REST caller sees them: `application/problem+json` (RFC 9457).

mod upstream;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
    },
};
use bytes::Bytes;
use portico_caller::Refusal;
use serde::Serialize;
use tonic::Status;

pub use upstream::Origin;
pub(crate) use upstream::within_body;

/// The media type of every refusal.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// A request that was not served, and all that its caller is told about it. What caused it goes to the
/// log where it is found, never in here.
#[derive(Debug)]
pub struct Problem(Box<Body>);

#[derive(Debug)]
struct Body {
    status: StatusCode,
    code: Cow<'static, str>,
    detail: Cow<'static, str>,
    errors: Vec<Fault>,
    allow: Option<String>,
    retry_after: Option<u64>,
    challenge: Option<String>,
    line: Option<u64>,
    rule: Option<&'static str>,
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Where the caller wrote it, in lowerCamelCase: `displayName`, `items[3].name`, `pageSize`.
    pub field: String,
    /// What is wrong with the value.
    pub description: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "<[Fault]>::is_empty")]
    errors: &'a [Fault],
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    request_id: &'a str,
}

impl Problem {
    /// A problem with its status, its stable code and a sentence for the person who reads it.
    pub fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self(Box::new(Body {
            status,
            code: code.into(),
            detail: detail.into(),
            errors: Vec::new(),
            allow: None,
            retry_after: None,
            challenge: None,
            line: None,
            rule: None,
        }))
    }

    /// Says which rule refused the request, where the status does not.
    #[must_use]
    pub fn by(mut self, rule: &'static str) -> Self {
        self.0.rule = Some(rule);
        self
    }

    /// The rule that refused the request, if it was named.
    pub fn rule(&self) -> Option<&'static str> {
        self.0.rule
    }

    /// Too many requests came; the next one may come after so many seconds.
    pub fn rate_limited(detail: String, retry_after: u64) -> Self {
        let mut problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", detail);
        problem.0.retry_after = Some(retry_after);
        problem.by("rate_limit")
    }

    /// The body is not JSON, or is missing where one is needed.
    pub fn invalid_json(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_JSON", detail)
    }

    /// The body is not JSON from some field on.
    pub fn malformed_json(fault: Fault) -> Self {
        Self::faulty("INVALID_JSON", fault)
    }

    /// The body or the query names a field that does not exist.
    pub fn unknown_field(fault: Fault) -> Self {
        Self::faulty("UNKNOWN_FIELD", fault)
    }

    /// A value in the body, the query or the path does not fit its field.
    pub fn invalid_field(fault: Fault) -> Self {
        Self::faulty("INVALID_FIELD", fault)
    }

    fn faulty(code: &'static str, fault: Fault) -> Self {
        let detail = format!("{}: {}", fault.field, fault.description);
        let mut problem = Self::new(StatusCode::BAD_REQUEST, code, detail);
        problem.0.errors.push(fault);
        problem
    }

    /// The request as a whole is not one that can be served.
    pub fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", detail)
    }

    /// No route has the path.
    pub fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "NOT_FOUND",
            "there is nothing at this path",
        )
    }

    /// The path has routes, but none for the method. `allow` lists those that it has.
    pub fn method_not_allowed(allow: String) -> Self {
        let mut problem = Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "METHOD_NOT_ALLOWED",
            format!("this path answers {allow}"),
        );
        problem.0.allow = Some(allow);
        problem
    }

    /// The body is longer than the limit, in bytes.
    pub fn body_too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "BODY_TOO_LARGE",
            format!("the body may have {limit} bytes at most"),
        )
    }

    /// A line of the body is longer than the limit, in bytes.
    pub fn line_too_long(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "BODY_TOO_LARGE",
            format!("it may have {limit} bytes at most"),
        )
    }

    /// The body is not of a media type that is taken here.
    pub fn unsupported_media_type(taken: &'static str) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_MEDIA_TYPE",
            format!("the body must be {taken} in UTF-8, without content coding"),
        )
    }

    /// Says in which line of the body it is; the first is 1.
    #[must_use]
    pub fn in_line(mut self, line: u64) -> Self {
        self.0.detail = format!("line {line}: {}", self.0.detail).into();
        self.0.line = Some(line);
        self
    }

    /// `If-Match` cannot hold, or cannot be checked.
    pub fn precondition_failed(detail: &'static str) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "ETAG_MISMATCH", detail)
    }

    /// The body did not arrive in time.
    pub fn request_timeout() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "REQUEST_TIMEOUT",
            "the body did not arrive in time",
        )
    }

    /// The service did not answer in time.
    pub fn deadline_exceeded() -> Self {
        Self::new(
            StatusCode::GATEWAY_TIMEOUT,
            "DEADLINE_EXCEEDED",
            "the service did not answer in time",
        )
    }

    /// The service is away; a retry helps.
    pub fn unavailable() -> Self {
        Self::unavailable_for("the service cannot be reached at the moment")
    }

    /// The request cannot be served at the moment; a retry helps.
    pub fn unavailable_for(detail: &'static str) -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", detail);
        problem.0.retry_after = Some(1);
        problem
    }

    /// There is more to do than can be done; a retry helps.
    pub fn overloaded() -> Self {
        let detail = "there is more to do than can be done at the moment";
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "OVERLOADED", detail);
        problem.0.retry_after = Some(1);
        problem
    }

    /// The service's reply is more than the edge holds, in bytes.
    pub fn reply_too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::BAD_GATEWAY,
            "REPLY_TOO_LARGE",
            format!("the service's reply has more than {limit} bytes"),
        )
    }

    /// Something broke that the caller can do nothing about.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL",
            "something went wrong on our side",
        )
    }

    /// The edge itself does not let the caller in.
    pub fn refused(refusal: Refusal, origin: &Origin<'_>) -> Self {
        let mut problem = Self::from_status(&Status::from(refusal), origin);
        problem.0.rule = None;
        problem
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The stable code, such as `EMAIL_TAKEN`.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// The problem as JSON.
    pub fn document(&self, request_id: &str) -> Vec<u8> {
        let Self(body) = self;
        let document = Document {
            r#type: "about:blank",
            title: title(body.status),
            status: body.status.as_u16(),
            detail: &body.detail,
            code: &body.code,
            errors: &body.errors,
            line: body.line,
            request_id,
        };
        serde_json::to_vec(&document).expect("a document of strings and numbers serializes")
    }

    /// The answer to send.
    pub fn into_response(self, request_id: &str) -> HttpResponse {
        let json = self.document(request_id);
        let Self(body) = self;
        let mut response = HttpResponse::new(body.status).set_body(Bytes::from(json));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(seconds) = body.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        let texts = [(ALLOW, body.allow), (WWW_AUTHENTICATE, body.challenge)];
        for (name, text) in texts {
            if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
                headers.insert(name, value);
            }
        }
        response.map_into_boxed_body()
    }
}

/// `about:blank` problems are titled by their status (RFC 9457, section 4.2.1).
fn title(status: StatusCode) -> &'static str {
    match status.as_u16() {
        499 => "Client Closed Request",
        _ => status.canonical_reason().unwrap_or("Error"),
    }
}
