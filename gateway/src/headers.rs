//! The one place where the two worlds of headers meet: http 0.2 at the edge (actix), http 1 behind it
//! (tonic). What passes is listed here; everything else stays on its side.

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{self as edge, HeaderMap as EdgeHeaders},
    },
};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use portico_telemetry::{propagation, request_id};
use tonic::metadata::MetadataMap;

use crate::{api_keys::is_key, caller, proxy::Exchange};

/// The client's `User-Agent`: gRPC has a `user-agent` of its own.
static USER_AGENT: HeaderName = HeaderName::from_static("portico-user-agent");

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static REQUEST_ID: HeaderName = HeaderName::from_static(request_id::HEADER);
static TRACEPARENT: HeaderName = HeaderName::from_static(propagation::TRACEPARENT);
static TRACESTATE: HeaderName = HeaderName::from_static(propagation::TRACESTATE);

/// The longest `User-Agent` that is passed on, in bytes.
const LONGEST_USER_AGENT: usize = 512;

/// Metadata of a reply by which a service of Portico says that a session has just ended.
const ENDED_SESSION: &str = "portico-ended-session";

/// Metadata of a reply by which a service of Portico says what HTTP status its answer has.
const HTTP_STATUS: &str = "portico-http-status";

/// What of a reply's metadata becomes a response header.
const ANSWERED: [(&str, edge::HeaderName); 5] = [
    ("cache-control", edge::CACHE_CONTROL),
    ("etag", edge::ETAG),
    ("location", edge::LOCATION),
    ("pragma", edge::PRAGMA),
    ("retry-after", edge::RETRY_AFTER),
];

/// The metadata of a call, made from a list: whatever else the client sent (`x-forwarded-*`,
/// `portico-*`, `grpc-*`, hop-by-hop headers) goes no further.
///
/// A token that takes the place of the client's own goes in its stead. An API key never goes further, even
/// where nobody asks for a token.
pub fn forwarded(exchange: &Exchange<'_>) -> HeaderMap {
    let address = &exchange.client.header;
    passed_on(
        exchange.request.headers(),
        exchange.id,
        address,
        exchange.token,
    )
}

fn passed_on(
    headers: &EdgeHeaders,
    request_id: &str,
    address: &HeaderValue,
    token: Option<&str>,
) -> HeaderMap {
    // Room for what is added further on, too.
    let mut out = HeaderMap::with_capacity(12);
    match token.map(|token| HeaderValue::try_from(format!("Bearer {token}"))) {
        Some(Ok(value)) => {
            out.insert(header::AUTHORIZATION, value);
        }
        Some(Err(_)) => {}
        None if caller::token(headers).is_ok_and(is_key) => {}
        None => copy(
            headers,
            &edge::AUTHORIZATION,
            &mut out,
            header::AUTHORIZATION,
        ),
    }
    // As the caller sent it. Where spans are recorded, the call's own takes its place further on.
    trace_context(headers, &mut out);
    if let Ok(mut id) = HeaderValue::from_str(request_id) {
        // Never the same twice: in the connection's table of headers it would push out what is.
        id.set_sensitive(true);
        out.insert(&REQUEST_ID, id);
    }
    out.insert(&FORWARDED_FOR, address.clone());
    if let Some(agent) = headers.get(edge::USER_AGENT) {
        let bytes = agent.as_bytes();
        let bytes = &bytes[..bytes.len().min(LONGEST_USER_AGENT)];
        if bytes.is_ascii()
            && let Ok(value) = HeaderValue::from_bytes(bytes)
        {
            out.insert(&USER_AGENT, value);
        }
    }
    out
}

/// Copies the client's W3C trace context.
fn trace_context(headers: &EdgeHeaders, out: &mut HeaderMap) {
    for name in [&TRACEPARENT, &TRACESTATE] {
        if let Some(value) = headers.get(name.as_str())
            && let Ok(mut value) = HeaderValue::from_bytes(value.as_bytes())
        {
            value.set_sensitive(true);
            out.insert(name, value);
        }
    }
}

/// Copies the metadata that REST callers may see into the response's headers.
pub fn answered(metadata: &MetadataMap, out: &mut EdgeHeaders) {
    for (key, name) in ANSWERED {
        if let Some(value) = metadata.get(key)
            && let Ok(value) = edge::HeaderValue::from_bytes(value.as_encoded_bytes())
        {
            out.insert(name, value);
        }
    }
}

/// Applies what a service of Portico says of an answer as a whole, for protocols whose errors are answers:
/// `portico-http-status`, and the challenge that goes with 401.
pub fn protocol(metadata: &MetadataMap, answer: &mut HttpResponse) {
    let status = metadata.get(HTTP_STATUS).and_then(|it| it.to_str().ok());
    let Some(status) = status.and_then(|it| it.parse::<StatusCode>().ok()) else {
        return;
    };
    *answer.status_mut() = status;
    if let Some(challenge) = metadata.get("www-authenticate")
        && let Ok(value) = edge::HeaderValue::from_bytes(challenge.as_encoded_bytes())
    {
        answer.headers_mut().insert(edge::WWW_AUTHENTICATE, value);
    }
}

/// Tells the client its request's id.
pub fn identify(headers: &mut EdgeHeaders, request_id: &str) {
    if let Ok(id) = edge::HeaderValue::from_str(request_id) {
        headers.insert(edge::HeaderName::from_static(request_id::HEADER), id);
    }
}

/// The sessions that a reply says have ended.
pub fn ended_sessions(metadata: &MetadataMap) -> impl Iterator<Item = &str> {
    let values = metadata.get_all(ENDED_SESSION).into_iter();
    values.filter_map(|value| value.to_str().ok())
}

fn copy(from: &EdgeHeaders, edge_name: &edge::HeaderName, out: &mut HeaderMap, name: HeaderName) {
    if let Some(value) = from.get(edge_name)
        && let Ok(value) = HeaderValue::from_bytes(value.as_bytes())
    {
        out.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::Client;

    fn headers(pairs: &[(&'static str, &'static str)]) -> EdgeHeaders {
        let mut map = EdgeHeaders::new();
        for (name, value) in pairs {
            map.append(
                edge::HeaderName::from_static(name),
                edge::HeaderValue::from_static(value),
            );
        }
        map
    }

    #[test]
    fn only_what_is_listed_goes_on() {
        let sent = headers(&[
            ("authorization", "Bearer t"),
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-proto", "https"),
            ("portico-user-agent", "forged"),
            ("portico-ended-session", "s"),
            ("grpc-timeout", "1H"),
            ("te", "trailers"),
            ("connection", "keep-alive"),
            ("cookie", "a=b"),
            ("user-agent", "curl/8"),
            (
                "traceparent",
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            ),
        ]);
        let client = Client::new("::ffff:192.0.2.7".parse().unwrap());
        let metadata = passed_on(&sent, "r-1", &client.header, None);
        let mut names: Vec<_> = metadata.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "authorization",
                "portico-user-agent",
                "traceparent",
                "x-forwarded-for",
                "x-request-id"
            ]
        );
        assert_eq!(metadata["x-forwarded-for"], "192.0.2.7");
        assert_eq!(metadata["portico-user-agent"], "curl/8");
        assert_eq!(metadata["x-request-id"], "r-1");
    }

    #[test]
    fn only_what_is_listed_comes_back() {
        let mut metadata = MetadataMap::new();
        metadata.insert("cache-control", "public, max-age=60".parse().unwrap());
        metadata.insert("set-cookie", "a=b".parse().unwrap());
        metadata.append("portico-ended-session", "s-1".parse().unwrap());
        metadata.append("portico-ended-session", "s-2".parse().unwrap());
        let mut out = EdgeHeaders::new();
        answered(&metadata, &mut out);
        assert_eq!(out.len(), 1);
        assert_eq!(out.get("cache-control").unwrap(), "public, max-age=60");
        assert_eq!(
            ended_sessions(&metadata).collect::<Vec<_>>(),
            ["s-1", "s-2"]
        );
    }
}
