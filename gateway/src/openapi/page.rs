//! The page that shows the document: Swagger UI, from this binary alone.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
            HeaderValue, REFERRER_POLICY, VARY,
        },
    },
};
use bytes::Bytes;

use super::publish::{Document, entity_tag};
use crate::browser;

/// Nothing from elsewhere, and no script that does not stand in a file of ours. Swagger UI puts styles
/// into its elements.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asset {
    /// The page itself.
    Page,
    /// What starts Swagger UI.
    Start,
    /// Swagger UI.
    Script,
    /// Its styles.
    Style,
}

impl Asset {
    /// Every file and its path.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Page, "/docs"),
        (Self::Start, "/docs/start.js"),
        (Self::Script, "/docs/swagger-ui-bundle.js"),
        (Self::Style, "/docs/swagger-ui.css"),
    ];

    fn media_type(self) -> &'static str {
        match self {
            Self::Page => "text/html; charset=utf-8",
            Self::Start | Self::Script => "text/javascript; charset=utf-8",
            Self::Style => "text/css; charset=utf-8",
        }
    }

    fn content(self) -> &'static [u8] {
        match self {
            Self::Page => include_bytes!("../../assets/docs/index.html"),
            Self::Start => include_bytes!("../../assets/docs/start.js"),
            Self::Script => include_bytes!("../../assets/docs/swagger-ui-bundle.js.gz"),
            Self::Style => include_bytes!("../../assets/docs/swagger-ui.css.gz"),
        }
    }

    /// The large files are kept compressed and sent so: there is no browser that cannot read them.
    fn is_compressed(self) -> bool {
        matches!(self, Self::Script | Self::Style)
    }

    /// Answers a request for the file.
    pub fn answer(self, request: &HttpRequest) -> HttpResponse {
        let content = self.content();
        let etag = entity_tag(content);
        let content = Bytes::from_static(content);
        let mut response = tagged(request, &etag, self.media_type(), content);
        let headers = response.headers_mut();
        if self.is_compressed() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response
    }
}

impl Document {
    /// Answers a request for the document, compressed if that is taken.
    pub fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let packed = browser::takes_gzip(request.headers());
        let content = if packed { &self.gzip } else { &self.json };
        let mut response = tagged(request, &self.etag, "application/json", content.clone());
        let headers = response.headers_mut();
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        if packed {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

/// A representation with its tag; only the tag, when the caller has the representation already.
fn tagged(
    request: &HttpRequest,
    etag: &str,
    media_type: &'static str,
    content: Bytes,
) -> HttpResponse {
    let known = browser::has(request.headers(), etag);
    let mut response = if known {
        HttpResponse::new(StatusCode::NOT_MODIFIED)
    } else {
        HttpResponse::new(StatusCode::OK)
            .set_body(content)
            .map_into_boxed_body()
    };
    let headers = response.headers_mut();
    if let Ok(etag) = HeaderValue::from_str(etag) {
        headers.insert(ETAG, etag);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if !known {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    }
    response
}

#[cfg(test)]
mod tests {
    use actix_web::{http::header::IF_NONE_MATCH, test::TestRequest};

    use super::*;

    #[test]
    fn the_page_runs_no_script_of_its_own_and_names_no_other_host() {
        for asset in [Asset::Page, Asset::Start] {
            let text = std::str::from_utf8(asset.content()).unwrap();
            assert!(!text.contains("://"), "{asset:?}");
            assert!(!text.contains("onload="), "{asset:?}");
        }
        let page = std::str::from_utf8(Asset::Page.content()).unwrap();
        let scripts = page.matches("<script").count();
        assert!(scripts > 0);
        assert_eq!(page.matches("></script>").count(), scripts);
        for (_, path) in &Asset::ALL[1..] {
            let relative = path.trim_start_matches('/');
            assert!(page.contains(&format!("\"{relative}\"")), "{path}");
        }
    }

    #[test]
    fn what_is_said_to_be_compressed_is() {
        for (asset, _) in Asset::ALL {
            let gzip = asset.content().starts_with(&[0x1f, 0x8b]);
            assert_eq!(gzip, asset.is_compressed(), "{asset:?}");
        }
    }

    #[test]
    fn a_caller_who_has_it_is_told_so() {
        let ask = |tags: &'static str| {
            let request = TestRequest::get().insert_header((IF_NONE_MATCH, tags));
            let answer = Document {
                json: Bytes::from_static(b"{}"),
                gzip: browser::gzip(b"{}"),
                etag: "W/\"a\"".to_owned(),
            }
            .answer(&request.to_http_request());
            answer.status().as_u16()
        };
        assert_eq!(ask("\"a\""), 304);
        assert_eq!(ask("\"b\", W/\"a\""), 304);
        assert_eq!(ask("*"), 304);
        assert_eq!(ask("\"b\""), 200);
    }
}
