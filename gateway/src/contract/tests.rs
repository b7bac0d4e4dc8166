use super::*;

fn ours(upstream: usize, set: &'static [u8]) -> Arc<Mount> {
    let descriptors = Descriptors::embedded(set).unwrap();
    Arc::new(Mount::compile(upstream, "test", true, descriptors).unwrap())
}

fn target<'c>(contract: &'c Contract, method: &str, path: &str) -> Option<&'c Kind> {
    match contract.find(method, path) {
        Found::Route { value, .. } => Some(&value.kind),
        Found::MethodNotAllowed { .. } | Found::NotFound => None,
    }
}

fn rpc(contract: &Contract, method: &str, path: &str) -> Option<(usize, String)> {
    match target(contract, method, path)? {
        Kind::Rpc(route) => Some((route.upstream, route.rpc.to_string())),
        Kind::Own(_) => None,
    }
}

#[test]
fn the_gateways_own_routes_need_no_upstream() {
    let contract = Contract::empty(0);
    assert!(matches!(
        target(&contract, "GET", "/health"),
        Some(Kind::Own(Own::Health))
    ));
    assert!(matches!(
        target(&contract, "GET", "/ready"),
        Some(Kind::Own(Own::Ready))
    ));
}

#[test]
fn what_only_services_may_call_has_no_route() {
    let mount = ours(0, portico_proto::user::DESCRIPTOR_SET);
    assert!(!mount.routes.is_empty());
    for route in &mount.routes {
        let rpc = route.rpc.path();
        assert!(
            !rpc.starts_with("/portico.user.v1.ProvisioningService/"),
            "{rpc}"
        );
        assert!(!rpc.starts_with("/portico.user.v1.UserEvents/"), "{rpc}");
    }
}

#[test]
fn every_rule_of_an_rpc_is_a_route() {
    let (contract, refused) = Contract::empty(1).with(ours(0, portico_proto::auth::DESCRIPTOR_SET));
    assert!(refused.is_empty(), "{refused:?}");
    let list = (0, "/portico.auth.v1.SessionService/ListSessions".to_owned());
    assert_eq!(
        rpc(&contract, "GET", "/api/v1/auth/sessions").as_ref(),
        Some(&list)
    );
    assert_eq!(
        rpc(&contract, "GET", "/api/v1/users/me/sessions").as_ref(),
        Some(&list)
    );
}

#[test]
fn whoever_has_a_route_keeps_it() {
    let set = portico_proto::user::DESCRIPTOR_SET;
    let (first, refused) = Contract::empty(2).with(ours(1, set));
    assert!(refused.is_empty());
    let routes = first.routes().count();

    let (second, refused) = first.with(ours(0, set));
    assert_eq!(refused.len(), routes);
    assert!(refused.iter().all(|it| it.upstream == 0));
    assert_eq!(second.refused(0), routes);
    assert_eq!(rpc(&second, "GET", "/api/v1/users/me").unwrap().0, 1);

    let (third, refused) = second.with(ours(1, set));
    assert!(
        refused.is_empty(),
        "what was refused before is not told again"
    );
    assert_eq!(rpc(&third, "GET", "/api/v1/users/me").unwrap().0, 1);
    assert_eq!(third.refused(0), routes);
}

/// A stranger's contract: a file with these declarations, compiled.
fn stranger(upstream: usize, package: &str, declarations: &str) -> Result<Mount, Error> {
    let folder = tempfile::tempdir().unwrap();
    let source = format!(
        r#"syntax = "proto3";
        package {package};
        import "google/api/annotations.proto";
        message M {{ string id = 1; string more = 2; }}
        {declarations}"#
    );
    std::fs::write(folder.path().join("s.proto"), source).unwrap();
    let third_party = concat!(env!("CARGO_MANIFEST_DIR"), "/../proto/third_party");
    let mut compiler =
        protox::Compiler::new([folder.path(), std::path::Path::new(third_party)]).unwrap();
    compiler.include_imports(true).open_file("s.proto").unwrap();
    let set = compiler.encode_file_descriptor_set();
    let descriptors = Descriptors::embedded(Vec::leak(set)).unwrap();
    Mount::compile(upstream, "stranger", false, descriptors)
}

/// A service with a GET route for each template.
fn service(name: &str, templates: &[&str]) -> String {
    let rpcs = templates.iter().enumerate().map(|(at, template)| {
        format!(
            "rpc R{at}(M) returns (M) {{ option (google.api.http) = {{get: \"{template}\"}}; }}"
        )
    });
    format!(
        "service {name} {{ {} }}",
        rpcs.collect::<Vec<_>>().join(" ")
    )
}

fn with_ours() -> Contract {
    let (contract, _) = Contract::empty(4).with(ours(0, portico_proto::user::DESCRIPTOR_SET));
    let (contract, refused) = contract.with(ours(1, portico_proto::auth::DESCRIPTOR_SET));
    assert!(refused.is_empty(), "{refused:?}");
    contract
}

#[test]
fn a_stranger_gets_nothing_of_porticos() {
    let taken = [
        "/api/v1/auth/login",
        "/api/v1/auth/nobody-has-this",
        "/api/v1/users/me",
        "/api/v1/users/me:nobody-has-this",
        "/api/v1/{id}/me",
        "/api/{id=**}",
        "/{id}",
        "/{id=**}",
        "/{id}/v1/x",
        "/oauth2/token",
        "/.well-known/jwks.json",
        "/health",
    ];
    let mount = stranger(2, "s.v1", &service("S", &taken)).unwrap();
    assert_eq!(mount.routes.len(), taken.len());
    let (contract, refused) = with_ours().with(Arc::new(mount));
    assert_eq!(refused.len(), taken.len(), "{refused:#?}");
    for path in ["/api/v1/users/me", "/api/v1/auth/sessions"] {
        assert!(rpc(&contract, "GET", path).unwrap().0 < 2, "{path}");
    }
    assert!(target(&contract, "GET", "/api/v1/auth/nobody-has-this").is_none());
}

#[test]
fn a_stranger_may_have_what_is_beside() {
    let free = [
        "/api/v1/shop/{id}",
        "/api/v1/users-of-shop",
        "/shop/{id=**}",
        "/api/v2/users",
    ];
    let mount = stranger(2, "s.v1", &service("S", &free)).unwrap();
    let (_, refused) = with_ours().with(Arc::new(mount));
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn strangers_take_nothing_from_each_other() {
    let first = stranger(2, "a.v1", &service("S", &["/shop/{id}", "/shop/{id}/x"])).unwrap();
    let (contract, _) = with_ours().with(Arc::new(first));
    let second = service("S", &["/shop/special", "/shop/{id=**}", "/shop/{id}/y"]);
    // Even with the same names of packages, files and services.
    let second = stranger(3, "a.v1", &second).unwrap();
    let (contract, refused) = contract.with(Arc::new(second));
    let refused: Vec<_> = refused.iter().map(|it| it.rpc.as_str()).collect();
    assert_eq!(refused, ["/a.v1.S/R0"]);
    assert_eq!(rpc(&contract, "GET", "/shop/special").unwrap().0, 2);
    assert_eq!(rpc(&contract, "GET", "/shop/1/x").unwrap().0, 2);
    assert_eq!(rpc(&contract, "GET", "/shop/1/y").unwrap().0, 3);
    assert_eq!(rpc(&contract, "GET", "/shop/1/2/3").unwrap().0, 3);
}

#[test]
fn ours_come_back_whoever_was_there_meanwhile() {
    let early = stranger(2, "s.v1", &service("S", &["/api/v1/users/{id}"])).unwrap();
    let (contract, refused) = Contract::empty(4).with(Arc::new(early));
    assert!(refused.is_empty(), "nobody else is there");
    let (contract, refused) = contract.with(ours(0, portico_proto::user::DESCRIPTOR_SET));
    assert_eq!(refused.len(), 1);
    assert_eq!(rpc(&contract, "GET", "/api/v1/users/me").unwrap().0, 0);
}

#[test]
fn nobody_else_is_a_service_of_portico() {
    let posing = service("AuthService", &["/shop/login"]);
    let mount = stranger(2, "portico.auth.v1", &posing).unwrap();
    assert!(mount.routes.is_empty());
}

#[test]
fn a_contract_has_only_so_many_routes() {
    let templates: Vec<String> = (0..=4096).map(|at| format!("/shop/r{at}")).collect();
    let templates: Vec<&str> = templates.iter().map(String::as_str).collect();
    let error = stranger(2, "s.v1", &service("S", &templates)).unwrap_err();
    assert!(matches!(error, Error::Large), "{error}");
}

#[test]
fn types_may_hang_on_each_other_as_they_like() {
    const LENGTH: usize = 3_000;
    let chain = (0..LENGTH).map(|at| {
        format!(
            "message C{at} {{ C{} next = 1; C0 first = 2; }}\n",
            (at + 1) % LENGTH
        )
    });
    let chain = chain.collect::<Vec<_>>().concat();
    let rpc = r#"service S { rpc R(C0) returns (C0) {
        option (google.api.http) = {post: "/shop/chain" body: "*"}; } }"#;
    let mount = stranger(2, "s.v1", &format!("{chain}{rpc}")).unwrap();
    let (contract, refused) = with_ours().with(Arc::new(mount));
    assert!(refused.is_empty(), "{refused:#?}");
    let document = crate::openapi::Document::of(&contract);
    assert!(document.json.len() > LENGTH);
}

#[test]
fn files_that_import_each_other_do_no_harm() {
    use prost::Message as _;
    let file = |name: &str, import: &str| prost_types::FileDescriptorProto {
        name: Some(name.to_owned()),
        package: Some("s.v1".to_owned()),
        dependency: vec![import.to_owned()],
        service: vec![prost_types::ServiceDescriptorProto {
            name: Some(name.replace(".proto", "")),
            ..Default::default()
        }],
        syntax: Some("proto3".to_owned()),
        ..Default::default()
    };
    let set = prost_types::FileDescriptorSet {
        file: vec![file("a.proto", "b.proto"), file("b.proto", "a.proto")],
    };
    let descriptors = Descriptors::embedded(Vec::leak(set.encode_to_vec())).unwrap();
    let mount = Mount::compile(2, "stranger", false, descriptors).unwrap();
    assert!(mount.routes.is_empty());
}
