use super::*;

fn router(routes: &[(&str, &str)]) -> Router<String> {
    let mut builder = Router::builder();
    for (method, template) in routes {
        let name = format!("{method} {template}");
        builder
            .add(method, template, &name, name.clone())
            .expect("no conflict");
    }
    builder.build()
}

fn found(router: &Router<String>, method: &str, path: &str) -> String {
    match router.find(method, path) {
        Found::Route { value, captures } => {
            let captures: Vec<&str> = captures.iter().map(|capture| capture.raw).collect();
            format!("{value} [{}]", captures.join(","))
        }
        Found::MethodNotAllowed { allow } => format!("405 {}", allow.join(",")),
        Found::NotFound => "404".to_owned(),
    }
}

#[test]
fn literals_go_before_variables_and_variables_before_the_rest() {
    let router = router(&[
        ("GET", "/"),
        ("GET", "/users"),
        ("GET", "/users/{id}"),
        ("GET", "/users/{id}/sessions"),
        ("GET", "/users/all/{rest=**}"),
        ("GET", "/users/all/first"),
        ("GET", "/{name=files/*/x/**}"),
        ("GET", "/{everything=**}"),
    ]);
    for (path, expected) in [
        ("/", "GET / []"),
        ("/users", "GET /users []"),
        ("/users/7", "GET /users/{id} [7]"),
        ("/users/all", "GET /users/all/{rest=**} []"),
        ("/users/all/sessions", "GET /users/all/{rest=**} [sessions]"),
        ("/users/all/first", "GET /users/all/first []"),
        ("/users/all/a/b", "GET /users/all/{rest=**} [a/b]"),
        ("/users/7/sessions", "GET /users/{id}/sessions [7]"),
        ("/users/7/nothing", "GET /{everything=**} [users/7/nothing]"),
        ("/users//sessions", "GET /{everything=**} [users//sessions]"),
        ("/files/a/x", "GET /{name=files/*/x/**} [files/a/x]"),
        (
            "/files/a/x/b/c%2Fd",
            "GET /{name=files/*/x/**} [files/a/x/b/c%2Fd]",
        ),
        ("/u%73ers/%61l", "GET /users/{id} [%61l]"),
        ("/users/%61ll", "GET /users/all/{rest=**} []"),
        ("no-slash", "404"),
    ] {
        assert_eq!(found(&router, "GET", path), expected, "{path}");
    }
}

#[test]
fn a_dead_end_leads_back() {
    let router = router(&[
        ("GET", "/a/b/c"),
        ("GET", "/a/{x}/d"),
        ("GET", "/{y}/b/e"),
        ("GET", "/a/{z=**}"),
    ]);
    assert_eq!(found(&router, "GET", "/a/b/c"), "GET /a/b/c []");
    assert_eq!(found(&router, "GET", "/a/b/d"), "GET /a/{x}/d [b]");
    assert_eq!(found(&router, "GET", "/a/b/f"), "GET /a/{z=**} [b/f]");
    assert_eq!(found(&router, "GET", "/x/b/e"), "GET /{y}/b/e [x]");
    assert_eq!(found(&router, "GET", "/a"), "GET /a/{z=**} []");
    assert_eq!(found(&router, "GET", "/x/b"), "404");
}

#[test]
fn empty_segments_match_nothing() {
    let router = router(&[("GET", "/users"), ("GET", "/users/{id}")]);
    for path in ["", "/", "//", "/users/", "//users", "/users//", "/users/1/"] {
        assert_eq!(found(&router, "GET", path), "404", "{path}");
    }
}

#[test]
fn verbs_are_told_from_colons_in_values() {
    let router = router(&[
        ("GET", "/users/{id}"),
        ("POST", "/users/{id}:suspend"),
        ("GET", "/users:batchGet"),
        ("POST", "/users"),
        ("POST", "/files/{name=**}:move"),
    ]);
    for (method, path, expected) in [
        ("POST", "/users/7:suspend", "POST /users/{id}:suspend [7]"),
        (
            "POST",
            "/users/urn:x:suspend",
            "POST /users/{id}:suspend [urn:x]",
        ),
        ("GET", "/users/urn:isbn", "GET /users/{id} [urn:isbn]"),
        ("GET", "/users/7:suspend", "405 OPTIONS,POST"),
        ("GET", "/users:batchGet", "GET /users:batchGet []"),
        ("POST", "/users:batchGet", "405 GET,HEAD,OPTIONS"),
        ("GET", "/users/7%3Asuspend", "GET /users/{id} [7%3Asuspend]"),
        ("GET", "/users/7:", "GET /users/{id} [7:]"),
        ("GET", "/users:nothing", "404"),
        ("POST", "/users/:suspend", "405 GET,HEAD,OPTIONS"),
        (
            "POST",
            "/files/a/b:move",
            "POST /files/{name=**}:move [a/b]",
        ),
    ] {
        assert_eq!(found(&router, method, path), expected, "{method} {path}");
    }
}

#[test]
fn methods_are_told_apart() {
    let router = router(&[
        ("GET", "/a"),
        ("PUT", "/a"),
        ("PURGE", "/{x}"),
        ("*", "/any"),
        ("DELETE", "/any"),
        ("HEAD", "/own"),
        ("GET", "/own"),
        ("POST", "/post"),
    ]);
    for (method, path, expected) in [
        ("HEAD", "/a", "GET /a []"),
        ("PURGE", "/a", "PURGE /{x} [a]"),
        ("POST", "/a", "405 GET,HEAD,OPTIONS,PURGE,PUT"),
        ("OPTIONS", "/a", "405 GET,HEAD,OPTIONS,PURGE,PUT"),
        ("get", "/a", "405 GET,HEAD,OPTIONS,PURGE,PUT"),
        ("POST", "/any", "* /any []"),
        ("DELETE", "/any", "DELETE /any []"),
        ("HEAD", "/own", "HEAD /own []"),
        ("HEAD", "/post", "405 OPTIONS,POST,PURGE"),
    ] {
        assert_eq!(found(&router, method, path), expected, "{method} {path}");
    }
}

#[test]
fn a_route_that_is_taken_is_refused_with_both_names() {
    let mut builder = Router::builder();
    builder.add("GET", "/users/{id}", "one", 1).expect("free");
    let refused = builder
        .add("GET", "/users/{user.name=*}", "two", 2)
        .expect_err("taken");
    assert_eq!(
        refused.to_string(),
        "GET /users/{user.name=*} of two is taken by one"
    );
    assert!(matches!(
        builder.add("GET", "/{", "bad", 3),
        Err(RouteError::Template(_))
    ));
    builder
        .add("POST", "/users/{id}", "three", 3)
        .expect("another method");
    builder
        .add("GET", "/users/{id}:verb", "four", 4)
        .expect("another verb");
    builder
        .add("GET", "/users/{id=**}", "five", 5)
        .expect("another shape");
    let router = builder.build();
    assert_eq!(router.routes().copied().collect::<Vec<_>>(), [1, 3, 4, 5]);
    assert!(matches!(
        router.find("GET", "/users/7"),
        Found::Route { value: 1, .. }
    ));
}
