//! The door: requests become domain values here, and answers become messages.

mod api_keys;
mod auth;
mod client;
mod clients;
mod email;
mod import;
mod keys;
mod machines;
mod mfa;
mod oauth;
mod password;
mod service_accounts;
mod sessions;

use chrono::{DateTime, Utc};
use portico_proto::error::Reason;
use prost_types::Timestamp;
use tonic::{Response, Status, metadata::MetadataValue};
use uuid::Uuid;

pub(crate) use self::{
    api_keys::ApiKeyApi,
    auth::AuthApi,
    clients::ClientApi,
    email::EmailApi,
    import::ImportApi,
    keys::KeyApi,
    mfa::MfaApi,
    oauth::{KeyExchangeApi, OAuthApi},
    password::PasswordApi,
    service_accounts::ServiceAccountApi,
    sessions::SessionApi,
};

/// Tells the gateway, which hides it from clients, that a session has ended.
const ENDED_SESSION: &str = "portico-ended-session";

/// Metadata is bounded; the denylist tells of the others a moment later.
const MOST_ENDED: usize = 100;

fn with_ended<T>(message: T, sessions: &[Uuid]) -> Response<T> {
    let mut response = Response::new(message);
    for session in sessions.iter().take(MOST_ENDED) {
        if let Ok(value) = MetadataValue::try_from(session.to_string()) {
            response.metadata_mut().append(ENDED_SESSION, value);
        }
    }
    response
}

/// An answer that is kept by nobody on the way (RFC 6749, section 5.1).
fn no_store<T>(message: T) -> Response<T> {
    let mut response = Response::new(message);
    let caching = MetadataValue::from_static("no-store");
    response.metadata_mut().insert("cache-control", caching);
    response
}

/// An account's id that the guard let through. A caller that is no account has none.
fn account_id(id: &str) -> Result<Uuid, Status> {
    Uuid::parse_str(id).map_err(|_| Reason::InsufficientScope.status("the caller is no account"))
}

fn timestamp(time: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: time.timestamp(),
        nanos: i32::try_from(time.timestamp_subsec_nanos()).unwrap_or(0),
    }
}
