//! What the gateway answers itself.

use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::{
    admission::{Client, Quota},
    contract::Own,
    edge::Shared,
    problem::Problem,
};

/// Answers a request to one of the gateway's own routes. The ops port says more; here nobody learns
/// what stands behind the edge. Probes are never refused; whatever is larger counts as public.
pub async fn answer(
    own: Own,
    request: &HttpRequest,
    client: &Client,
    shared: &Shared,
    quota: &mut Quota,
) -> Result<HttpResponse, Problem> {
    if !matches!(own, Own::Health | Own::Ready) {
        shared.rate_limits.take_public(client, quota).await?;
    }
    match own {
        Own::Health => Ok(HttpResponse::Ok().json(json!({"status": "alive"}))),
        Own::Ready if shared.readiness.state().ready => {
            Ok(HttpResponse::Ok().json(json!({"status": "ready"})))
        }
        Own::Ready => Err(Problem::unavailable()),
        Own::Reference => {
            let document = shared.reference.current().await;
            let document = document.ok_or_else(Problem::unavailable)?;
            Ok(document.answer(request))
        }
        Own::Docs(asset) => Ok(asset.answer(request)),
    }
}
