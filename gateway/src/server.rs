//! One request from top to bottom, and the application that hands it over.

use std::{
    sync::{Arc, LazyLock},
    time::Instant,
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method, StatusCode,
        header::{ALLOW, HeaderValue},
    },
    web,
};
use portico_telemetry::{http as metrics, request_id};
use portico_transcode::Found;

use crate::{
    caller,
    contract::{Kind, Target},
    drain::Answer,
    edge::Edge,
    headers, limits, own,
    problem::Problem,
    proxy::{self, Exchange},
    trace,
};

/// What metrics call a request that met no route.
static UNMATCHED: LazyLock<Arc<str>> = LazyLock::new(|| "unmatched".into());

/// Fills the application of one worker. Everything goes through [`serve`]: routes come from contracts,
/// so actix has none.
pub fn configure(edge: Edge) -> impl FnOnce(&mut web::ServiceConfig) {
    |app| {
        app.app_data(web::Data::new(edge));
        app.default_service(web::to(serve));
    }
}

async fn serve(
    request: HttpRequest,
    body: web::Payload,
    edge: web::Data<Edge>,
) -> HttpResponse<Answer> {
    let started = Instant::now();
    let open = edge.shared.drain.open();
    let sent = request.headers().get(request_id::HEADER);
    let id = request_id::accept_or_new(sent.and_then(|value| value.to_str().ok()));

    let contract = edge.shared.contracts.current();
    let found = contract.find(request.method().as_str(), request.path());
    let template = match &found {
        Found::Route { value, .. } => Some(&value.template),
        Found::MethodNotAllowed { .. } | Found::NotFound => None,
    };

    let route = template.map(|it| &**it);
    let trace = trace::begin(&request, route, &id);
    let answer = trace
        .scope(answer(&edge, &request, body, &found, &id, started))
        .await;
    let mut response = answer.unwrap_or_else(|problem| problem.into_response(&id));
    headers::finish(response.headers_mut(), &id);

    let status = response.status().as_u16();
    trace::close(&trace, &request, route, &id, status);
    metrics::observe(
        request.method().as_str(),
        template.unwrap_or(&UNMATCHED),
        status,
        started.elapsed(),
    );
    response.map_body(|_, body| open.until_sent(body))
}

async fn answer(
    edge: &Edge,
    request: &HttpRequest,
    body: web::Payload,
    found: &Found<'_, '_, Target>,
    id: &str,
    started: Instant,
) -> Result<HttpResponse, Problem> {
    limits::head(request)?;
    let (target, captures) = match found {
        Found::Route { value, captures } => (*value, captures.as_slice()),
        Found::MethodNotAllowed { allow } if request.method() == Method::OPTIONS => {
            return Ok(options(allow));
        }
        Found::MethodNotAllowed { allow } => {
            return Err(Problem::method_not_allowed(allow.join(", ")));
        }
        Found::NotFound => return Err(Problem::not_found()),
    };
    let route = match &target.kind {
        Kind::Rpc(route) => route,
        Kind::Own(own) => return own::answer(*own, request, &edge.shared).await,
    };
    let patience = route.policy.timeout.unwrap_or(edge.shared.request_timeout);
    let deadline = started + patience;
    let admitted = caller::admit(edge, route, request, deadline).await?;
    let exchange = Exchange {
        edge,
        request,
        route,
        captures,
        caller: admitted.caller.as_deref(),
        token: admitted.token.as_deref(),
        id,
        deadline,
    };
    proxy::forward(exchange, body).await
}

fn options(allow: &[&str]) -> HttpResponse {
    let mut response = HttpResponse::new(StatusCode::NO_CONTENT);
    if let Ok(value) = HeaderValue::try_from(allow.join(", ")) {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}
