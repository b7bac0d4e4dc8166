//! Answers in fewer bytes.

use std::io::Write;

use actix_web::{
    HttpRequest, HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    http::{
        Method, StatusCode,
        header::{
            ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap,
            HeaderValue, VARY,
        },
    },
    web,
};
use bytes::Bytes;
use flate2::{Compression as Level, write::GzEncoder};

/// What is smaller is compressed where it is: a detour would cost more.
const AT_ONCE: usize = 64 * 1024;

/// From which size on answers are compressed.
#[derive(Clone, Copy, Debug)]
pub struct Compression {
    floor: usize,
}

impl Compression {
    /// From that size on; 0 compresses nothing.
    pub fn new(floor: usize) -> Self {
        Self { floor }
    }

    /// Compresses an answer with gzip, if its caller takes that and nothing speaks against it.
    ///
    /// Secrets are never compressed beside what an attacker may have chosen (BREACH): they come in answers to
    /// POST, and only reads are compressed, of those none that its service wants nobody to store. An answer
    /// with a strong entity tag stays as it is: the tag would mean other bytes, and a change that names it
    /// would fail.
    pub async fn apply(
        self,
        request: &HttpRequest,
        response: HttpResponse<BoxBody>,
    ) -> HttpResponse<BoxBody> {
        if !self.suits(request.method(), &response) {
            return response;
        }
        let (response, body) = response.into_parts();
        let body = match body.try_into_bytes() {
            Ok(body) => body,
            Err(body) => return response.set_body(body),
        };
        let mut response = response.set_body(());
        let headers = response.headers_mut();
        headers.append(VARY, HeaderValue::from_static("accept-encoding"));
        if !takes_gzip(request.headers()) {
            return response.set_body(BoxBody::new(body));
        }
        let packed = if body.len() < AT_ONCE {
            gzip(&body)
        } else {
            let whole = body.clone();
            web::block(move || gzip(&whole)).await.unwrap_or_default()
        };
        // Empty only when the pool of threads is gone, and the process with it.
        if packed.is_empty() || packed.len() >= body.len() {
            return response.set_body(BoxBody::new(body));
        }
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        response.set_body(BoxBody::new(packed))
    }

    fn suits(self, method: &Method, response: &HttpResponse) -> bool {
        let headers = response.headers();
        let says = |name, text: &str| {
            let value: Option<&HeaderValue> = headers.get(name);
            value.is_some_and(|it| it.to_str().is_ok_and(|it| it.contains(text)))
        };
        let large = match response.body().size() {
            BodySize::Sized(size) => size >= self.floor as u64,
            BodySize::None | BodySize::Stream => false,
        };
        self.floor > 0
            && large
            && *method == Method::GET
            && response.status() == StatusCode::OK
            && (says(CONTENT_TYPE, "json") || says(CONTENT_TYPE, "text/"))
            && !headers.contains_key(CONTENT_ENCODING)
            && !says(CACHE_CONTROL, "no-store")
            && headers
                .get(ETAG)
                .is_none_or(|tag| tag.as_bytes().starts_with(b"W/"))
    }
}

/// The bytes in gzip's form, with the speed of an answer in mind.
pub fn gzip(content: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(content.len() / 4), Level::fast());
    let written = encoder.write_all(content).and_then(|()| encoder.finish());
    written.expect("memory takes everything").into()
}

/// Whether a caller takes gzip (RFC 9110, section 12.5.3). The last word on it counts.
pub fn takes_gzip(headers: &HeaderMap) -> bool {
    let sent = headers.get_all(ACCEPT_ENCODING);
    let codings = sent
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let (mut named, mut any) = (None, None);
    for coding in codings {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").map(str::trim);
        // Whoever writes no number there, wants nothing in particular.
        let wanted = weight.is_none_or(|it| it.parse::<f32>().is_ok_and(|weight| weight > 0.0));
        match name.trim() {
            name if name.eq_ignore_ascii_case("gzip") => named = Some(wanted),
            "*" => any = Some(wanted),
            _ => {}
        }
    }
    named.or(any).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use actix_web::test::TestRequest;
    use flate2::read::GzDecoder;

    use super::*;

    fn response(headers: &[(&'static str, &'static str)], size: usize) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        for header in headers {
            response.insert_header(*header);
        }
        response.body("x".repeat(size))
    }

    async fn coding(request: TestRequest, response: HttpResponse) -> Option<String> {
        let request = request.to_http_request();
        let response = Compression::new(1000).apply(&request, response).await;
        let coding = response.headers().get(CONTENT_ENCODING)?;
        Some(coding.to_str().unwrap().to_owned())
    }

    const JSON: (&str, &str) = ("content-type", "application/json");

    #[tokio::test]
    async fn a_large_read_is_compressed_for_whoever_takes_it() {
        let get = || TestRequest::get().insert_header((ACCEPT_ENCODING, "br, gzip"));
        assert_eq!(
            coding(get(), response(&[JSON], 2000)).await.as_deref(),
            Some("gzip")
        );
        let large = response(&[JSON, ("etag", "W/\"a\"")], 200_000);
        assert_eq!(coding(get(), large).await.as_deref(), Some("gzip"));
        assert_eq!(coding(get(), response(&[JSON], 999)).await, None);
        assert_eq!(
            coding(TestRequest::get(), response(&[JSON], 2000)).await,
            None
        );
        let image = ("content-type", "image/png");
        assert_eq!(coding(get(), response(&[image], 2000)).await, None);
    }

    #[tokio::test]
    async fn secrets_and_strong_tags_stay_as_they_are() {
        let post = TestRequest::post().insert_header((ACCEPT_ENCODING, "gzip"));
        assert_eq!(coding(post, response(&[JSON], 2000)).await, None);
        for header in [("cache-control", "no-store"), ("etag", "\"a\"")] {
            let get = TestRequest::get().insert_header((ACCEPT_ENCODING, "gzip"));
            assert_eq!(coding(get, response(&[JSON, header], 2000)).await, None);
        }
    }

    #[test]
    fn what_is_compressed_comes_back_whole() {
        let content = "portico ".repeat(1000);
        let packed = gzip(content.as_bytes());
        assert!(packed.len() < content.len() / 10);
        let mut whole = String::new();
        GzDecoder::new(&packed[..])
            .read_to_string(&mut whole)
            .unwrap();
        assert_eq!(whole, content);
    }

    #[test]
    fn gzip_is_taken_by_name_or_by_star_and_not_with_weight_zero() {
        let takes = |sent: &'static str| {
            let request = TestRequest::get().insert_header((ACCEPT_ENCODING, sent));
            takes_gzip(request.to_http_request().headers())
        };
        assert!(takes("gzip") && takes("br;q=1, GZIP;q=0.5") && takes("*"));
        assert!(!takes("") && !takes("br") && !takes("gzip;q=0") && !takes("gzip;q=0, *"));
        assert!(!takes("gzip;q=x"));
        assert!(!takes_gzip(TestRequest::get().to_http_request().headers()));
    }
}
