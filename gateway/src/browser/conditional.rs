//! Whether a caller has what would be answered.

use actix_web::http::header::{HeaderMap, IF_NONE_MATCH};

/// Whether `If-None-Match` names the tag, which stands in its quotes (RFC 9110, section 13.1.2). Weak and
/// strong tags of the same text are the same here.
pub fn has(headers: &HeaderMap, etag: &str) -> bool {
    let strong = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    let sent = headers.get_all(IF_NONE_MATCH);
    let mut tags = sent
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|tag| strong(tag.trim()));
    let etag = strong(etag);
    tags.any(|tag| tag == etag || tag == "*")
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn tags_are_compared_weakly_and_as_a_whole() {
        let has = |sent: &'static str, etag| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::from_static(sent));
            has(&headers, etag)
        };
        assert!(has("\"a\"", "\"a\""));
        assert!(has("\"b\", W/\"a\"", "\"a\""));
        assert!(has("\"a\"", "W/\"a\""));
        assert!(has("*", "\"a\""));
        assert!(!has("\"b\"", "\"a\""));
        assert!(!has("a", "\"a\""));
        assert!(!has("W/W/\"a\"", "\"a\""));
    }
}
