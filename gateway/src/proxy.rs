//! One unary RPC: JSON in, protobuf through, JSON out.

use std::time::{Duration, Instant};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{CONTENT_TYPE, ETAG, HeaderValue},
    },
    web,
};
use bytes::Bytes;
use portico_caller::Refusal;
use portico_transcode::{Capture, Fault as Kind, Place, RequestError};
use tokio::time::timeout_at;
use tonic::{Request, Response, Status, client::Grpc, metadata::MetadataMap};
use tracing::{debug, error};

use crate::{
    caller,
    codec::RawCodec,
    contract::Route,
    edge::Edge,
    headers, limits, preconditions,
    problem::{Fault, Origin, Problem, within_body},
};

/// The largest reply that is translated, in bytes: it is held in memory as a whole.
const LARGEST_REPLY: usize = 16 * 1024 * 1024;

/// How much longer than the edge waits the service is given: tonic's channel ends calls by the same
/// header, and would call it a lost connection.
const LATER: Duration = Duration::from_millis(100);

/// A request that was let in, with all that decides what becomes of it.
pub struct Exchange<'a> {
    /// The worker.
    pub edge: &'a Edge,
    /// The request's head.
    pub request: &'a HttpRequest,
    /// Where it goes.
    pub route: &'a Route,
    /// What the path's variables matched.
    pub captures: &'a [Capture<'a>],
    /// The request's id.
    pub id: &'a str,
    /// When the caller gets an answer at the latest.
    pub deadline: Instant,
}

/// Calls the RPC and answers what it answers.
pub async fn forward(
    exchange: Exchange<'_>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let Exchange {
        edge,
        request,
        route,
        ..
    } = exchange;
    let binding = &route.binding;
    if binding.server_streaming || binding.client_streaming {
        return Err(Problem::new(
            StatusCode::NOT_IMPLEMENTED,
            "STREAMING_UNSUPPORTED",
            "this is a stream, which REST does not carry yet; gRPC does",
        ));
    }
    let if_match = preconditions::if_match(request.method(), request.headers())?;
    let origin = Origin {
        if_match: if_match.is_some(),
        token: caller::token(request.headers()) != Err(Refusal::Missing),
        scopes: &route.policy.scopes,
        request: Some((&route.plans, binding.request)),
        body_field: binding.body_field(&route.plans),
    };

    let limit = edge.shared.body_limit;
    let body = limits::body(request, payload, limit, exchange.deadline).await?;
    let message = message(&exchange, &origin, if_match, &body)?;
    let metadata = headers::forwarded(request.headers(), exchange.id, request.peer_addr());
    let answer = call(&exchange, metadata, message).await;

    let metadata = match &answer {
        Ok(response) => response.metadata(),
        Err(Failure::Status(status)) => status.metadata(),
        Err(Failure::Late) => return Err(Problem::deadline_exceeded()),
    };
    if route.ours {
        for session in headers::ended_sessions(metadata) {
            edge.shared
                .denylist
                .deny_here(session, edge.shared.token_lifetime);
        }
    }
    match answer {
        Ok(response) => reply(route, &response),
        Err(Failure::Status(status)) => Err(refused(route, &status, &origin)),
        Err(Failure::Late) => Err(Problem::deadline_exceeded()),
    }
}

/// The request message: body, query and path, and what headers stand for.
fn message(
    exchange: &Exchange<'_>,
    origin: &Origin<'_>,
    if_match: Option<&str>,
    body: &[u8],
) -> Result<Bytes, Problem> {
    let Exchange { request, route, .. } = exchange;
    let (plans, binding) = (&route.plans, &route.binding);
    let query = request.query_string();
    let mut wire = Vec::with_capacity(body.len() + 128);
    let translated = if binding.takes_http_body() {
        let sent = request.headers().get(CONTENT_TYPE);
        let media_type = sent
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        binding.request_http_body(plans, exchange.captures, query, media_type, body, &mut wire)
    } else {
        if !body.is_empty() && !binding.takes_body() {
            return Err(Problem::bad_request("this method takes no body"));
        }
        if !body.is_empty() && !limits::is_json(request) {
            return Err(Problem::unsupported_media_type());
        }
        if body.is_empty() && origin.body_field.is_some() {
            return Err(Problem::invalid_json("the body must not be empty"));
        }
        binding.request(plans, exchange.captures, query, body, &mut wire)
    };
    translated.map_err(|error| mistake(error, origin))?;
    if let Some(etag) = if_match
        && !binding.append_etag(plans, etag, &mut wire)
    {
        return Err(Problem::precondition_failed(
            "nothing here has an etag to compare with",
        ));
    }
    if let Some(key) = preconditions::idempotency_key(request.headers())? {
        binding.append_request_id(plans, key, &mut wire);
    }
    Ok(wire.into())
}

/// A request that does not make a message, as the caller wrote it.
fn mistake(error: RequestError, origin: &Origin<'_>) -> Problem {
    let RequestError {
        place,
        field,
        fault: kind,
        detail,
    } = error;
    let field = match place {
        Place::Body if origin.body_field.is_some() => within_body(&field),
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

enum Failure {
    Status(Status),
    Late,
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

async fn call(
    exchange: &Exchange<'_>,
    metadata: MetadataMap,
    message: Bytes,
) -> Result<Response<Bytes>, Failure> {
    let Exchange {
        edge,
        route,
        deadline,
        ..
    } = exchange;
    let mut request = Request::new(message);
    *request.metadata_mut() = metadata;
    let left = deadline.saturating_duration_since(Instant::now());
    request.set_timeout(left + LATER);
    let backend = edge.backends[route.upstream].clone();
    let mut client = Grpc::new(backend).max_decoding_message_size(LARGEST_REPLY);
    let calling = async {
        client.ready().await.map_err(Status::from_error)?;
        Ok(client.unary(request, route.rpc.clone(), RawCodec).await?)
    };
    // A call that is dropped is cancelled over there.
    timeout_at((*deadline).into(), calling)
        .await
        .unwrap_or(Err(Failure::Late))
}

fn reply(route: &Route, response: &Response<Bytes>) -> Result<HttpResponse, Problem> {
    let (plans, binding) = (&route.plans, &route.binding);
    let wire = response.get_ref();
    let untranslatable = |error: portico_transcode::WireError| {
        error!(rpc = %route.rpc, %error, "a reply has no json form");
        Problem::internal()
    };
    let mut answer = HttpResponse::new(StatusCode::OK);
    headers::answered(response.metadata(), answer.headers_mut());
    if let Some(etag) = binding.response_etag(wire)
        && !answer.headers().contains_key(ETAG)
        && let Ok(value) = HeaderValue::try_from(format!("\"{etag}\""))
    {
        answer.headers_mut().insert(ETAG, value);
    }
    if binding.gives_http_body() {
        let body = binding
            .response_http_body(plans, wire)
            .map_err(untranslatable)?;
        if let Ok(media_type) = HeaderValue::from_str(body.content_type) {
            answer.headers_mut().insert(CONTENT_TYPE, media_type);
        }
        let data = wire.slice_ref(body.data);
        return Ok(answer.set_body(data).map_into_boxed_body());
    }
    // JSON takes about twice the room of protobuf.
    let mut json = Vec::with_capacity(wire.len() * 2 + 64);
    binding
        .response(plans, wire, &mut json)
        .map_err(untranslatable)?;
    let media_type = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, media_type);
    Ok(answer.set_body(Bytes::from(json)).map_into_boxed_body())
}

fn refused(route: &Route, status: &Status, origin: &Origin<'_>) -> Problem {
    let problem = Problem::from_status(status, origin);
    let (rpc, code) = (&route.rpc, status.code());
    if problem.status().is_server_error() {
        let cause = std::error::Error::source(status).map(|it| it as &dyn std::error::Error);
        error!(%rpc, ?code, message = status.message(), cause, "the upstream failed");
    } else {
        debug!(%rpc, ?code, message = status.message(), "the upstream refused");
    }
    problem
}
