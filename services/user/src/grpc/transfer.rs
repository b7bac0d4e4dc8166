use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use portico_caller::Admission;
use portico_proto::{
    Validate,
    error::{Reason, Violation, invalid},
    user::v1::{self as pb, transfer_service_server::TransferService},
};
use portico_service::database::truncate;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tonic_types::StatusExt;

use super::request;
use crate::{
    domain::{Authority, Imported, Status as AccountStatus},
    error::{Error, Result as Outcomes},
    storage::Sweep,
    transfer::{Outcome, Record},
    users::Users,
    wire,
};

/// How many accounts a batch has at most.
const MOST: usize = 1000;

/// `portico.user.v1.TransferService`.
pub struct Transfer {
    users: Arc<Users>,
    /// Ends exports, which may take minutes.
    stop: CancellationToken,
}

impl Transfer {
    /// Over the use cases, until `stop`.
    pub fn new(users: Arc<Users>, stop: CancellationToken) -> Self {
        Self { users, stop }
    }
}

#[tonic::async_trait]
impl TransferService for Transfer {
    type ExportUsersStream = BoxStream<'static, Result<pb::ExportUsersResponse, Status>>;

    async fn export_users(
        &self,
        request: Request<pb::ExportUsersRequest>,
    ) -> Result<Response<Self::ExportUsersStream>, Status> {
        let (admission, request) = Admission::split(request)?;
        admission.caller()?;
        request.validate()?;
        let after = Some(request.after).filter(|after| !after.is_empty());
        let after = after.map(|id| request::id("after", &id)).transpose()?;
        let sweep = Sweep {
            with_deleted: request.show_deleted,
            up_to_date: false,
        };
        let pages = self.users.sweep(after, sweep, self.stop.clone());
        let lines = pages
            .map_err(Status::from)
            .map_ok(|page| {
                let users = page
                    .into_iter()
                    .filter(|it| !it.purged)
                    .map(|it| Some(wire::user(&it.account)));
                stream::iter(users.map(|user| Ok(pb::ExportUsersResponse { user })))
            })
            .try_flatten();
        Ok(Response::new(lines.boxed()))
    }

    async fn import_user_batch(
        &self,
        request: Request<pb::ImportUserBatchRequest>,
    ) -> Result<Response<pb::ImportUserBatchResponse>, Status> {
        let (admission, request) = Admission::split(request)?;
        admission.caller()?;
        request.validate()?;
        if request.users.is_empty() || request.users.len() > MOST {
            let fault = format!("must have 1 to {MOST} accounts");
            return Err(invalid([Violation::new("users", fault)]));
        }
        let by = Authority {
            scopes: request.scopes.into_iter().collect(),
            administrator: request.administrator,
        };
        let now = self.users.clock.now();
        let records: Vec<Record> = request.users.iter().map(|user| record(user, now)).collect();
        let outcomes = self
            .users
            .import(&records, &by, request.validate_only)
            .await?;
        let results = records.iter().zip(outcomes);
        let dry = request.validate_only;
        Ok(Response::new(pb::ImportUserBatchResponse {
            results: results
                .map(|(record, outcome)| result(record, outcome, dry))
                .collect(),
        }))
    }
}

/// Reads an account that is to come in, by the rules of the contract and then by those of the domain.
fn record(user: &pb::User, now: DateTime<Utc>) -> Record {
    let violations = user.violations();
    if !violations.is_empty() {
        let inside =
            |fault: Violation| Violation::new(format!("user.{}", fault.field), fault.description);
        return Err(violations.into_iter().map(inside).collect());
    }
    imported(user, now).map_err(|error| match error {
        Error::Invalid(violations) => violations,
        other => vec![Violation::new("user", other.to_string())],
    })
}

fn imported(user: &pb::User, now: DateTime<Utc>) -> Outcomes<Imported> {
    let id = Some(&user.id).filter(|id| !id.is_empty());
    let id = id.map(|id| request::id("user.id", id)).transpose()?;
    let roles = (!user.roles.is_empty()).then(|| request::roles(&user.roles));
    Ok(Imported {
        id,
        new: request::new_account(user)?,
        change: request::change(user, None)?,
        email_verified: user.email_verified,
        status: status(user)?,
        roles: roles.transpose()?,
        create_time: user
            .create_time
            .map(|time| created(time, now))
            .transpose()?,
    })
}

fn status(user: &pb::User) -> Outcomes<Option<AccountStatus>> {
    match pb::UserStatus::try_from(user.status) {
        Ok(pb::UserStatus::Unspecified) => Ok(None),
        Ok(pb::UserStatus::Active) => Ok(Some(AccountStatus::Active)),
        Ok(pb::UserStatus::Suspended) => Ok(Some(AccountStatus::Suspended)),
        Ok(_) | Err(_) => Err(fault("user.status", "must be active or suspended")),
    }
}

fn created(time: prost_types::Timestamp, now: DateTime<Utc>) -> Outcomes<DateTime<Utc>> {
    let nanos = u32::try_from(time.nanos).ok();
    let read = nanos.and_then(|nanos| DateTime::from_timestamp(time.seconds, nanos));
    let past = read.filter(|time| (DateTime::UNIX_EPOCH..=now).contains(time));
    let past = past.ok_or_else(|| fault("user.create_time", "must lie between 1970 and now"))?;
    Ok(truncate(past))
}

fn fault(field: &str, description: &str) -> Error {
    Error::Invalid(vec![Violation::new(field, description)])
}

fn result(record: &Record, outcome: Outcome, dry: bool) -> pb::ImportUserResult {
    let done = |outcome: pb::ImportOutcome, id: String| pb::ImportUserResult {
        id,
        outcome: outcome.into(),
        ..pb::ImportUserResult::default()
    };
    match outcome {
        Outcome::Created(id) => {
            // One that was only drawn means nothing.
            let kept = !dry || record.as_ref().is_ok_and(|record| record.id.is_some());
            let id = if kept { id.to_string() } else { String::new() };
            done(pb::ImportOutcome::Created, id)
        }
        Outcome::Updated(id) => done(pb::ImportOutcome::Updated, id.to_string()),
        Outcome::Skipped(id) => done(pb::ImportOutcome::Skipped, id.to_string()),
        Outcome::Refused(error) => refusal(&error.into()),
    }
}

fn refusal(status: &Status) -> pb::ImportUserResult {
    let details = status.get_details_bad_request();
    let faults = details.into_iter().flat_map(|it| it.field_violations);
    let reason = Reason::of(status).unwrap_or(Reason::Internal);
    pb::ImportUserResult {
        id: String::new(),
        outcome: pb::ImportOutcome::Refused.into(),
        reason: reason.as_str().to_owned(),
        detail: status.message().to_owned(),
        errors: faults
            .map(|it| pb::ImportFault {
                field: it.field,
                description: it.description,
            })
            .collect(),
    }
}
