//! What the domain looks like on the wire: the only step from domain values to protobuf, for answers
//! and for the events of the feed alike. The step back is `grpc::request`.

use chrono::{DateTime, Utc};
use portico_proto::user::v1 as pb;

use crate::domain::{Account, Status};

/// An account, in an answer.
pub fn user(account: &Account) -> pb::User {
    pb::User {
        id: account.id.to_string(),
        email: account.email.as_str().to_owned(),
        email_verified: account.email_verified,
        display_name: account.profile.display_name.as_str().to_owned(),
        locale: account.profile.locale.as_str().to_owned(),
        time_zone: account.profile.time_zone.as_str().to_owned(),
        status: status(account.status).into(),
        roles: account.roles.iter().map(ToString::to_string).collect(),
        create_time: Some(time(account.create_time)),
        update_time: Some(time(account.update_time)),
        etag: account.revision.etag().into_string(),
    }
}

/// An account, as other services learn of it.
pub fn user_change(account: &Account) -> pb::UserChange {
    pb::UserChange {
        user: Some(user(account)),
        revision: account.revision.get(),
    }
}

/// The event of a change, which has no place in the feed yet.
pub fn event(account: &Account, now: DateTime<Utc>) -> pb::UserEvent {
    pb::UserEvent {
        sequence: 0,
        time: Some(time(now)),
        change: Some(pb::user_event::Change::User(user_change(account))),
    }
}

fn status(status: Status) -> pb::UserStatus {
    match status {
        Status::Active => pb::UserStatus::Active,
        Status::Suspended => pb::UserStatus::Suspended,
        Status::Deleted => pb::UserStatus::Deleted,
    }
}

fn time(time: DateTime<Utc>) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: time.timestamp(),
        nanos: time.timestamp_subsec_nanos().cast_signed(),
    }
}
