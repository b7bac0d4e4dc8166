//! Which pages may read answers (the Fetch standard, section 3.3).

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{
            ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
            ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
            ACCESS_CONTROL_REQUEST_METHOD, ALLOW, HeaderMap, HeaderValue, ORIGIN, VARY,
        },
    },
};
use portico_service::config::GatewayConfig;

use crate::audit;

/// What a page may send.
const SENT: &str = "authorization, content-type, idempotency-key, if-match, if-none-match, \
                    last-event-id, traceparent, tracestate, x-request-id";

/// What a page may read beside what every page may.
const READ: &str = "etag, location, ratelimit, ratelimit-policy, retry-after, www-authenticate, \
                    x-request-id";

/// How long browsers remember a preflight, in seconds.
const REMEMBERED: u16 = 600;

/// The origins whose pages may read answers: exactly those of the configuration, and no origin is ever
/// answered that does not stand there. Cookies stay out of it: `Access-Control-Allow-Credentials` is never
/// sent, and the edge passes no cookie on.
#[derive(Clone, Debug, Default)]
pub struct Cors {
    origins: Vec<HeaderValue>,
}

impl Cors {
    /// The origins of the configuration.
    pub fn new(config: &GatewayConfig) -> Self {
        let origins = config.origins().into_iter();
        let origins = origins.map(|it| HeaderValue::try_from(it).expect("an origin is ASCII"));
        Self {
            origins: origins.collect(),
        }
    }

    /// The request's origin, if it is one of ours and the only one named.
    fn allowed(&self, request: &HeaderMap) -> Option<&HeaderValue> {
        let mut sent = request.get_all(ORIGIN);
        let (Some(origin), None) = (sent.next(), sent.next()) else {
            return None;
        };
        self.origins.iter().find(|it| *it == origin)
    }

    /// Answers OPTIONS for a path with those methods, a browser's preflight among others. What is said to an
    /// origin that is not ours allows it nothing.
    pub fn options(&self, request: &HeaderMap, methods: &[&str]) -> HttpResponse {
        let mut response = HttpResponse::new(StatusCode::NO_CONTENT);
        let Ok(methods) = HeaderValue::try_from(methods.join(", ")) else {
            return response;
        };
        let out = response.headers_mut();
        if request.contains_key(ORIGIN) && request.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            if self.allowed(request).is_some() {
                out.insert(ACCESS_CONTROL_ALLOW_METHODS, methods.clone());
                out.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(SENT));
                out.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(REMEMBERED));
            } else {
                audit::preflight();
            }
        }
        out.insert(ALLOW, methods);
        response
    }

    /// Lets the page of an allowed origin read an answer.
    pub fn finish(&self, request: &HeaderMap, out: &mut HeaderMap) {
        if self.origins.is_empty() {
            return;
        }
        // Also where nobody is allowed: a cache must not keep that for an origin that is.
        out.append(VARY, HeaderValue::from_static("origin"));
        if let Some(origin) = self.allowed(request) {
            out.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            out.insert(
                ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static(READ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(origins: &[&'static str]) -> HeaderMap {
        let cors = Cors {
            origins: vec![HeaderValue::from_static("https://app.example.org")],
        };
        let mut request = HeaderMap::new();
        for origin in origins {
            request.append(ORIGIN, HeaderValue::from_static(origin));
        }
        let mut out = HeaderMap::new();
        cors.finish(&request, &mut out);
        out
    }

    #[test]
    fn only_an_exact_origin_may_read() {
        let allowed = answer(&["https://app.example.org"]);
        assert_eq!(
            allowed.get(ACCESS_CONTROL_ALLOW_ORIGIN).unwrap(),
            "https://app.example.org"
        );
        assert!(!allowed.contains_key("access-control-allow-credentials"));
        for origins in [
            &[][..],
            &["null"],
            &["*"],
            &["https://app.example.org.evil.test"],
            &["https://app.example.org:8443"],
            &["http://app.example.org"],
            &["https://APP.example.org"],
            &["https://app.example.org", "https://evil.test"],
        ] {
            let out = answer(origins);
            assert!(
                !out.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN),
                "{origins:?}"
            );
            assert_eq!(out.get(VARY).unwrap(), "origin");
        }
    }
}
