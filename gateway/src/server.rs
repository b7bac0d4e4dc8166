//! One request from top to bottom, and the application that hands it over.

use std::{
    sync::{Arc, LazyLock},
    time::Instant,
};

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use portico_telemetry::{http as metrics, request_id};
use portico_transcode::Found;

use crate::{
    admission::{self, Client, Peer, Quota},
    audit, browser,
    contract::{Kind, Target},
    drain::Answer,
    edge::Edge,
    headers, limits, own,
    payload::Payload,
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
    payload: web::Payload,
    edge: web::Data<Edge>,
) -> HttpResponse<Answer> {
    let started = Instant::now();
    let payload = Payload::from(payload.into_inner());
    let open = edge.shared.drain.open();
    let sent = request.headers().get(request_id::HEADER);
    let id = request_id::accept_or_new(sent.and_then(|value| value.to_str().ok()));

    let contract = edge.shared.contracts.current();
    let found = contract.find(request.method().as_str(), request.path());
    let (template, page) = match &found {
        Found::Route { value, .. } => (Some(&value.template), value.is_page()),
        Found::MethodNotAllowed { .. } | Found::NotFound => (None, false),
    };

    let route = template.map(|it| &**it);
    let client = Client::of(&request, &edge.shared.proxies);
    let trace = trace::begin(&request, &client, route, &id);
    let arrived = Arrived {
        client: &client,
        id: &id,
        started,
    };
    let mut quota = Quota::default();
    let answer = trace
        .scope(answer(
            &edge,
            &request,
            payload.clone(),
            &found,
            arrived,
            &mut quota,
        ))
        .await;
    let mut response = match answer {
        Ok(response) => edge.shared.compression.apply(&request, response).await,
        Err(problem) => {
            let refused = || audit::refused(&problem, &quota, &request, route, &client);
            trace.span().in_scope(refused);
            problem.into_response(&id)
        }
    };
    let out = response.headers_mut();
    browser::finish(&edge.shared, &request, page, out);
    quota.write(out);
    headers::identify(out, &id);

    let status = response.status().as_u16();
    trace::close(&trace, &request, route, &id, status);
    metrics::observe(
        request.method().as_str(),
        template.unwrap_or(&UNMATCHED),
        status,
        started.elapsed(),
    );
    response.map_body(|_, body| open.until_sent(body, payload))
}

/// A request that has just come.
struct Arrived<'a> {
    client: &'a Client,
    id: &'a str,
    started: Instant,
}

async fn answer(
    edge: &Edge,
    request: &HttpRequest,
    payload: Payload,
    found: &Found<'_, '_, Target>,
    Arrived {
        client,
        id,
        started,
    }: Arrived<'_>,
    quota: &mut Quota,
) -> Result<HttpResponse, Problem> {
    limits::head(request, edge.shared.head_limits)?;
    let peer = request.conn_data::<Peer>();
    let most = edge.shared.requests_per_connection;
    let _run = peer.map(|peer| peer.running().start(most)).transpose()?;
    let (target, captures) = match found {
        Found::Route { value, captures } => (*value, captures.as_slice()),
        Found::MethodNotAllowed { allow } if request.method() == Method::OPTIONS => {
            return Ok(edge.shared.cors.options(request.headers(), allow));
        }
        Found::MethodNotAllowed { allow } => {
            return Err(Problem::method_not_allowed(allow.join(", ")));
        }
        Found::NotFound => return Err(Problem::not_found()),
    };
    let route = match &target.kind {
        Kind::Rpc(route) => route,
        Kind::Own(own) => return own::answer(*own, request, client, &edge.shared, quota).await,
    };
    let patience = route.policy.timeout.unwrap_or(edge.shared.request_timeout);
    let deadline = started + patience;
    let admitted = admission::admit(edge, route, request, client, deadline, quota).await?;
    let exchange = Exchange {
        edge,
        request,
        route,
        client,
        captures,
        caller: admitted.caller.as_deref(),
        token: admitted.token.as_deref(),
        id,
        deadline,
    };
    proxy::forward(exchange, payload).await
}
