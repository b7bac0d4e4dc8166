//! What the domain looks like on the wire: the only step from domain values to protobuf, for answers
//! and for the events of the feed alike. The step back is `grpc::request`.

use chrono::{DateTime, Utc};
use portico_proto::user::v1::{self as pb, user_event::Change as Told};
use portico_telemetry::trace::current_cause;
use prost_types::{ListValue, Struct, Value, value::Kind};
use serde_json::{Map, Value as Json};

use crate::domain::{Account, Metadata, Role, RoleName, Scope, Status};

/// An account, with all that is known of it: for administrators and for other services.
pub fn user(account: &Account) -> pb::User {
    let profile = &account.profile;
    pb::User {
        id: account.id.to_string(),
        email: account.email.as_str().to_owned(),
        email_verified: account.email_verified,
        display_name: profile.display_name.as_str().to_owned(),
        locale: profile.locale.as_str().to_owned(),
        time_zone: profile.time_zone.as_str().to_owned(),
        status: status(account.status).into(),
        roles: account.roles.iter().map(ToString::to_string).collect(),
        create_time: Some(time(account.create_time)),
        update_time: Some(time(account.update_time)),
        etag: account.revision.etag().into_string(),
        username: account
            .username
            .as_ref()
            .map(|name| name.as_str().to_owned())
            .unwrap_or_default(),
        given_name: profile.given_name.as_str().to_owned(),
        family_name: profile.family_name.as_str().to_owned(),
        picture: profile.picture.as_str().to_owned(),
        phone: profile.phone.as_str().to_owned(),
        public_metadata: metadata(&account.public_metadata),
        private_metadata: metadata(&account.private_metadata),
        delete_time: account.delete_time.map(time),
        purge_time: account.purge_time.map(time),
    }
}

/// An account, as the person herself may see it.
pub fn myself(account: &Account) -> pb::User {
    pb::User {
        private_metadata: None,
        ..user(account)
    }
}

/// What is left of an account that was purged.
pub fn tombstone(account: &Account) -> pb::User {
    buried(user(account))
}

fn buried(whole: pb::User) -> pb::User {
    pb::User {
        id: whole.id,
        status: pb::UserStatus::Purged.into(),
        create_time: whole.create_time,
        update_time: whole.update_time,
        delete_time: whole.delete_time,
        purge_time: whole.purge_time,
        etag: whole.etag,
        ..pb::User::default()
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
    told(user_change(account), now)
}

/// The event of a purge.
pub fn purge_event(account: &Account, now: DateTime<Utc>) -> pb::UserEvent {
    told(purge_change(account), now)
}

/// What is left of an account that was purged, as other services learn of it.
pub fn purge_change(account: &Account) -> pb::UserChange {
    pb::UserChange {
        user: Some(tombstone(account)),
        revision: account.revision.get(),
    }
}

/// An event of an account, without what it tells of the person.
pub fn erased(event: pb::UserEvent) -> pb::UserEvent {
    let change = event.change.map(|change| match change {
        Told::User(pb::UserChange { user, revision }) => Told::User(pb::UserChange {
            user: user.map(buried),
            revision,
        }),
        of_a_role => of_a_role,
    });
    pb::UserEvent { change, ..event }
}

fn told(change: pb::UserChange, now: DateTime<Utc>) -> pb::UserEvent {
    pb::UserEvent {
        sequence: 0,
        time: Some(time(now)),
        change: Some(Told::User(change)),
        traceparent: current_cause().unwrap_or_default(),
    }
}

/// An object that is empty is left out, as one that is missing means the same.
fn metadata(metadata: &Metadata) -> Option<Struct> {
    (!metadata.is_empty()).then(|| object(metadata.as_object()))
}

fn object(members: &Map<String, Json>) -> Struct {
    let fields = members
        .iter()
        .map(|(name, member)| (name.clone(), value(member)))
        .collect();
    Struct { fields }
}

fn value(json: &Json) -> Value {
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(truth) => Kind::BoolValue(*truth),
        // Every number came in as a double.
        Json::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Json::String(text) => Kind::StringValue(text.clone()),
        Json::Array(items) => Kind::ListValue(ListValue {
            values: items.iter().map(value).collect(),
        }),
        Json::Object(members) => Kind::StructValue(object(members)),
    };
    Value { kind: Some(kind) }
}

/// A role, in an answer.
pub fn role(role: &Role) -> pb::Role {
    pb::Role {
        name: role.name.to_string(),
        scopes: role.scopes.iter().map(Scope::to_string).collect(),
        description: role.description.as_str().to_owned(),
        built_in: role.built_in,
        create_time: role.create_time.map(time),
        update_time: role.update_time.map(time),
        etag: role.revision.etag().into_string(),
    }
}

/// The event of a change of a role, which has no place in the feed yet.
pub fn role_event(changed: &Role, now: DateTime<Utc>) -> pb::UserEvent {
    pb::UserEvent {
        sequence: 0,
        time: Some(time(now)),
        change: Some(Told::Role(role(changed))),
        traceparent: current_cause().unwrap_or_default(),
    }
}

/// The event of a role's end, which has no place in the feed yet.
pub fn role_deletion_event(name: &RoleName, now: DateTime<Utc>) -> pb::UserEvent {
    let name = name.to_string();
    pb::UserEvent {
        sequence: 0,
        time: Some(time(now)),
        change: Some(Told::DeletedRole(pb::RoleDeletion { name })),
        traceparent: current_cause().unwrap_or_default(),
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
