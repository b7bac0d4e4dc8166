//! Which rule refused a request: one line in the log, and one count.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use actix_web::{HttpRequest, http::StatusCode};
use metrics::counter;
use portico_telemetry::http::known_method;
use tracing::info;

use crate::{
    admission::{Client, Quota},
    problem::Problem,
};

/// How many lines one worker writes in a second. Whoever is refused a thousand times a second shall not
/// fill a disk with it.
const MOST_LINES: u32 = 20;
const SECOND: Duration = Duration::from_secs(1);

thread_local! {
    // When the second began, the lines written in it, and those left out since the last one.
    static LINES: Cell<(Option<Instant>, u32, u64)> = const { Cell::new((None, 0, 0)) };
}

/// Takes note of a request that was not served. Must be called in the request's span, which says its id.
pub fn refused(
    problem: &Problem,
    quota: &Quota,
    request: &HttpRequest,
    route: Option<&str>,
    client: &Client,
) {
    let rule = rule(problem);
    counter!("gateway_refusals_total", "rule" => rule).increment(1);
    let Some(left_out) = line(Instant::now()) else {
        return;
    };
    let limit = quota.refused_by();
    let (status, code) = (problem.status().as_u16(), problem.code());
    let method = known_method(request.method().as_str());
    let address = &client.counted;
    info!(
        rule,
        status, code, limit, method, route, %address, left_out, "refused"
    );
}

/// Takes note of a page of another origin that asked to be let in. It is no refusal of a request: the page's
/// browser makes none.
pub fn preflight() {
    counter!("gateway_refusals_total", "rule" => "origin").increment(1);
    if let Some(left_out) = line(Instant::now()) {
        info!(rule = "origin", left_out, "refused");
    }
}

/// How many lines were left out before this one; nothing when this one is left out as well.
fn line(now: Instant) -> Option<u64> {
    let (since, written, left_out) = LINES.get();
    let fresh = since.is_none_or(|since| now.duration_since(since) >= SECOND);
    let (since, written) = if fresh {
        (Some(now), 0)
    } else {
        (since, written)
    };
    if written >= MOST_LINES {
        LINES.set((since, written, left_out + 1));
        return None;
    }
    LINES.set((since, written + 1, 0));
    Some(left_out)
}

/// The rule behind a problem. Where the problem itself names none, its status tells.
fn rule(problem: &Problem) -> &'static str {
    if let Some(rule) = problem.rule() {
        return rule;
    }
    match problem.status() {
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => "route",
        StatusCode::UNAUTHORIZED => "token",
        StatusCode::FORBIDDEN => "scope",
        StatusCode::PAYLOAD_TOO_LARGE => "body_size",
        StatusCode::REQUEST_TIMEOUT => "body_time",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "media_type",
        StatusCode::PRECONDITION_FAILED => "precondition",
        status if status.is_server_error() => "upstream",
        _ => "message",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_and_those_left_out_are_counted() {
        let start = Instant::now();
        for _ in 0..MOST_LINES {
            assert_eq!(line(start), Some(0));
        }
        assert_eq!(line(start), None);
        assert_eq!(line(start), None);
        assert_eq!(line(start + SECOND), Some(2));
        assert_eq!(line(start + SECOND), Some(0));
    }

    #[test]
    fn every_refusal_has_a_rule() {
        assert_eq!(rule(&Problem::not_found()), "route");
        assert_eq!(rule(&Problem::body_too_large(1)), "body_size");
        assert_eq!(rule(&Problem::bad_request("x").by("path")), "path");
        assert_eq!(rule(&Problem::invalid_json("x")), "message");
        assert_eq!(rule(&Problem::unavailable()), "upstream");
    }
}
