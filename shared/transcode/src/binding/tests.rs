mod replies;

use serde_json::{Value, json};

use super::*;
use crate::{
    Fault, Place, WireFault,
    router::{Found, Router},
    testing::{PLANS, POOL, shown, wire},
};

/// All rules of the test service, routed.
fn router() -> Router<Binding> {
    let mut builder = Router::builder();
    let service = POOL.get_service_by_name("test.Library").expect("there");
    for method in service.methods() {
        for binding in Binding::all(&PLANS, &method).expect("valid rules") {
            let template = binding.template.as_str().to_owned();
            let verb = binding.http_method.clone();
            builder
                .add(&verb, &template, method.name(), binding)
                .expect("no conflict");
        }
    }
    builder.build()
}

/// Sends a request and gives the RPC's name with the request message as JSON.
fn send(method: &str, url: &str, body: &str) -> Result<(String, Value), RequestError> {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let router = router();
    let Found::Route { value, captures } = router.find(method, path) else {
        panic!("{method} {url} leads nowhere");
    };
    let mut out = vec![];
    value.request(&PLANS, &captures, query, body.as_bytes(), &mut out)?;
    let rpc = value
        .grpc_path
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_owned();
    Ok((rpc, shown(value.request, &out)))
}

fn sent(method: &str, url: &str, body: &str) -> (String, Value) {
    send(method, url, body).unwrap_or_else(|error| panic!("{method} {url}: {error}"))
}

fn refused(method: &str, url: &str, body: &str) -> (Place, String, Fault) {
    let error = send(method, url, body).expect_err(url);
    assert!(!error.to_string().is_empty());
    (error.place, error.field, error.fault)
}

fn rpc(name: &str, request: Value) -> (String, Value) {
    (name.to_owned(), request)
}

#[test]
fn captures_fill_their_fields() {
    for (url, name) in [
        ("/v1/shelves/a/books/b%2Fc", "shelves/a/books/b%2Fc"),
        ("/v1/shelves/%C3%A9%20/books/b", "shelves/é /books/b"),
        ("/v1/books/b%2Fc+d", "b/c+d"),
        ("/v1/files/a/b%2fc", "a/b%2fc"),
        ("/v1/files", ""),
    ] {
        let (method, request) = sent("GET", url, "");
        assert_eq!(method, "GetBook");
        assert_eq!(request["name"].as_str().unwrap_or_default(), name, "{url}");
    }
    assert_eq!(
        refused("GET", "/v1/books/%zz", ""),
        (Place::Path, "name".into(), Fault::Syntax)
    );
    assert_eq!(
        refused("GET", "/v1/books/%ff", ""),
        (Place::Path, "name".into(), Fault::Encoding)
    );
}

#[test]
fn a_body_fills_its_field_and_the_query_the_rest() {
    assert_eq!(
        sent(
            "POST",
            "/v1/shelves/s/books?requestId=r&validate_only=true",
            r#"{"displayTitle":"t","tags":["a"]}"#
        ),
        rpc(
            "CreateBook",
            json!({"parent": "shelves/s", "book": {"displayTitle": "t", "tags": ["a"]}, "requestId": "r", "validateOnly": true})
        )
    );
    assert_eq!(
        sent("PUT", "/v1/books/b/tags", r#"["x","y"]"#),
        rpc("TagBook", json!({"name": "b", "tags": ["x", "y"]}))
    );
    assert_eq!(
        sent("PUT", "/v1/books/b/tags", ""),
        rpc("TagBook", json!({"name": "b"}))
    );
}

#[test]
fn path_and_body_say_the_same() {
    let moved = rpc("MoveBook", json!({"name": "b", "shelf": "s"}));
    for body in [
        r#"{"shelf":"s"}"#,
        r#"{"name":"b","shelf":"s"}"#,
        r#"{"name":null,"shelf":"s"}"#,
    ] {
        assert_eq!(sent("POST", "/v1/books/b:move", body), moved, "{body}");
    }
    assert_eq!(
        sent("POST", "/v1/books/b:move", ""),
        rpc("MoveBook", json!({"name": "b"}))
    );
    let wrong = |field: &str| (Place::Body, field.to_owned(), Fault::Value);
    assert_eq!(
        refused("POST", "/v1/books/b:move", r#"{"name":"x","shelf":"s"}"#),
        wrong("name")
    );
    assert_eq!(
        refused("PATCH", "/v1/books/b", r#"{"name":"x"}"#),
        wrong("book.name")
    );
    let mut form = Vec::new();
    let capture = Capture {
        raw: "b",
        multi: false,
    };
    let error = binding("MoveBook")
        .request_form(&PLANS, &[capture], "", b"name=x", &mut form)
        .expect_err("they differ");
    assert_eq!((&*error.field, form.len()), ("name", 0));
}

#[test]
fn a_path_may_stand_for_what_the_body_says() {
    let mut update = binding("UpdateBook");
    update.alias("book.name", "mine");
    let send = |raw| {
        let capture = Capture { raw, multi: false };
        let mut out = Vec::new();
        let body = br#"{"name":"x"}"#;
        let made = update.request(&PLANS, &[capture], "", body, &mut out);
        made.map(|()| shown(update.request, &out)["book"]["name"].clone())
    };
    assert_eq!(send("mine").expect("it stands for x"), "mine");
    assert!(send("yours").is_err());
}

#[test]
fn a_patch_without_a_mask_gets_one_from_its_body() {
    for (url, body, expected) in [
        (
            "/v1/books/b",
            r#"{"displayTitle":"t","author":{"inner":{"count":1}},"tags":null,"etag":"e","name":"b","createdBy":"x"}"#,
            json!("displayTitle,author.inner.count,tags"),
        ),
        (
            "/v1/books/b?updateMask=tags,display_title",
            r#"{"etag":"e"}"#,
            json!("tags,displayTitle"),
        ),
        ("/v1/books/b", "{}", json!(null)),
        ("/v1/books/b", "", json!(null)),
        ("/v1/books/b", "null", json!(null)),
    ] {
        let (method, request) = sent("PATCH", url, body);
        assert_eq!(method, "UpdateBook");
        assert_eq!(request["updateMask"], expected, "{body}");
        assert_eq!(request["book"]["name"], "b");
    }
}

#[test]
fn a_mask_holds_original_names_whatever_their_case() {
    let (update, mut out) = (binding("UpdateBook"), Vec::new());
    let capture = Capture {
        raw: "b",
        multi: false,
    };
    update
        .request(&PLANS, &[capture], "", br#"{"ISBNCode":"1"}"#, &mut out)
        .expect("valid");
    let mut mask = Vec::new();
    wire::put_str(1, "ISBN_code", &mut mask);
    let mut field = Vec::new();
    wire::put_bytes(2, &mask, &mut field);
    assert!(out.ends_with(&field));
}

#[test]
fn parameters_reach_nested_repeated_and_well_known_fields() {
    assert_eq!(
        sent(
            "GET",
            "/v1/books?pageSize=5&tags=a+b&tags=c%26d&filter.inner.author=x&filter.years=1&filter.years=2\
             &filter.open=false&since=2030-01-31T12:00:00Z&readMask=displayTitle,author.name&limit=0\
             &colors=RED&colors=2&shuffled=true&cursor=-_8&score=Infinity",
            ""
        ),
        rpc(
            "ListBooks",
            json!({
                "pageSize": 5, "tags": ["a b", "c&d"],
                "filter": {"inner": {"author": "x"}, "years": ["1", "2"], "open": false},
                "since": "2030-01-31T12:00:00Z", "readMask": "displayTitle,author.name", "limit": "0",
                "colors": ["RED", "GREEN"], "shuffled": true, "cursor": "+/8=", "score": "Infinity",
            })
        )
    );
    assert_eq!(
        sent("GET", "/v1/books?&page_size=1&", ""),
        rpc("ListBooks", json!({"pageSize": 1}))
    );
}

#[test]
fn faults_of_parameters_name_them() {
    for (query, field, fault) in [
        ("nope=1", "nope", Fault::UnknownField),
        ("filter.nope=1", "filter.nope", Fault::UnknownField),
        ("pageSize.x=1", "pageSize.x", Fault::UnknownField),
        ("filter=x", "filter", Fault::UnknownField),
        ("labels.a=b", "labels.a", Fault::UnknownField),
        ("a%zz=1", "a%zz", Fault::Syntax),
        ("pageSize=%", "pageSize", Fault::Syntax),
        ("tags=%ff", "tags", Fault::Encoding),
        ("pageSize=x", "pageSize", Fault::Value),
        ("pageSize=", "pageSize", Fault::Value),
        ("page_size", "page_size", Fault::Value),
        ("pageSize=99999999999", "pageSize", Fault::Range),
        ("pageSize=1&page_size=2", "page_size", Fault::Duplicate),
        ("orderBy=a&shuffled=true", "shuffled", Fault::Oneof),
        ("shuffled=yes", "shuffled", Fault::Value),
        ("colors=BLUE", "colors", Fault::Value),
        ("since=now", "since", Fault::Value),
        ("limit=x", "limit", Fault::Value),
        ("filter.years=1.5", "filter.years", Fault::Value),
    ] {
        let url = format!("/v1/books?{query}");
        assert_eq!(
            refused("GET", &url, ""),
            (Place::Query, field.into(), fault),
            "{query}"
        );
    }
    for (method, url, field) in [
        ("GET", "/v1/books/b?name=c", "name"),
        ("POST", "/v1/shelves/s/books?book.name=c", "book.name"),
        ("POST", "/v1/books/b:move?shelf=s", "shelf"),
        ("POST", "/v1/books/b:move?nope=s", "nope"),
    ] {
        assert_eq!(
            refused(method, url, ""),
            (Place::Query, field.into(), Fault::UnknownField),
            "{url}"
        );
    }
}

#[test]
fn faults_of_bodies_name_the_field_of_the_request() {
    for (url, body, field, fault) in [
        (
            "/v1/shelves/s/books",
            r#"{"author":{"count":"x"}}"#,
            "book.author.count",
            Fault::Value,
        ),
        (
            "/v1/shelves/s/books",
            r#"{"nope":1}"#,
            "book.nope",
            Fault::UnknownField,
        ),
        ("/v1/shelves/s/books", "[]", "book", Fault::Type),
        ("/v1/shelves/s/books", "{", "", Fault::Syntax),
        ("/v1/books/b:move", r#"{"shelf":1}"#, "shelf", Fault::Type),
        ("/v1/books/b:move", "{}{}", "", Fault::Syntax),
    ] {
        assert_eq!(
            refused("POST", url, body),
            (Place::Body, field.into(), fault),
            "{body}"
        );
    }
    assert_eq!(
        refused("PUT", "/v1/books/b/tags", r#"["a",1]"#),
        (Place::Body, "tags[1]".into(), Fault::Type)
    );
    assert_eq!(
        refused("GET", "/v1/books", "{}"),
        (Place::Body, String::new(), Fault::Syntax)
    );
}

fn binding(rpc: &str) -> Binding {
    let method = POOL
        .get_service_by_name("test.Library")
        .and_then(|service| service.methods().find(|method| method.name() == rpc))
        .expect("there");
    Binding::all(&PLANS, &method).expect("valid").remove(0)
}

#[test]
fn an_error_leaves_what_was_there() {
    let mut out = vec![42];
    let create = binding("CreateBook");
    let capture = Capture {
        raw: "%",
        multi: true,
    };
    for (captures, query, body) in [
        (&[][..], "", "{"),
        (&[], "nope=1", r#"{"name":"a"}"#),
        (&[capture], "requestId=r", r#"{"name":"a"}"#),
    ] {
        create
            .request(&PLANS, captures, query, body.as_bytes(), &mut out)
            .expect_err("a fault");
        assert_eq!(out, [42]);
    }
}

#[test]
fn a_form_is_a_body_too() {
    let capture = Capture {
        raw: "right",
        multi: false,
    };
    let form = |rpc: &str, form: &str| {
        let (binding, mut out) = (binding(rpc), Vec::new());
        binding
            .request_form(&PLANS, &[capture], "", form.as_bytes(), &mut out)
            .map(|()| shown(binding.request, &out))
    };
    assert_eq!(
        form("MoveBook", "name=right&shelf=a+b&etag=%25"),
        Ok(json!({"name": "right", "shelf": "a b", "etag": "%"}))
    );
    assert_eq!(
        form("CreateBook", "displayTitle=t&author.name=n"),
        Ok(json!({"parent": "right", "book": {"displayTitle": "t", "author": {"name": "n"}}}))
    );
    let error = form("CreateBook", "nope=1").expect_err("unknown");
    assert_eq!((error.place, &*error.field), (Place::Body, "book.nope"));
    assert!(form("GetBook", "a=b").is_err() && form("TagBook", "a=b").is_err());
    // A parameter that may come again is not compared with all that came before it.
    let many = "tags=a&".repeat(50_000);
    let tags = form("CreateBook", &many).map(|sent| sent["book"]["tags"].as_array().map(Vec::len));
    assert_eq!(tags, Ok(Some(50_000)));
}

#[test]
fn parameters_nest_no_deeper_than_messages() {
    let nested = |levels: usize| format!("/v1/books?filter.{}author=x", "inner.".repeat(levels));
    // The request, the filter, and 97 more.
    let (_, sent) = sent("GET", &nested(97), "");
    assert!(sent["filter"]["inner"].is_object());
    for levels in [98, 1_000] {
        assert_eq!(refused("GET", &nested(levels), "").2, Fault::Depth);
    }
}

#[test]
fn headers_fill_etag_and_request_id() {
    let (create, update, r#move) = (
        binding("CreateBook"),
        binding("UpdateBook"),
        binding("MoveBook"),
    );
    let mut out = Vec::new();
    assert!(create.append_request_id(&PLANS, "r", &mut out));
    assert!(create.append_etag(&PLANS, "e", &mut out));
    assert_eq!(
        shown(create.request, &out),
        json!({"book": {"etag": "e"}, "requestId": "r"})
    );
    let mut out = wire("UpdateBookRequest", r#"{"book":{"etag":"old","name":"n"}}"#);
    assert!(update.append_etag(&PLANS, "new", &mut out));
    assert!(!update.append_request_id(&PLANS, "r", &mut out));
    assert_eq!(
        shown(update.request, &out),
        json!({"book": {"etag": "new", "name": "n"}})
    );
    let mut out = Vec::new();
    assert!(r#move.append_etag(&PLANS, "e", &mut out));
    assert!(r#move.append_string(&PLANS, "shelf", "s", &mut out));
    assert!(!r#move.append_string(&PLANS, "nope", "s", &mut out));
    assert!(!create.append_string(&PLANS, "validate_only", "true", &mut out));
    assert_eq!(
        shown(r#move.request, &out),
        json!({"etag": "e", "shelf": "s"})
    );
}

#[test]
fn bindings_say_what_they_bind() {
    let method = POOL.get_service_by_name("test.Library").expect("there");
    let named = |name: &str| method.methods().find(|m| m.name() == name).expect("there");
    assert!(
        Binding::all(&PLANS, &named("Internal"))
            .expect("no rule")
            .is_empty()
    );
    let all = Binding::all(&PLANS, &named("GetBook")).expect("valid");
    let templates: Vec<&str> = all
        .iter()
        .map(|binding| binding.template.as_str())
        .collect();
    assert_eq!(
        templates,
        [
            "/v1/{name=shelves/*/books/*}",
            "/v1/books/{name}",
            "/v1/files/{name=**}"
        ]
    );
    let import = binding("Import");
    assert_eq!(
        (&*import.http_method, &*import.grpc_path),
        ("PURGE", "/test.Library/Import")
    );
    assert!(import.client_streaming && import.server_streaming);
    assert_eq!(binding("UpdateBook").body_field(&PLANS), Some("book"));
    assert_eq!(import.body_field(&PLANS), None);
    assert_eq!(binding("TagBook").response_body.as_deref(), Some("etag"));
    assert_eq!(
        binding("CreateBook").json_path(&PLANS, "book.display_title"),
        "book.displayTitle"
    );
}
