//! What the gateway answers itself.

use actix_web::HttpResponse;
use serde_json::json;

use crate::{contract::Own, edge::Shared, problem::Problem};

/// Answers a request to one of the gateway's own routes. The ops port says more; here nobody learns
/// what stands behind the edge.
pub fn answer(own: Own, shared: &Shared) -> Result<HttpResponse, Problem> {
    match own {
        Own::Health => Ok(HttpResponse::Ok().json(json!({"status": "alive"}))),
        Own::Ready if shared.readiness.state().ready => {
            Ok(HttpResponse::Ok().json(json!({"status": "ready"})))
        }
        Own::Ready => Err(Problem::unavailable()),
    }
}
