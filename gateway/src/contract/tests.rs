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
        assert!(
            route
                .rpc
                .path()
                .starts_with("/portico.user.v1.UserService/"),
            "{}",
            route.rpc
        );
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
