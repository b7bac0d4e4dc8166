//! From an HTTP request to a request message.

use actix_web::{
    HttpRequest,
    http::header::{CONTENT_TYPE, HeaderMap},
};
use portico_caller::Refusal;
use portico_transcode::{Capture, Fault as Kind, Place, RequestError};

use crate::{
    caller,
    contract::Route,
    limits, preconditions,
    problem::{Fault, Origin, Problem, within_body},
    stream,
};

/// What of a request decides how a refusal of it reads.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// Whether it has `If-Match`.
    pub if_match: bool,
    /// Whether it has a token.
    pub token: bool,
}

impl Sent {
    /// What a request's head says.
    pub fn of(headers: &HeaderMap, if_match: Option<&str>) -> Self {
        Self {
            if_match: if_match.is_some(),
            token: caller::token(headers) != Err(Refusal::Missing),
        }
    }

    /// The same beside what the route says.
    pub fn origin(self, route: &Route) -> Origin<'_> {
        Origin {
            if_match: self.if_match,
            token: self.token,
            scopes: &route.policy.scopes,
            request: Some((&route.plans, route.binding.request)),
            body_field: route.binding.body_field(&route.plans),
        }
    }
}

/// The request message of a body that is held as a whole: body, query and path, and what headers stand
/// for.
pub fn message(
    request: &HttpRequest,
    route: &Route,
    captures: &[Capture<'_>],
    if_match: Option<&str>,
    body: &[u8],
) -> Result<Vec<u8>, Problem> {
    let (plans, binding) = (&route.plans, &route.binding);
    let query = request.query_string();
    let mut wire = Vec::with_capacity(body.len() + 128);
    let whole = binding.takes_body() && binding.body_field(plans).is_none();
    let translated = if binding.takes_http_body() {
        let media_type = media_type(request.headers());
        binding.request_http_body(plans, captures, query, media_type, body, &mut wire)
    } else if whole && limits::is_form(request) {
        binding.request_form(plans, captures, query, body, &mut wire)
    } else {
        if !body.is_empty() && !binding.takes_body() {
            return Err(Problem::bad_request("this method takes no body"));
        }
        if !body.is_empty() && !limits::is_json(request) {
            return Err(Problem::unsupported_media_type(if whole {
                "application/json or application/x-www-form-urlencoded"
            } else {
                "application/json"
            }));
        }
        if body.is_empty() && binding.body_field(plans).is_some() {
            return Err(Problem::invalid_json("the body must not be empty"));
        }
        if body.trim_ascii() == b"null" && !whole && !binding.takes_null(plans) {
            return Err(Problem::invalid_json("the body must not be null"));
        }
        binding.request(plans, captures, query, body, &mut wire)
    };
    translated.map_err(|error| mistake(error, binding.body_field(plans)))?;
    headers(request, route, if_match, &mut wire)?;
    Ok(wire)
}

/// What path, query and headers give to every message of a request that is a stream.
pub fn common(
    request: &HttpRequest,
    route: &Route,
    captures: &[Capture<'_>],
    if_match: Option<&str>,
) -> Result<Vec<u8>, Problem> {
    let (plans, binding) = (&route.plans, &route.binding);
    let mut wire = Vec::new();
    binding
        .request(plans, captures, request.query_string(), b"", &mut wire)
        .map_err(|error| mistake(error, binding.body_field(plans)))?;
    headers(request, route, if_match, &mut wire)?;
    if binding.takes_body() && !binding.takes_http_body() && !is_lines_or_nothing(request) {
        return Err(Problem::unsupported_media_type(stream::NDJSON));
    }
    Ok(wire)
}

/// The media type of a body, as it was sent.
pub fn media_type(headers: &HeaderMap) -> &str {
    let sent = headers.get(CONTENT_TYPE);
    sent.and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn is_lines_or_nothing(request: &HttpRequest) -> bool {
    limits::is_ndjson(request) || !request.headers().contains_key(CONTENT_TYPE)
}

fn headers(
    request: &HttpRequest,
    route: &Route,
    if_match: Option<&str>,
    wire: &mut Vec<u8>,
) -> Result<(), Problem> {
    let (plans, binding) = (&route.plans, &route.binding);
    if let Some(etag) = if_match
        && !binding.append_etag(plans, etag, wire)
    {
        return Err(Problem::precondition_failed(
            "nothing here has an etag to compare with",
        ));
    }
    if let Some(key) = preconditions::idempotency_key(request.headers())? {
        let said = binding.request_id(wire);
        if said.is_some_and(|said| said != key.as_bytes()) {
            return Err(Problem::invalid_field(Fault {
                field: "requestId".to_owned(),
                description: "must be what `Idempotency-Key` says, or be left out".to_owned(),
            }));
        }
        binding.append_request_id(plans, key, wire);
    }
    if binding.server_streaming {
        route.resume.apply(request.headers(), wire)?;
    }
    Ok(())
}

/// A request that does not make a message, as the caller wrote it. `body_field` is the field that the
/// body fills, whose name the caller never wrote.
pub fn mistake(error: RequestError, body_field: Option<&str>) -> Problem {
    let RequestError {
        place,
        field,
        fault: kind,
        detail,
    } = error;
    let field = match place {
        Place::Body if body_field.is_some() => within_body(&field),
        Place::Body | Place::Query | Place::Path => &field,
    };
    if field.is_empty() {
        return match place {
            Place::Body => Problem::invalid_json(format!("the body {detail}")),
            Place::Query => Problem::bad_request(format!("the query {detail}")),
            Place::Path => Problem::bad_request(format!("the path {detail}")),
        };
    }
    let fault = Fault {
        field: field.to_owned(),
        description: detail.into_owned(),
    };
    match (kind, place) {
        (Kind::UnknownField, _) => Problem::unknown_field(fault),
        (Kind::Syntax | Kind::Encoding | Kind::Depth, Place::Body) => {
            Problem::malformed_json(fault)
        }
        _ => Problem::invalid_field(fault),
    }
}
