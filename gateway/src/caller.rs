//! Who calls, as far as the edge decides it.

use std::{sync::Arc, time::Instant};

use actix_web::{
    HttpRequest,
    http::header::{AUTHORIZATION, HeaderMap},
};
use portico_caller::{Access, Caller, Refusal, admit as decide, bearer_token};

use crate::{
    api_keys::is_key,
    contract::Route,
    edge::Edge,
    problem::{Origin, Problem},
};

/// Who was let in.
#[derive(Default)]
pub struct Admitted {
    /// Whose the request is, unless the route is public.
    pub caller: Option<Arc<Caller>>,
    /// The access token that takes the place of an API key.
    pub token: Option<Arc<str>>,
    /// That key.
    pub key: Option<Box<str>>,
}

/// Lets a request in or refuses it by the route's policy, and says whose it is. A public route asks for no
/// token, so that an expired one does not keep anybody from signing in. What depends on the content
/// (`self`) is the service's to decide.
pub async fn admit(
    edge: &Edge,
    route: &Route,
    request: &HttpRequest,
    deadline: Instant,
) -> Result<Admitted, Problem> {
    if route.policy.access == Access::Public {
        return Ok(Admitted::default());
    }
    let verifier = &edge.shared.verifier;
    let token = token(request.headers());
    let origin = Origin {
        token: token != Err(Refusal::Missing),
        scopes: &route.policy.scopes,
        ..Origin::default()
    };
    let mut admitted = Admitted::default();
    let decided = match token {
        Ok(key)
            if is_key(key)
                && let Some(auth) = edge.auth() =>
        {
            let keys = &edge.shared.api_keys;
            let (caller, token) = keys.verify(key, auth, verifier, deadline, &origin).await?;
            admitted.token = Some(token);
            admitted.key = Some(key.into());
            let decided = decide(&route.policy, Some(&caller));
            admitted.caller = Some(caller);
            decided
        }
        Ok(token) => match verifier.verify(token).await {
            Ok(caller) => {
                let decided = decide(&route.policy, Some(&caller));
                admitted.caller = Some(caller);
                decided
            }
            Err(refusal) => Err(refusal),
        },
        Err(Refusal::Missing) => decide(&route.policy, None),
        Err(refusal) => Err(refusal),
    };
    decided.map_err(|refusal| Problem::refused(refusal, &origin))?;
    Ok(admitted)
}

/// Whether a request comes with an API key that has to be asked about first.
pub fn is_unknown_key(edge: &Edge, request: &HttpRequest) -> bool {
    token(request.headers()).is_ok_and(|key| is_key(key) && !edge.shared.api_keys.knows(key))
}

/// The token of a request. Two of them could be read one way here and the other way behind.
pub fn token(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION);
    match (values.next(), values.next()) {
        (None, _) => Err(Refusal::Missing),
        (Some(value), None) => bearer_token(value.as_bytes()),
        (Some(_), Some(_)) => Err(Refusal::Malformed("there is more than one")),
    }
}
