//! Who is let in, and how often: addresses, connections and limits.

mod address;
mod gate;
mod rate;

use std::time::Instant;

use actix_web::{HttpRequest, http::StatusCode};
use portico_caller::Access;

use crate::{
    caller::{self, Admitted},
    contract::Route,
    edge::Edge,
    problem::Problem,
};

pub use self::{
    address::{Client, Peer, Proxies},
    gate::Gate,
    rate::{Quota, RateLimits},
};

/// Lets a request in by the route's policy and the limits of its class, and says whose it is. `quota` is
/// what the answer says of the limits, whatever becomes of the request.
///
/// A request whose token is refused counts for its address: else guessing would cost nothing.
pub async fn admit(
    edge: &Edge,
    route: &Route,
    request: &HttpRequest,
    client: &Client,
    deadline: Instant,
    quota: &mut Quota,
) -> Result<Admitted, Problem> {
    let limits = &edge.shared.rate_limits;
    let public = route.policy.access == Access::Public;
    let class = limits.class(route.policy.rate_limit.as_deref(), public);
    if caller::is_unknown_key(edge, request) {
        limits.refuse_guessing(client, quota)?;
    }
    let admitted = match caller::admit(edge, route, request, deadline).await {
        Ok(admitted) => admitted,
        Err(problem) => {
            if matches!(
                problem.status(),
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
            ) {
                limits.count_refused(client, quota).await?;
            }
            return Err(problem);
        }
    };
    limits.take(class, client, &admitted, quota).await?;
    Ok(admitted)
}
