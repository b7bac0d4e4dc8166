//! `/log-level`: what is logged, changed for a while.

use std::time::Duration;

use axum::{
    body::Body,
    extract::State,
    http::{Response, StatusCode, Uri},
};
use serde_json::json;

use super::{Ops, answer, text};

/// The longest body, in bytes: somewhat more than the directives that are taken, so that too long ones are
/// refused in words.
pub(super) const BODY: usize = 4096;

/// For how long a change holds when nobody says, and at most, in minutes.
const MINUTES: u64 = 10;
const MOST: u64 = 60;

pub(super) async fn show(State(ops): State<Ops>) -> Response<Body> {
    let (directives, left) = ops.telemetry.log_level().current();
    let body = json!({ "directives": directives, "secondsLeft": left.map(|left| left.as_secs()) });
    answer(StatusCode::OK, "application/json", body.to_string())
}

/// Takes directives as `RUST_LOG` has them; `?minutes=` says for how long, from 1 to 60.
pub(super) async fn change(State(ops): State<Ops>, uri: Uri, directives: String) -> Response<Body> {
    let minutes = match minutes(uri.query()) {
        Ok(minutes) => minutes,
        Err(fault) => return refuse(&fault),
    };
    let time = Duration::from_mins(minutes);
    match ops.telemetry.log_level().set(&directives, time) {
        Ok(()) => show(State(ops)).await,
        Err(fault) => refuse(&fault),
    }
}

pub(super) async fn restore(State(ops): State<Ops>) -> Response<Body> {
    ops.telemetry.log_level().reset();
    show(State(ops)).await
}

fn refuse(fault: &str) -> Response<Body> {
    text(StatusCode::BAD_REQUEST, &format!("{fault}\n"))
}

fn minutes(query: Option<&str>) -> Result<u64, String> {
    let Some(query) = query.filter(|query| !query.is_empty()) else {
        return Ok(MINUTES);
    };
    let given = query
        .strip_prefix("minutes=")
        .and_then(|it| it.parse().ok());
    given
        .filter(|minutes| (1..=MOST).contains(minutes))
        .ok_or_else(|| format!("the query may be `minutes=N` with N from 1 to {MOST}"))
}
