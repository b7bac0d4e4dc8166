//! One trace from the edge to the row.

use opentelemetry_proto::tonic::trace::v1::{span::SpanKind, status::StatusCode};
use serde_json::json;

use super::collector::{Collector, Received};
use crate::world::{self, PASSWORD, World};

/// The span of whoever calls.
const CALLER: u64 = 0xb7ad_6b71_6920_3331;

fn traceparent(trace: u128, sampled: bool) -> String {
    format!("00-{trace:032x}-{CALLER:016x}-0{}", u8::from(sampled))
}

/// A step of a trace: in which process, under which name, of which kind.
type Step<'a> = (&'a str, &'a str, SpanKind);

/// The spans of steps that follow each other, the first of them below `parent`.
fn follow<'a>(
    spans: &'a [Received],
    parent: &[u8],
    steps: &[Step<'_>],
) -> Option<Vec<&'a Received>> {
    let Some(((service, name, kind), rest)) = steps.split_first() else {
        return Some(Vec::new());
    };
    let matches = spans.iter().filter(|it| {
        it.is_root_of(parent)
            && it.service == *service
            && it.span.name == *name
            && it.span.kind == i32::from(*kind)
    });
    for found in matches {
        if let Some(mut below) = follow(spans, &found.span.span_id, rest) {
            below.insert(0, found);
            return Some(below);
        }
    }
    None
}

struct Names<'a> {
    gateway: &'a str,
    user: &'a str,
    auth: &'a str,
    database: &'a str,
}

async fn one_trace(world: &World, collector: &Collector, names: &Names<'_>) {
    use SpanKind::{Client, Internal, Server};

    let person = world.person().await;
    let client = world.client();
    let caller = CALLER.to_be_bytes();

    let trace = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128;
    let answer = client
        .get(&format!("/api/v1/users/{}", person.id))
        .bearer(&person.tokens.access)
        .header("traceparent", traceparent(trace, true))
        .header("x-request-id", "curl-1")
        .send()
        .await;
    answer.ok();
    let get = "portico.user.v1.UserService/GetUser";
    let steps = [
        (names.gateway, "GET /api/v1/users/{id}", Server),
        (names.gateway, get, Client),
        (names.user, get, Server),
        (names.user, "get-user", Internal),
        (names.user, "SELECT users", Client),
    ];
    let complete = |spans: &[Received]| follow(spans, &caller, &steps).is_some();
    let spans = collector.trace(trace, complete).await;
    let chain = follow(&spans, &caller, &steps).expect("it is complete");
    let [http, outgoing, incoming, step, sql] = chain[..] else {
        panic!("five steps: {chain:?}");
    };
    for (span, key, value) in [
        (http, "http.request.method", "GET"),
        (http, "http.route", "/api/v1/users/{id}"),
        (http, "http.response.status_code", "200"),
        (http, "url.scheme", "http"),
        (http, "request_id", "curl-1"),
        (outgoing, "rpc.system.name", "grpc"),
        (outgoing, "rpc.method", get),
        (outgoing, "rpc.response.status_code", "OK"),
        (incoming, "rpc.system.name", "grpc"),
        (incoming, "rpc.method", get),
        (incoming, "rpc.response.status_code", "OK"),
        (incoming, "request_id", "curl-1"),
        (step, "user.id", &*person.id),
        (sql, "db.system.name", names.database),
        (sql, "db.operation.name", "SELECT"),
        (sql, "db.collection.name", "users"),
        (sql, "db.query.summary", "SELECT users"),
    ] {
        assert_eq!(span.says(key).as_deref(), Some(value), "{key} of {span:#?}");
    }
    assert!(
        http.says("url.path")
            .is_some_and(|path| path.ends_with(&person.id))
    );
    let text = sql.says("db.query.text").expect("the statement");
    assert!(
        text.contains("WHERE") && !text.contains(&person.id),
        "{text}"
    );
    for span in [http, outgoing, incoming, step, sql] {
        assert_eq!(
            span.span.status.as_ref().map_or(0, |it| it.code),
            0,
            "{span:#?}"
        );
        assert!(span.span.end_time_unix_nano >= span.span.start_time_unix_nano);
    }

    let trace = trace + 1;
    let body = json!({ "email": person.email, "password": PASSWORD });
    let signed_in = client
        .post("/api/v1/auth/login", body)
        .header("traceparent", traceparent(trace, true))
        .send()
        .await;
    signed_in.tokens();
    let login = "portico.auth.v1.AuthService/Login";
    let to_auth = |last| {
        [
            (names.gateway, "POST /api/v1/auth/login", Server),
            (names.gateway, login, Client),
            (names.auth, login, Server),
            last,
        ]
    };
    let read = to_auth((names.auth, "SELECT identities", Client));
    let hash = to_auth((names.auth, "verify-password", Internal));
    let opened = to_auth((names.auth, "INSERT sessions", Client));
    let all = [read, hash, opened];
    let complete = |spans: &[Received]| all.iter().all(|it| follow(spans, &caller, it).is_some());
    collector.trace(trace, complete).await;
}

/// What a change leads to later, in another process or by a worker, is linked to it.
async fn causes(world: &World, collector: &Collector, names: &Names<'_>) {
    let person = world.person().await;
    let client = world.client();
    let trace = 0x1af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128;
    let renamed = client
        .request("PATCH", "/api/v1/users/me")
        .json(json!({ "displayName": "Ada" }))
        .bearer(&person.tokens.access)
        .header("traceparent", traceparent(trace, true))
        .send()
        .await;
    renamed.ok();
    let linked = collector.linked(trace, "apply-events").await;
    assert!(
        linked.iter().all(|it| it.service == names.auth),
        "{linked:#?}"
    );

    let trace = trace + 1;
    let body = json!({ "email": person.email });
    let asked = client
        .post("/api/v1/auth/password:forgot", body)
        .header("traceparent", traceparent(trace, true))
        .send()
        .await;
    asked.ok();
    let linked = collector.linked(trace, "send-mail").await;
    assert_eq!(linked[0].service, names.auth);
    assert_eq!(linked[0].says("mail.kind").as_deref(), Some("reset"));
    let own = &linked[0].span.trace_id;
    assert_ne!(own[..], trace.to_be_bytes(), "it is a trace of its own");
    let below = collector.trace(
        u128::from_be_bytes(own[..].try_into().expect("16 bytes")),
        |spans| spans.iter().any(|it| it.span.name == "SELECT identities"),
    );
    below.await;
}

/// What is not recorded leaves nothing, unless it fails; then each process that failed says so.
async fn failures(world: &mut World, collector: &Collector) {
    let person = world.person().await;
    let client = world.client();
    let ask = async |trace| {
        client
            .get("/api/v1/users/me")
            .bearer(&person.tokens.access)
            .header("traceparent", traceparent(trace, false))
            .send()
            .await
    };
    let (quiet, failed) = (0x2a << 64 | 1_u128, 0x2a << 64 | 2_u128);
    ask(quiet).await.ok();
    let user = world.fleet().user.take();
    user.expect("the user service runs").kill();
    ask(failed).await.problem(503, "UNAVAILABLE");

    let spans = collector.trace(failed, |spans| !spans.is_empty()).await;
    let [span] = &spans[..] else {
        panic!("one span of the gateway: {spans:#?}");
    };
    assert_eq!(span.service, "portico-gateway");
    assert_eq!(span.span.name, "GET /api/v1/users/{id}");
    assert_eq!(span.span.parent_span_id, CALLER.to_be_bytes());
    assert_eq!(
        span.says("http.response.status_code").as_deref(),
        Some("503")
    );
    assert_eq!(span.says("error.type").as_deref(), Some("503"));
    let status = span.span.status.as_ref().expect("a status");
    assert_eq!(status.code, i32::from(StatusCode::Error));
    let all = collector.all();
    assert!(all.iter().all(|it| it.span.trace_id != quiet.to_be_bytes()));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_reaches_from_the_edge_to_the_row_in_three_processes() {
    if world::running().is_some() {
        return;
    }
    let collector = Collector::start().await;
    let Some(mut world) = World::three_processes_with(&collector.settings()).await else {
        return;
    };
    let names = Names {
        gateway: "portico-gateway",
        user: "portico-user",
        auth: "portico-auth",
        database: "postgresql",
    };
    one_trace(&world, &collector, &names).await;
    causes(&world, &collector, &names).await;
    failures(&mut world, &collector).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_reaches_from_the_edge_to_the_row_in_the_standalone() {
    if world::running().is_some() {
        return;
    }
    let collector = Collector::start().await;
    let world = World::standalone_process(&collector.settings()).await;
    let names = Names {
        gateway: "portico",
        user: "portico",
        auth: "portico",
        database: "sqlite",
    };
    one_trace(&world, &collector, &names).await;
    causes(&world, &collector, &names).await;
}
