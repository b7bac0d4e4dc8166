//! What one call costs: time, and what it allocates. `benches/instructions` counts instructions, which
//! say the same on a busy machine.

use std::{hint::black_box, path::Path, sync::LazyLock};

use divan::{AllocProfiler, Bencher};
use portico_transcode::{Binding, Found, Plans, Router, pool};
use protox::Compiler;

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

const USER: &str = r#"{"id":"018f2c6a-7c1e-7b52-9a64-3d1f0c5e8a90","email":"ada@example.org","emailVerified":true,"displayName":"Ada Lovelace","locale":"en-GB","timeZone":"Europe/London","status":"USER_STATUS_ACTIVE","roles":["admin","user"],"createTime":"2026-01-02T03:04:05.678901Z","updateTime":"2026-02-03T04:05:06.789Z","etag":"018f2c6a"}"#;

const CREATE: &str = r#"{"email":"ada@example.org","displayName":"Ada Lovelace","locale":"en-GB","timeZone":"Europe/London"}"#;

/// Portico's own contract of accounts.
struct Contract {
    plans: Plans,
    routes: Router<Binding>,
}

static CONTRACT: LazyLock<Contract> = LazyLock::new(|| {
    let protos = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    let folders = [protos.clone(), protos.join("third_party")];
    let mut compiler = Compiler::new(folders).expect("the folders are there");
    compiler.include_imports(true);
    compiler
        .open_file("portico/user/v1/user.proto")
        .expect("the protos are valid");
    let pool = pool(&compiler.encode_file_descriptor_set()).expect("the descriptors are valid");
    let plans = Plans::compile(&pool);
    let service = pool
        .get_service_by_name("portico.user.v1.UserService")
        .expect("in the pool");
    let mut routes = Router::builder();
    for method in service.methods() {
        for binding in Binding::all(&plans, &method).expect("the rules are valid") {
            let (verb, path) = (binding.http_method.clone(), binding.template.to_string());
            routes
                .add(&verb, &path, method.full_name(), binding)
                .expect("no two rules are the same");
        }
    }
    let routes = routes.build();
    Contract { plans, routes }
});

/// The protobuf form of a message.
fn wire(message: &str, json: &str) -> Vec<u8> {
    let plans = &CONTRACT.plans;
    let id = plans.message(message).expect("in the contract");
    let mut wire = Vec::new();
    plans
        .to_wire(id, json.as_bytes(), &mut wire)
        .unwrap_or_else(|error| panic!("{error}"));
    wire
}

fn page() -> String {
    let users = vec![USER; 100].join(",");
    format!(r#"{{"users":[{users}],"nextPageToken":"AAECAwQFBgc"}}"#)
}

fn to_json(bencher: Bencher<'_, '_>, message: &str, json: &str) {
    let (plans, wire) = (&CONTRACT.plans, wire(message, json));
    let id = plans.message(message).expect("in the contract");
    let mut out = Vec::with_capacity(64 * 1024);
    bencher.bench_local(|| {
        out.clear();
        let outcome = plans.to_json(id, black_box(&wire), &mut out);
        outcome.is_ok() && !out.is_empty()
    });
    assert!(plans.to_json(id, &wire, &mut out).is_ok());
}

#[divan::bench]
fn one_user_to_json(bencher: Bencher<'_, '_>) {
    to_json(bencher, "portico.user.v1.User", USER);
}

#[divan::bench]
fn page_of_100_to_json(bencher: Bencher<'_, '_>) {
    to_json(bencher, "portico.user.v1.ListUsersResponse", &page());
}

#[divan::bench]
fn page_of_100_to_wire(bencher: Bencher<'_, '_>) {
    let plans = &CONTRACT.plans;
    let id = plans.message("portico.user.v1.ListUsersResponse");
    let (id, page) = (id.expect("in the contract"), page());
    let mut out = Vec::with_capacity(64 * 1024);
    bencher.bench_local(|| {
        out.clear();
        plans
            .to_wire(id, black_box(page.as_bytes()), &mut out)
            .is_ok()
    });
    assert!(plans.to_wire(id, page.as_bytes(), &mut out).is_ok());
}

/// Finds the route of a request and makes its message.
fn request(bencher: Bencher<'_, '_>, method: &str, path: &str, query: &str, body: &str) {
    let mut out = Vec::with_capacity(1024);
    let mut send = || {
        out.clear();
        let Found::Route { value, captures } = CONTRACT.routes.find(black_box(method), path) else {
            return false;
        };
        let (query, body) = (black_box(query), black_box(body.as_bytes()));
        value
            .request(&CONTRACT.plans, &captures, query, body, &mut out)
            .is_ok()
    };
    assert!(send(), "{method} {path}");
    bencher.bench_local(send);
}

#[divan::bench]
fn create_a_user_from_its_body(bencher: Bencher<'_, '_>) {
    request(bencher, "POST", "/api/v1/users", "", CREATE);
}

#[divan::bench]
fn change_a_user_with_a_mask_made_of_its_body(bencher: Bencher<'_, '_>) {
    let path = "/api/v1/users/018f2c6a-7c1e-7b52-9a64-3d1f0c5e8a90";
    request(bencher, "PATCH", path, "", r#"{"displayName":"Ada"}"#);
}

#[divan::bench]
fn list_users_from_the_query(bencher: Bencher<'_, '_>) {
    let query = "pageSize=100&pageToken=AAECAwQFBgc";
    request(bencher, "GET", "/api/v1/users", query, "");
}

/// The cost must not grow with the number of routes.
#[divan::bench(args = [10, 10_000])]
fn find_one_of_so_many_routes(bencher: Bencher<'_, '_>, count: usize) {
    let mut routes = Router::builder();
    for index in 0..count {
        let path = format!("/v1/things{index}/{{id}}/parts/{{part}}");
        routes
            .add("GET", &path, &path, index)
            .expect("no two paths are the same");
    }
    let (routes, path) = (routes.build(), format!("/v1/things{}/7/parts/8", count / 2));
    bencher.bench_local(|| matches!(routes.find("GET", black_box(&path)), Found::Route { .. }));
}
