//! Who is let in, as a table.

use portico_caller::{Access, Audience, Caller, Policy, Refusal, admit};

use crate::world::ALICE;

fn caller(scope: &str, service: bool) -> Caller {
    Caller {
        subject: ALICE.into(),
        session: None,
        token_id: "t".into(),
        audience: Audience::One("a".into()),
        client_id: "c".into(),
        scopes: scope.parse().unwrap(),
        roles: Vec::new(),
        auth_time: None,
        acr: None,
        issued_at: 0,
        expires_at: 0,
        service,
    }
}

fn policy(access: Access, scopes: &[&str], self_field: Option<&str>) -> Policy {
    Policy {
        access,
        scopes: scopes.iter().map(ToString::to_string).collect(),
        self_field: self_field.map(str::to_owned),
        ..Policy::default()
    }
}

#[test]
fn the_edge_lets_in_whom_the_policy_names() {
    use Access::{Authenticated, Internal, Public};

    let plain = caller("profile", false);
    let reader = caller("profile users:read", false);
    let service = caller("portico.internal", true);
    let scope = |name: &str| Err(Refusal::Scope(name.into()));
    let rows = [
        (policy(Public, &[], None), None, Ok(())),
        (policy(Public, &[], None), Some(&plain), Ok(())),
        (
            policy(Authenticated, &[], None),
            None,
            Err(Refusal::Missing),
        ),
        (policy(Authenticated, &[], None), Some(&plain), Ok(())),
        (
            policy(Authenticated, &["users:read"], None),
            None,
            Err(Refusal::Missing),
        ),
        (
            policy(Authenticated, &["users:read"], None),
            Some(&plain),
            scope("users:read"),
        ),
        (
            policy(Authenticated, &["users:read"], None),
            Some(&reader),
            Ok(()),
        ),
        (
            policy(Authenticated, &["users:read", "roles:read"], None),
            Some(&reader),
            scope("roles:read"),
        ),
        // A service is nobody special where people are let in.
        (
            policy(Authenticated, &["users:read"], None),
            Some(&service),
            scope("users:read"),
        ),
        (policy(Authenticated, &[], None), Some(&service), Ok(())),
        // Whose it is, only the service can see.
        (
            policy(Authenticated, &["users:read"], Some("id")),
            Some(&plain),
            Ok(()),
        ),
        (
            policy(Authenticated, &["users:read"], Some("id")),
            None,
            Err(Refusal::Missing),
        ),
        (policy(Internal, &[], None), None, Err(Refusal::Missing)),
        (
            policy(Internal, &[], None),
            Some(&reader),
            Err(Refusal::Internal),
        ),
        (policy(Internal, &[], None), Some(&service), Ok(())),
        (
            policy(Internal, &["users:read"], None),
            Some(&service),
            scope("users:read"),
        ),
        // The scope alone makes no service.
        (
            policy(Internal, &[], None),
            Some(&caller("portico.internal", false)),
            Err(Refusal::Internal),
        ),
        (
            policy(Internal, &[], Some("id")),
            Some(&reader),
            Err(Refusal::Internal),
        ),
    ];
    for (policy, caller, expected) in rows {
        assert_eq!(admit(&policy, caller), expected, "{policy:?} {caller:?}");
    }
}

#[test]
fn a_missing_scope_is_named() {
    let policy = policy(Access::Authenticated, &["users:read"], None);
    let refusal = admit(&policy, Some(&caller("", false))).unwrap_err();
    assert_eq!(refusal.to_string(), "the scope users:read is needed");
}
