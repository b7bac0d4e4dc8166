//! Headers by which a browser does less with an answer than it could.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use portico_service::Config;

/// An answer is data: it loads nothing, runs nothing, and stands in no frame.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// What every answer says, whoever made it.
#[derive(Clone, Debug)]
pub struct Secure {
    transport: Option<HeaderValue>,
}

impl Secure {
    /// Browsers are told to come by HTTPS alone where the public URL is one, or the edge speaks TLS itself.
    pub fn new(config: &Config) -> Self {
        let seconds = config.gateway.hsts_seconds;
        let by_tls = config.auth.issuer.starts_with("https://") || config.gateway.tls().is_some();
        Self {
            transport: (by_tls && seconds > 0).then(|| {
                HeaderValue::try_from(format!("max-age={seconds}"))
                    .expect("a number is visible ASCII")
            }),
        }
    }

    /// Completes an answer's headers. What it says itself of caching, its content's policy and referrers
    /// stands; what says nothing of caching is kept by nobody.
    pub fn finish(&self, headers: &mut HeaderMap) {
        let fixed = HeaderValue::from_static;
        headers.insert(X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
        headers.insert(X_FRAME_OPTIONS, fixed("DENY"));
        for (name, value) in [
            (CACHE_CONTROL, "no-store"),
            (CONTENT_SECURITY_POLICY, POLICY),
            (REFERRER_POLICY, "no-referrer"),
        ] {
            if !headers.contains_key(&name) {
                headers.insert(name, fixed(value));
            }
        }
        if let Some(value) = &self.transport {
            headers.insert(STRICT_TRANSPORT_SECURITY, value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use portico_service::Shape;

    use super::*;

    fn finished(issuer: &str, before: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = [("AUTH__ISSUER".to_owned(), issuer.to_owned())];
        let config = Config::from_pairs(Shape::Gateway, pairs).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in before {
            let name = actix_web::http::header::HeaderName::from_static(name);
            headers.insert(name, HeaderValue::from_static(value));
        }
        Secure::new(&config).finish(&mut headers);
        headers
    }

    #[test]
    fn https_is_demanded_where_the_public_url_is_one() {
        let by_tls = finished("https://api.example.org", &[]);
        let sent = by_tls.get("strict-transport-security").unwrap();
        assert_eq!(sent, "max-age=31536000");
        let plain = finished("http://api.example.org", &[]);
        assert!(!plain.contains_key("strict-transport-security"));
    }

    #[test]
    fn what_says_nothing_of_caching_is_kept_by_nobody() {
        let headers = finished("http://x", &[]);
        assert_eq!(headers.get("cache-control").unwrap(), "no-store");
        let headers = finished("http://x", &[("cache-control", "no-cache")]);
        assert_eq!(headers.get("cache-control").unwrap(), "no-cache");
        assert_eq!(headers.get("x-content-type-options").unwrap(), "nosniff");
        assert_eq!(headers.get("referrer-policy").unwrap(), "no-referrer");
    }
}
