//! Who calls, as far as the edge decides it.

use std::sync::Arc;

use actix_web::{
    HttpRequest,
    http::header::{AUTHORIZATION, HeaderMap},
};
use portico_caller::{Access, Caller, Refusal, Verifier, admit as decide, bearer_token};

use crate::{
    contract::Route,
    problem::{Origin, Problem},
};

/// Lets a request in or refuses it by the route's policy, and says whose it is. A public route asks for no token, so that
/// an expired one does not keep anybody from signing in. What depends on the content (`self`) is the
/// service's to decide.
pub async fn admit(
    verifier: &Verifier,
    route: &Route,
    request: &HttpRequest,
) -> Result<Option<Arc<Caller>>, Problem> {
    if route.policy.access == Access::Public {
        return Ok(None);
    }
    let token = token(request.headers());
    let origin = Origin {
        token: token != Err(Refusal::Missing),
        scopes: &route.policy.scopes,
        ..Origin::default()
    };
    let admitted = match token {
        Ok(token) => match verifier.verify(token).await {
            Ok(caller) => decide(&route.policy, Some(&caller)).map(|()| Some(caller)),
            Err(refusal) => Err(refusal),
        },
        Err(Refusal::Missing) => decide(&route.policy, None).map(|()| None),
        Err(refusal) => Err(refusal),
    };
    admitted.map_err(|refusal| Problem::refused(refusal, &origin))
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
