//! RPCs with a stream on either side: NDJSON or a body as it is going up, NDJSON, Server-Sent Events or
//! a body as it is coming down.
//!
//! An answer begins with the first message, so that a call that fails before has an ordinary problem
//! and its status; or after a while without one. What fails later is the last thing in the body.

mod calling;
mod framing;
mod lines;
mod places;
mod reply;
mod resume;
mod upload;
mod watch;

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpResponse,
    body::BoxBody,
    http::{
        Method, StatusCode, Version,
        header::{CONTENT_TYPE, HeaderName, HeaderValue},
    },
};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::timeout;
use tonic::{Response, metadata::MetadataMap};

use crate::{
    headers, limits,
    payload::Payload,
    preconditions,
    problem::Problem,
    proxy::{self, Exchange},
    request::{self, Sent},
};

use self::{
    calling::{Calling, Event, Parts},
    places::Place,
    reply::Reply,
    upload::Upload,
    watch::Watch,
};

pub use framing::{Framing, NDJSON};
pub use places::Places;
pub use resume::Resume;

/// How long a stream of events waits for the first one before its answer begins without: its caller
/// wants to know that the stream is open.
const FIRST_EVENT: Duration = Duration::from_secs(1);

/// Calls an RPC with a stream on either side.
pub async fn forward(exchange: Exchange<'_>, payload: Payload) -> Result<HttpResponse, Problem> {
    let place = exchange.edge.places.take().ok_or_else(too_many)?;
    let framing = Framing::of(exchange.route, exchange.request.headers());
    let calling = start(&exchange, framing, payload).await?;
    if exchange.route.binding.server_streaming {
        begin(&exchange, calling, framing, place).await
    } else {
        whole(&exchange, calling).await
    }
}

async fn start(
    exchange: &Exchange<'_>,
    framing: Framing,
    payload: Payload,
) -> Result<Calling, Problem> {
    let Exchange { request, route, .. } = *exchange;
    let shared = exchange.edge.shared.clone();
    let if_match = preconditions::if_match(request.method(), request.headers())?;
    let sent = Sent::of(request.headers(), if_match);
    let metadata = MetadataMap::from_headers(headers::forwarded(exchange));
    let backend = (exchange.edge.upstreams[route.upstream].backend)();
    let resumable = framing == Framing::Events && route.binding.server_streaming;
    let watch = |payload| Watch::new(&shared, exchange.caller, resumable, payload);

    if route.binding.client_streaming {
        let upload = Upload {
            route: Arc::clone(route),
            common: request::common(request, route, exchange.captures, if_match)?,
            media_type: request::media_type(request.headers()).to_owned(),
            limit: shared.body_limit,
            patience: shared.request_timeout,
        };
        let (sink, parts) = upload::channel();
        let watch = watch(None);
        let route = Arc::clone(route);
        let parts = Parts::Stream(parts.boxed());
        let mut calling = Calling::start(backend, route, parts, metadata, shared, sent, watch);
        calling.upload(upload.pump(payload, sink));
        return Ok(calling);
    }

    let mut payload = payload;
    let body = limits::body(request, &mut payload, shared.body_limit, exchange.deadline).await?;
    let message = request::message(request, route, exchange.captures, if_match, &body)?;
    let retry = exchange.edge.absences[route.upstream].call(route.policy.idempotent);
    let parts = Parts::One(message.into(), retry);
    let over = (request.version() == Version::HTTP_2).then_some(payload);
    let watch = watch(over);
    let route = Arc::clone(route);
    Ok(Calling::start(
        backend, route, parts, metadata, shared, sent, watch,
    ))
}

/// The answer of a stream that comes down.
async fn begin(
    exchange: &Exchange<'_>,
    mut calling: Calling,
    framing: Framing,
    place: Place,
) -> Result<HttpResponse, Problem> {
    let patience = match framing {
        Framing::Events => FIRST_EVENT,
        Framing::Lines | Framing::Raw => exchange.edge.shared.request_timeout,
    };
    let first = first(&mut calling, patience).await;
    let mut media_type = match framing {
        Framing::Lines => Some(HeaderValue::from_static(NDJSON)),
        Framing::Events => Some(HeaderValue::from_static(framing::EVENTS)),
        Framing::Raw => None,
    };
    match &first {
        Some(Event::Failed(_)) => {
            let Some(Event::Failed(problem)) = first else {
                return Err(Problem::internal());
            };
            return Err(problem);
        }
        Some(Event::Message(message)) if framing == Framing::Raw => {
            media_type = raw_media_type(exchange, message)?;
        }
        _ => {}
    }
    let mut response = HttpResponse::new(StatusCode::OK);
    let out = response.headers_mut();
    if let Some(metadata) = &calling.metadata {
        headers::answered(metadata, out);
    }
    if let Some(media_type) = media_type {
        out.insert(CONTENT_TYPE, media_type);
    }
    // Proxies of the nginx kind gather an answer before they pass it on, unless they are told.
    let unbuffered = HeaderName::from_static("x-accel-buffering");
    out.insert(unbuffered, HeaderValue::from_static("no"));
    if exchange.request.method() == Method::HEAD {
        return Ok(response);
    }
    let body = Reply::new(calling, framing, first, exchange.id, place);
    Ok(response.set_body(BoxBody::new(body)))
}

/// What happens first; nothing when it takes too long, counted from the end of the upload.
async fn first(calling: &mut Calling, patience: Duration) -> Option<Event> {
    loop {
        let uploading = calling.is_uploading();
        match timeout(patience, calling.next()).await {
            Ok(event) => return Some(event),
            Err(_elapsed) if uploading => {}
            Err(_elapsed) => return None,
        }
    }
}

fn raw_media_type(
    exchange: &Exchange<'_>,
    message: &Bytes,
) -> Result<Option<HeaderValue>, Problem> {
    let route = exchange.route;
    let body = route.binding.response_http_body(&route.plans, message);
    let body = body.map_err(|error| proxy::untranslatable(route, &error))?;
    let media_type = HeaderValue::from_str(body.content_type);
    Ok(media_type.ok().filter(|value| !value.is_empty()))
}

/// The answer of a single message, after a stream went up.
async fn whole(exchange: &Exchange<'_>, mut calling: Calling) -> Result<HttpResponse, Problem> {
    let patience = exchange.edge.shared.request_timeout;
    let mut reply = None;
    loop {
        match first(&mut calling, patience).await {
            None => return Err(Problem::deadline_exceeded()),
            Some(Event::Failed(problem)) => return Err(problem),
            // Nobody will read it.
            Some(Event::Gone) => return Err(Problem::bad_request("the caller has gone")),
            Some(Event::Message(message)) => reply = Some(message),
            Some(Event::End) => break,
        }
    }
    let metadata = calling.metadata.take().unwrap_or_default();
    // As where no stream is: a call that ends well without its one message is the service's fault.
    let message = reply.ok_or_else(Problem::internal)?;
    let response = Response::from_parts(metadata, message, tonic::Extensions::default());
    proxy::reply(exchange.request, exchange.route, &response)
}

fn too_many() -> Problem {
    Problem::unavailable_for("too many streams are open here")
}
