//! One unary RPC: JSON in, protobuf through, JSON out.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode, Version,
        header::{CONTENT_TYPE, ETAG, HeaderValue},
    },
};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use http::HeaderName;
use portico_caller::Caller;
use portico_service::{Fate, Spare, Unary};
use portico_transcode::{Capture, WireError};
use tokio::time::timeout_at;
use tonic::{Code, Response, Status, metadata::MetadataMap};
use tracing::{debug, error};

use crate::{
    admission::Client,
    browser,
    contract::Route,
    edge::{Edge, Shared},
    headers, limits,
    overload::Overloaded,
    payload::Payload,
    preconditions,
    problem::{Origin, Problem},
    request::{self, Sent},
    stream,
};

/// The largest reply that is translated, in bytes: it is held in memory as a whole.
pub const LARGEST_REPLY: usize = 16 * 1024 * 1024;

/// How often a caller of HTTP/2 is looked after who waits for an answer.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How much longer than the edge waits the service is given, which would otherwise end the call itself
/// at the same moment.
const LATER: Duration = Duration::from_millis(100);

static GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// A request that was let in, with all that decides what becomes of it.
pub struct Exchange<'a> {
    /// The worker.
    pub edge: &'a Edge,
    /// The request's head.
    pub request: &'a HttpRequest,
    /// Where it goes.
    pub route: &'a Arc<Route>,
    /// Whose address it comes from.
    pub client: &'a Client,
    /// What the path's variables matched.
    pub captures: &'a [Capture<'a>],
    /// Whose it is, unless the route is public.
    pub caller: Option<&'a Caller>,
    /// What takes the place of the request's own token.
    pub token: Option<&'a str>,
    /// The request's id.
    pub id: &'a str,
    /// When the caller gets an answer at the latest.
    pub deadline: Instant,
}

/// Calls the RPC and answers what it answers.
pub async fn forward(
    exchange: Exchange<'_>,
    mut payload: Payload,
) -> Result<HttpResponse, Problem> {
    let Exchange { edge, route, .. } = exchange;
    if route.binding.server_streaming || route.binding.client_streaming {
        return stream::forward(exchange, payload).await;
    }
    let request = exchange.request;
    let if_match = preconditions::if_match(request.method(), request.headers())?;
    let sent = Sent::of(request.headers(), if_match);
    let (limit, gate) = (edge.shared.body_limit, &edge.gates[route.upstream]);
    if gate.is_hopeless(route.priority) {
        return Err(Problem::overloaded());
    }
    let body = limits::body(request, &mut payload, limit, exchange.deadline).await?;
    let message = request::message(request, route, exchange.captures, if_match, &body)?;
    let entered = gate.enter(route.priority, exchange.deadline).await;
    let permit = entered.map_err(|Overloaded| Problem::overloaded())?;
    let called = call(&exchange, message.into(), payload).await;
    match &called {
        Err(Failure::Late) => permit.late(),
        Err(Failure::Gone) => drop(permit),
        Err(Failure::Status(status)) if Fate::of(status) != Fate::Answered => drop(permit),
        Ok(_) => permit.answered(&route.pace, true),
        Err(Failure::Status(_)) => permit.answered(&route.pace, false),
    }
    match called {
        Ok(response) => {
            note_ended_sessions(&edge.shared, route, response.metadata());
            reply(request, route, &response)
        }
        Err(Failure::Status(status)) => {
            note_ended_sessions(&edge.shared, route, status.metadata());
            Err(refused(route, &status, &sent.origin(route)))
        }
        Err(Failure::Late) => Err(Problem::deadline_exceeded()),
        // Nobody will read it.
        Err(Failure::Gone) => Err(Problem::bad_request("the caller has gone")),
    }
}

/// Denies the sessions that a service of Portico says have ended, before the answer says so.
pub fn note_ended_sessions(shared: &Shared, route: &Route, metadata: &MetadataMap) {
    if route.ours {
        for session in headers::ended_sessions(metadata) {
            shared.denylist.deny_here(session, shared.token_lifetime);
        }
    }
}

enum Failure {
    Status(Status),
    Late,
    Gone,
}

/// How long the service is given when so much is left, in milliseconds. In steps: a value that is the
/// same for most requests takes one byte of the connection, another one each time is encoded each time.
fn given(left: Duration) -> u128 {
    const STEP: u128 = 10;
    // The most that eight digits can say (gRPC over HTTP/2).
    const LONGEST: u128 = 99_999_999;
    let left = left.as_micros().div_ceil(STEP * 1000) * STEP;
    (left + LATER.as_millis()).min(LONGEST)
}

async fn call(
    exchange: &Exchange<'_>,
    message: Bytes,
    payload: Payload,
) -> Result<Response<Bytes>, Failure> {
    let Exchange {
        edge,
        request,
        route,
        deadline,
        ..
    } = exchange;
    let backend = &edge.backends[route.upstream];
    let make = || {
        let mut metadata = headers::forwarded(exchange);
        let left = given(deadline.saturating_duration_since(Instant::now()));
        if let Ok(timeout) = http::HeaderValue::try_from(format!("{left}m")) {
            metadata.insert(&GRPC_TIMEOUT, timeout);
        }
        Unary {
            rpc: route.rpc.clone(),
            metadata,
            message: message.clone(),
            limit: LARGEST_REPLY,
        }
    };
    let calling = async {
        let idempotent = route.policy.idempotent;
        let mut retry = edge.absences[route.upstream].call(idempotent);
        loop {
            let answer = if idempotent {
                let spare = Spare {
                    call: make,
                    after: edge.shared.hedge_after,
                };
                backend.unary_repeatable(make(), spare).await
            } else {
                backend.unary(make()).await
            };
            match answer {
                Ok(response) => {
                    retry.answered();
                    return Ok(response);
                }
                Err(status) if retry.again(&status, backend).await => {}
                Err(status) => return Err(Failure::Status(status)),
            }
        }
    };
    // A call that is dropped is cancelled over there.
    let mut calling = pin!(calling);
    let mut payload = (request.version() == Version::HTTP_2).then_some(payload);
    loop {
        let look = match payload {
            Some(_) => (*deadline).min(Instant::now() + LOOK_EVERY),
            None => *deadline,
        };
        match timeout_at(look.into(), &mut calling).await {
            Ok(answer) => return answer,
            Err(_elapsed) if look >= *deadline => return Err(Failure::Late),
            Err(_elapsed) if has_gone(&mut payload) => return Err(Failure::Gone),
            Err(_elapsed) => {}
        }
    }
}

/// Whether a caller of HTTP/2 has reset the stream, which shows at the end of the request's body. (One of
/// HTTP/1.1 who goes takes the connection, and with it everything that is done for it.)
fn has_gone(payload: &mut Option<Payload>) -> bool {
    let next = payload.as_mut().and_then(|it| it.next().now_or_never());
    matches!(next, Some(Some(Err(_))))
}

/// The answer that a reply makes; without its body for a reader who has that already.
pub fn reply(
    request: &HttpRequest,
    route: &Route,
    response: &Response<Bytes>,
) -> Result<HttpResponse, Problem> {
    let (plans, binding) = (&route.plans, &route.binding);
    let wire = response.get_ref();
    let mut answer = HttpResponse::new(StatusCode::OK);
    headers::answered(response.metadata(), answer.headers_mut());
    if route.ours {
        headers::protocol(response.metadata(), &mut answer);
    }
    if let Some(etag) = binding.response_etag(wire)
        && !answer.headers().contains_key(ETAG)
        && let Ok(value) = HeaderValue::try_from(format!("\"{etag}\""))
    {
        answer.headers_mut().insert(ETAG, value);
    }
    if request.method().is_safe()
        && answer.status() == StatusCode::OK
        && let Some(etag) = answer.headers().get(ETAG)
        && etag
            .to_str()
            .is_ok_and(|etag| browser::has(request.headers(), etag))
    {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(answer);
    }
    if binding.gives_http_body() {
        let body = binding
            .response_http_body(plans, wire)
            .map_err(|error| untranslatable(route, &error))?;
        if !body.content_type.is_empty()
            && let Ok(media_type) = HeaderValue::from_str(body.content_type)
        {
            answer.headers_mut().insert(CONTENT_TYPE, media_type);
        }
        let data = wire.slice_ref(body.data);
        return Ok(answer.set_body(data).map_into_boxed_body());
    }
    // JSON takes about twice the room of protobuf.
    let mut json = Vec::with_capacity(wire.len() * 2 + 64);
    binding
        .response(plans, wire, &mut json)
        .map_err(|error| untranslatable(route, &error))?;
    let media_type = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, media_type);
    Ok(answer.set_body(Bytes::from(json)).map_into_boxed_body())
}

/// A reply that the edge cannot pass on.
pub fn untranslatable(route: &Route, error: &WireError) -> Problem {
    error!(rpc = %route.rpc, %error, "a reply has no json form");
    Problem::internal()
}

/// A call that did not end well, as its caller is told.
pub fn refused(route: &Route, status: &Status, origin: &Origin<'_>) -> Problem {
    let problem = if is_too_large(status) {
        Problem::reply_too_large(LARGEST_REPLY)
    } else {
        Problem::from_status(status, origin)
    };
    let (rpc, code) = (&route.rpc, status.code());
    if problem.status().is_server_error() {
        let cause = std::error::Error::source(status).map(|it| it as &dyn std::error::Error);
        error!(%rpc, ?code, message = status.message(), error = cause, "the upstream failed");
    } else {
        // What it says may quote what a client sent.
        debug!(%rpc, ?code, "the upstream refused");
    }
    problem
}

/// Whether it was this edge that stopped reading. tonic says so with a status like a service's own; the
/// limit that it names tells them apart.
fn is_too_large(status: &Status) -> bool {
    let limit = format_args!("the limit is: {LARGEST_REPLY} bytes").to_string();
    status.code() == Code::OutOfRange
        && status
            .message()
            .starts_with("Error, decoded message length too large")
        && status.message().ends_with(&limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_given_more_than_is_left_and_mostly_the_same() {
        for micros in [
            0, 1, 9_999, 10_000, 9_990_000, 9_991_234, 9_999_999, 10_000_000,
        ] {
            let left = Duration::from_micros(micros);
            let given = Duration::from_millis(u64::try_from(given(left)).unwrap());
            assert!(given >= left + LATER);
            assert!(given < left + LATER + Duration::from_millis(10));
        }
        let at = |micros| given(Duration::from_micros(micros));
        assert_eq!(at(9_990_001), at(9_999_999));
        assert_eq!(given(Duration::MAX), 99_999_999);
    }
}
