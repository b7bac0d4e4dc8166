//! From a reply to an answer.

use super::*;

#[test]
fn replies_are_whole_or_one_field() {
    let reply = |rpc: &str, message: &str, json: &str| {
        let mut out = Vec::new();
        binding(rpc)
            .response(&PLANS, &wire(message, json), &mut out)
            .expect("a JSON form");
        String::from_utf8(out).expect("UTF-8")
    };
    assert_eq!(
        reply("GetBook", "Book", r#"{"name":"a"}"#),
        r#"{"name":"a"}"#
    );
    assert_eq!(
        reply(
            "CreateBook",
            "CreateBookResponse",
            r#"{"book":{"name":"a"}}"#
        ),
        r#"{"name":"a"}"#
    );
    assert_eq!(reply("CreateBook", "CreateBookResponse", "{}"), "{}");
    assert_eq!(
        reply(
            "ListBooks",
            "ListBooksResponse",
            r#"{"books":[{"name":"a"},{}],"nextPageToken":"t"}"#
        ),
        r#"[{"name":"a"},{}]"#
    );
    assert_eq!(reply("ListBooks", "ListBooksResponse", "{}"), "[]");
    assert_eq!(reply("TagBook", "TagBookResponse", "{}"), "\"\"");
    let fault = binding("ListBooks").response(&PLANS, &[0x0a, 0x01, 0x0a], &mut Vec::new());
    assert_eq!(fault.expect_err("half a book").fault, WireFault::Malformed);
}

#[test]
fn http_bodies_pass_as_they_are() {
    let upload = binding("Upload");
    assert!(upload.takes_http_body() && upload.gives_http_body() && upload.takes_body());
    let capture = Capture {
        raw: "b",
        multi: false,
    };
    let mut out = Vec::new();
    upload
        .request_http_body(&PLANS, &[capture], "", "image/png", &[0xff, 0], &mut out)
        .expect("any bytes");
    assert_eq!(
        shown(upload.request, &out),
        json!({"name": "b", "cover": {"contentType": "image/png", "data": "/wA="}})
    );
    let mut whole = Vec::new();
    let echo = binding("Echo");
    assert_eq!(echo.http_method, "*");
    echo.request_http_body(&PLANS, &[], "", "text/plain", b"hi", &mut whole)
        .expect("any bytes");
    let expected = HttpBody {
        content_type: "text/plain",
        data: b"hi",
    };
    assert_eq!(upload.response_http_body(&PLANS, &whole), Ok(expected));
    let mut reply = Vec::new();
    wire::put_bytes(1, &whole, &mut reply);
    assert_eq!(echo.response_http_body(&PLANS, &reply), Ok(expected));
    assert!(upload.response_http_body(&PLANS, &[0x0a]).is_err());
    assert!(!binding("GetBook").takes_http_body() && !binding("GetBook").gives_http_body());
}

#[test]
fn replies_tell_their_etag() {
    let reply = wire("Book", r#"{"name":"a","etag":"e"}"#);
    assert_eq!(binding("GetBook").response_etag(&reply), Some("e"));
    assert_eq!(binding("GetBook").response_etag(&wire("Book", "{}")), None);
    assert_eq!(binding("ListBooks").response_etag(&reply), None);
    assert_eq!(
        binding("TagBook").response_etag(&reply),
        None,
        "it is the body itself"
    );
}
