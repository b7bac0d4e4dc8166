use std::time::Duration;

use actix_web::body::to_bytes;
use portico_proto::error::{Reason, Violation, invalid};
use portico_transcode::{Plans, pool};
use serde_json::{Value, json};
use tonic::{Code, Status};

use super::{upstream::as_written, *};

fn origin() -> Origin<'static> {
    Origin::default()
}

fn user_plans() -> Plans {
    Plans::compile(&pool(portico_proto::user::DESCRIPTOR_SET).unwrap())
}

async fn document(problem: Problem) -> Value {
    let response = problem.into_response("r-1");
    assert_eq!(response.headers().get(CONTENT_TYPE).unwrap(), MEDIA_TYPE);
    let body = to_bytes(response.into_body()).await.ok().unwrap();
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test]
async fn a_reason_becomes_the_code() {
    let status = Reason::EmailTaken.status("another account has the address");
    let problem = Problem::from_status(&status, &origin());
    assert_eq!(
        document(problem).await,
        json!({
            "type": "about:blank",
            "title": "Conflict",
            "status": 409,
            "detail": "another account has the address",
            "code": "EMAIL_TAKEN",
            "requestId": "r-1",
        })
    );
}

#[test]
fn every_code_has_its_status() {
    let expected = [
        (Code::Cancelled, 499),
        (Code::Unknown, 500),
        (Code::InvalidArgument, 400),
        (Code::DeadlineExceeded, 504),
        (Code::NotFound, 404),
        (Code::AlreadyExists, 409),
        (Code::PermissionDenied, 403),
        (Code::ResourceExhausted, 429),
        (Code::FailedPrecondition, 409),
        (Code::Aborted, 409),
        (Code::OutOfRange, 400),
        (Code::Unimplemented, 501),
        (Code::Internal, 500),
        (Code::Unavailable, 503),
        (Code::DataLoss, 500),
        (Code::Unauthenticated, 401),
    ];
    for (code, http) in expected {
        let problem = Problem::from_status(&Status::new(code, "why"), &origin());
        assert_eq!(problem.status().as_u16(), http, "{code:?}");
        assert!(!problem.code().is_empty(), "{code:?}");
    }
}

#[test]
fn a_reused_key_is_unprocessable() {
    let status = Reason::IdempotencyKeyReused.status("used before");
    assert_eq!(Problem::from_status(&status, &origin()).status(), 422);
}

#[test]
fn a_stale_etag_is_a_failed_precondition_only_after_if_match() {
    let status = Reason::EtagMismatch.status("changed meanwhile");
    assert_eq!(Problem::from_status(&status, &origin()).status(), 409);
    let origin = Origin {
        if_match: true,
        ..origin()
    };
    assert_eq!(Problem::from_status(&status, &origin).status(), 412);
}

#[tokio::test]
async fn a_fault_of_the_service_keeps_its_words_inside() {
    for code in [
        Code::Internal,
        Code::Unknown,
        Code::DataLoss,
        Code::Unavailable,
    ] {
        let status = Status::new(code, "secret table users_v2 is locked");
        let document = document(Problem::from_status(&status, &origin())).await;
        assert!(!document.to_string().contains("users_v2"), "{document}");
    }
}

#[tokio::test]
async fn violations_are_named_as_the_caller_wrote_them() {
    let status = invalid([
        Violation::new("user.display_name", "too long"),
        Violation::new("update_mask", "unknown path"),
    ]);
    let plans = user_plans();
    let request = plans.message("portico.user.v1.UpdateUserRequest").unwrap();
    let origin = Origin {
        request: Some((&plans, request)),
        body_field: Some("user"),
        ..origin()
    };
    let document = document(Problem::from_status(&status, &origin)).await;
    assert_eq!(document["code"], "INVALID_ARGUMENT");
    assert_eq!(
        document["errors"],
        json!([
            {"field": "displayName", "description": "too long"},
            {"field": "updateMask", "description": "unknown path"},
        ])
    );
}

#[test]
fn only_what_is_inside_the_body_loses_its_prefix() {
    let plans = user_plans();
    let request = plans.message("portico.user.v1.CreateUserRequest");
    let origin = Origin {
        request: request.map(|request| (&plans, request)),
        body_field: Some("user"),
        ..origin()
    };
    assert_eq!(as_written("user.display_name", &origin), "displayName");
    assert_eq!(as_written("user", &origin), "user");
    assert_eq!(as_written("request_id", &origin), "requestId");
    let whole = Origin {
        body_field: None,
        ..origin
    };
    assert_eq!(as_written("user.display_name", &whole), "user.displayName");
}

#[test]
fn retry_information_becomes_a_header() {
    let status = Reason::Overloaded.retry_after("full", Duration::from_millis(1200));
    let response = Problem::from_status(&status, &origin()).into_response("r");
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers().get(RETRY_AFTER).unwrap(), "2");
    let response = Problem::unavailable().into_response("r");
    assert_eq!(response.headers().get(RETRY_AFTER).unwrap(), "1");
}

#[test]
fn a_challenge_says_what_was_wrong_with_the_token() {
    let header = |status: &Status, origin: &Origin<'_>| {
        let response = Problem::from_status(status, origin).into_response("r");
        let value = response.headers().get(WWW_AUTHENTICATE).unwrap();
        value.to_str().unwrap().to_owned()
    };
    let missing = Reason::TokenMissing.status("no token");
    assert_eq!(header(&missing, &origin()), "Bearer");
    let sent = Origin {
        token: true,
        ..origin()
    };
    let expired = Reason::TokenExpired.status("expired");
    assert_eq!(header(&expired, &sent), r#"Bearer error="invalid_token""#);
    let scopes = ["users:read".to_owned(), "users:write".to_owned()];
    let narrow = Origin {
        scopes: &scopes,
        ..sent
    };
    let scope = Reason::InsufficientScope.status("no");
    assert_eq!(
        header(&scope, &narrow),
        r#"Bearer error="insufficient_scope", scope="users:read users:write""#
    );
    let wrong = Reason::InvalidCredentials.status("no");
    assert_eq!(header(&wrong, &sent), "Bearer");
}

#[test]
fn a_strangers_reason_is_kept_only_when_it_is_a_name() {
    use tonic_types::{ErrorDetails, StatusExt};
    let named = |reason: &str| {
        let details = ErrorDetails::with_error_info(reason, "orders.example", []);
        Status::with_error_details(Code::NotFound, "no order", details)
    };
    assert_eq!(
        Problem::from_status(&named("ORDER_GONE"), &origin()).code(),
        "ORDER_GONE"
    );
    assert_eq!(
        Problem::from_status(&named("<b>\r\n"), &origin()).code(),
        "NOT_FOUND"
    );
}
