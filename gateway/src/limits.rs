//! What a request may be, before anybody looks into it.

use std::time::Instant;

use actix_web::{
    HttpMessage, HttpRequest,
    error::PayloadError,
    http::{
        StatusCode,
        header::{CONTENT_ENCODING, CONTENT_LENGTH},
    },
    web::{Bytes, BytesMut},
};
use futures_util::StreamExt;
use tokio::time::timeout_at;

use crate::{payload::Payload, problem::Problem};

/// How large a head may be, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// The request target.
    pub target: usize,
    /// All header fields together.
    pub fields: usize,
}

/// Refuses a head that is too large, or whose path could mean one thing here and another elsewhere.
pub fn head(request: &HttpRequest, limits: HeadLimits) -> Result<(), Problem> {
    let uri = request.uri();
    let target = uri.path().len() + uri.query().map_or(0, |query| query.len() + 1);
    if target > limits.target {
        let problem = Problem::new(
            StatusCode::URI_TOO_LONG,
            "URI_TOO_LONG",
            format!(
                "the request target may have {} bytes at most",
                limits.target
            ),
        );
        return Err(problem.by("uri_size"));
    }
    let headers = request.headers().iter();
    let size: usize = headers
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if size > limits.fields {
        let problem = Problem::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "HEADERS_TOO_LARGE",
            format!("the header fields may have {} bytes at most", limits.fields),
        );
        return Err(problem.by("header_size"));
    }
    if uri.path().split('/').any(is_dots) {
        let problem = Problem::bad_request("the path must not have the segments . and ..");
        return Err(problem.by("path"));
    }
    Ok(())
}

/// Whether a segment is `.` or `..`, plain or percent-encoded: others would resolve it.
fn is_dots(segment: &str) -> bool {
    // Nearly all segments begin otherwise and need no second look.
    segment.starts_with(['.', '%'])
        && segment.len() <= 6
        && matches!(
            segment.to_ascii_lowercase().replace("%2e", ".").as_str(),
            "." | ".."
        )
}

/// Reads the body, at most `limit` bytes of it and until the deadline.
pub async fn body(
    request: &HttpRequest,
    payload: &mut Payload,
    limit: usize,
    deadline: Instant,
) -> Result<Bytes, Problem> {
    let announced = request.headers().get(CONTENT_LENGTH);
    let announced = announced.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(Problem::body_too_large(limit));
    }
    let mut first = Bytes::new();
    let mut more = BytesMut::new();
    loop {
        let chunk = timeout_at(deadline.into(), payload.next()).await;
        let Some(chunk) = chunk.map_err(|_elapsed| Problem::request_timeout())? else {
            break;
        };
        let chunk = chunk.map_err(|error| match error {
            PayloadError::Overflow => Problem::body_too_large(limit),
            _ => Problem::bad_request("the body was cut off"),
        })?;
        if first.len() + more.len() + chunk.len() > limit {
            return Err(Problem::body_too_large(limit));
        }
        if first.is_empty() {
            first = chunk;
        } else {
            if more.is_empty() {
                more.extend_from_slice(&first);
                first.clear();
            }
            more.extend_from_slice(&chunk);
        }
    }
    Ok(if more.is_empty() {
        first
    } else {
        more.freeze()
    })
}

/// Whether a body, if there is one, is JSON in UTF-8 and not compressed.
pub fn is_json(request: &HttpRequest) -> bool {
    is_text_of(request, &["application/json"])
}

/// The same for lines of JSON.
pub fn is_ndjson(request: &HttpRequest) -> bool {
    is_text_of(
        request,
        &[
            "application/x-ndjson",
            "application/ndjson",
            "application/jsonl",
        ],
    )
}

/// The same for the fields of a form.
pub fn is_form(request: &HttpRequest) -> bool {
    is_text_of(request, &["application/x-www-form-urlencoded"])
}

fn is_text_of(request: &HttpRequest, media_types: &[&str]) -> bool {
    let coded = request.headers().get(CONTENT_ENCODING);
    if coded.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return false;
    }
    let Ok(Some(mime)) = request.mime_type() else {
        return false;
    };
    let charset = mime.get_param("charset");
    media_types.contains(&mime.essence_str()) && charset.is_none_or(|it| it == "utf-8")
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const LIMITS: HeadLimits = HeadLimits {
        target: 100,
        fields: 100,
    };

    #[test]
    fn dot_segments_are_refused_in_every_spelling() {
        for path in ["/a/../b", "/a/..", "/./a", "/a/%2e%2E/b", "/a/.%2e"] {
            let request = TestRequest::with_uri(path).to_http_request();
            assert!(head(&request, LIMITS).is_err(), "{path}");
        }
        for path in ["/a/..b", "/a/.well-known", "/a/...", "/a.b/c"] {
            let request = TestRequest::with_uri(path).to_http_request();
            assert!(head(&request, LIMITS).is_ok(), "{path}");
        }
    }

    #[test]
    fn only_plain_json_is_json() {
        let is = |content_type: &'static str| {
            let request = TestRequest::post().insert_header(("content-type", content_type));
            is_json(&request.to_http_request())
        };
        assert!(is("application/json"));
        assert!(is("Application/JSON; charset=UTF-8"));
        assert!(!is("application/json; charset=latin1"));
        assert!(!is("text/plain"));
        assert!(!is("application/x-www-form-urlencoded"));
        assert!(!is("???"));
        let packed = TestRequest::post()
            .insert_header(("content-type", "application/json"))
            .insert_header(("content-encoding", "gzip"));
        assert!(!is_json(&packed.to_http_request()));
    }
}
