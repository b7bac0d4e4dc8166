//! Policies as security requirements.

use portico_caller::{Access, Policy};

use super::json::{Json, Object};

/// The name of the only scheme.
const SCHEME: &str = "accessToken";

/// The security schemes, for the document's components.
pub fn shared() -> Object {
    let scheme = Object::default()
        .with("type", "http")
        .with("scheme", "bearer")
        .with("bearerFormat", "JWT")
        .with(
            "description",
            "An access token (RFC 9068) in the header `Authorization`.",
        );
    Object::default().with(SCHEME, scheme)
}

/// Puts in what a caller must show. Scopes stand in the requirement, which OpenAPI 3.1 allows for every
/// scheme, and in an extension for tools that read them for OAuth 2 alone. Where the caller's own id is
/// enough, a token without them is an alternative.
pub fn add(operation: &mut Object, policy: &Policy) {
    if policy.access == Access::Public {
        operation.put("security", Json::List(Vec::new()));
        return;
    }
    let with = |scopes: Vec<String>| Object::default().with(SCHEME, scopes);
    let mut ways = vec![with(policy.scopes.clone())];
    if policy.self_field.is_some() && !policy.scopes.is_empty() {
        ways.push(with(Vec::new()));
    }
    operation.put("security", ways);
    if !policy.scopes.is_empty() {
        operation.put("x-required-scopes", policy.scopes.clone());
    }
}

/// The policy in words. `own` is the field of the caller's own id as the caller knows it.
pub fn words(policy: &Policy, own: Option<&str>) -> String {
    if policy.access == Access::Public {
        return "Needs no token.".to_owned();
    }
    let scopes: Vec<String> = policy.scopes.iter().map(|it| format!("`{it}`")).collect();
    match (scopes.as_slice(), own) {
        ([], None) => "Needs an access token.".to_owned(),
        ([], Some(own)) => format!("Needs an access token and the caller's own id as `{own}`."),
        ([one], None) => format!("Needs an access token with the scope {one}."),
        ([one], Some(own)) => format!(
            "Needs an access token with the scope {one}, or the caller's own id as `{own}`."
        ),
        (many, None) => format!(
            "Needs an access token with the scopes {}.",
            many.join(" and ")
        ),
        (many, Some(own)) => format!(
            "Needs an access token with the scopes {}, or the caller's own id as `{own}`.",
            many.join(" and ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn required(policy: &Policy) -> String {
        let mut operation = Object::default();
        add(&mut operation, policy);
        serde_json::to_string(&operation).unwrap()
    }

    #[test]
    fn every_policy_is_a_requirement() {
        let public = Policy {
            access: Access::Public,
            ..Policy::default()
        };
        assert_eq!(required(&public), r#"{"security":[]}"#);
        assert_eq!(
            required(&Policy::default()),
            r#"{"security":[{"accessToken":[]}]}"#
        );
        let own = Policy {
            scopes: vec!["users:read".into()],
            self_field: Some("id".into()),
            ..Policy::default()
        };
        assert_eq!(
            required(&own),
            r#"{"security":[{"accessToken":["users:read"]},{"accessToken":[]}],"x-required-scopes":["users:read"]}"#
        );
    }

    #[test]
    fn every_policy_is_said_in_words() {
        let own = Policy {
            scopes: vec!["users:read".into()],
            self_field: Some("user.id".into()),
            ..Policy::default()
        };
        assert_eq!(
            words(&own, Some("id")),
            "Needs an access token with the scope `users:read`, or the caller's own id as `id`."
        );
        assert_eq!(words(&Policy::default(), None), "Needs an access token.");
    }
}
