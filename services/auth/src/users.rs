//! The user service as this one sees it: the only place that turns its messages into identities.

use std::time::Duration;

use portico_caller::Bearer;
use portico_proto::{
    error::{Reason, Violation},
    user::v1::{
        AcknowledgeRequest, ConfirmEmailRequest, ImportUserBatchRequest, ImportUserResult,
        ProvisionUserRequest, SnapshotRequest, SnapshotResponse, User, UserChange, UserStatus,
        WatchRequest, WatchResponse, provisioning_service_client::ProvisioningServiceClient,
        transfer_service_client::TransferServiceClient, user_events_client::UserEventsClient,
    },
};
use portico_service::Backend;
use tonic::{Code, Request, Status, Streaming};
use tonic_types::StatusExt;
use tower::Layer;
use uuid::Uuid;

use crate::{
    domain::{Email, Identity, Status as AccountStatus},
    storage::Registration,
    tokens::Issuer,
};

type Transport = portico_caller::BearerService<Backend>;

/// How long the user service may take to create an account.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long it may take with some hundred accounts.
const PATIENCE_WITH_BATCH: Duration = Duration::from_secs(20);

/// What this service is called among those who follow the feed.
const CONSUMER: &str = "auth";

/// A client of the user service.
#[derive(Clone)]
pub(crate) struct Users {
    provisioning: ProvisioningServiceClient<Transport>,
    events: UserEventsClient<Transport>,
    transfer: TransferServiceClient<Transport>,
}

/// Why an account was not created or changed.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Another account has the address, or this one has got another address meanwhile.
    EmailTaken,
    /// The user service's rules are stricter than ours.
    Invalid(Vec<Violation>),
    /// There is no such account, or it has another address by now.
    Moved,
    /// Nobody knows whether it was created; asking again with the same id tells.
    Away(Status),
}

impl Users {
    /// Calls go out with this service's own token.
    pub(crate) fn new(backend: Backend, issuer: Issuer) -> Self {
        let bearer = Bearer::new(move || Ok(issuer.service()?));
        let transport = bearer.layer(backend);
        Self {
            provisioning: ProvisioningServiceClient::new(transport.clone()),
            events: UserEventsClient::new(transport.clone()),
            transfer: TransferServiceClient::new(transport),
        }
    }

    /// Creates the account of a registration. Asking again answers the same account.
    pub(crate) async fn provision(&self, registration: &Registration) -> Result<Identity, Refused> {
        let mut request = Request::new(ProvisionUserRequest {
            id: registration.id.to_string(),
            user: Some(User {
                email: registration.email.as_str().to_owned(),
                display_name: registration.display_name.clone(),
                roles: registration.roles.clone(),
                ..User::default()
            }),
        });
        request.set_timeout(PATIENCE);
        let mut client = self.provisioning.clone();
        let response = in_time(client.provision_user(request)).await?;
        understood(response.change.as_ref())
    }

    /// Notes that a person has proved an address to be theirs, which the account gets if it had `previous`
    /// until now. Asking again answers the same account.
    pub(crate) async fn confirm_email(
        &self,
        id: Uuid,
        email: &Email,
        previous: &Email,
    ) -> Result<Identity, Refused> {
        let mut request = Request::new(ConfirmEmailRequest {
            id: id.to_string(),
            email: email.as_str().to_owned(),
            previous_email: previous.as_str().to_owned(),
        });
        request.set_timeout(PATIENCE);
        let mut client = self.provisioning.clone();
        let response = in_time(client.confirm_email(request)).await?;
        understood(response.change.as_ref())
    }

    /// Follows the feed after a place in it.
    pub(crate) async fn watch(&self, after: i64) -> Result<Streaming<WatchResponse>, Status> {
        let mut client = self.events.clone();
        Ok(client.watch(WatchRequest { after }).await?.into_inner())
    }
}

async fn in_time<T>(
    call: impl Future<Output = Result<tonic::Response<T>, Status>>,
) -> Result<T, Refused> {
    let answered = tokio::time::timeout(PATIENCE, call).await;
    let response =
        answered.map_err(|_| Refused::Away(Status::deadline_exceeded("no answer in time")))?;
    Ok(response?.into_inner())
}

fn understood(change: Option<&UserChange>) -> Result<Identity, Refused> {
    change
        .and_then(identity)
        .ok_or_else(|| Refused::Away(Status::internal("the answer cannot be understood")))
}

impl Users {
    /// Reads everything as it is.
    pub(crate) async fn snapshot(&self) -> Result<Streaming<SnapshotResponse>, Status> {
        let mut client = self.events.clone();
        Ok(client.snapshot(SnapshotRequest {}).await?.into_inner())
    }

    /// Says how far the feed was followed. When it cannot be said, the next time will do.
    pub(crate) async fn acknowledge(&self, sequence: i64) {
        let consumer = CONSUMER.to_owned();
        let mut request = Request::new(AcknowledgeRequest { consumer, sequence });
        request.set_timeout(PATIENCE);
        let mut client = self.events.clone();
        let answered = tokio::time::timeout(PATIENCE, client.acknowledge(request)).await;
        if !matches!(answered, Ok(Ok(_))) {
            tracing::debug!("cannot say how far the feed was followed");
        }
    }

    /// Has a batch of accounts taken in, and answers a result for each. Asking again does no harm.
    pub(crate) async fn import(
        &self,
        batch: ImportUserBatchRequest,
    ) -> Result<Vec<ImportUserResult>, Status> {
        let count = batch.users.len();
        let mut request = Request::new(batch);
        request.set_timeout(PATIENCE_WITH_BATCH);
        let mut client = self.transfer.clone();
        let calling = client.import_user_batch(request);
        let answered = tokio::time::timeout(PATIENCE_WITH_BATCH, calling).await;
        let answer = answered.map_err(|_| Status::deadline_exceeded("no answer in time"))??;
        let results = answer.into_inner().results;
        if results.len() == count {
            Ok(results)
        } else {
            Err(Status::internal("not every account was answered"))
        }
    }
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        let reason = Reason::of(&status);
        // An account with that id was made for this registration, and has got another address since.
        let moved = reason == Some(Reason::IdempotencyKeyReused);
        if moved || reason == Some(Reason::EmailTaken) || status.code() == Code::AlreadyExists {
            return Self::EmailTaken;
        }
        if matches!(reason, Some(Reason::UserNotFound | Reason::StatusConflict)) {
            return Self::Moved;
        }
        if status.code() != Code::InvalidArgument {
            return Self::Away(status);
        }
        let named = status.get_details_bad_request();
        let violations = named.into_iter().flat_map(|bad| bad.field_violations);
        Self::Invalid(
            violations
                .map(|fault| {
                    let field = fault.field.strip_prefix("user.").unwrap_or(&fault.field);
                    Violation::new(field, fault.description)
                })
                .collect(),
        )
    }
}

/// Whether what is known of the person has been erased.
pub(crate) fn is_purged(change: &UserChange) -> bool {
    let user = change.user.as_ref();
    user.is_some_and(|user| user.status() == UserStatus::Purged)
}

/// The identity in a message; `None` when the message makes no sense.
pub(crate) fn identity(change: &UserChange) -> Option<Identity> {
    let user = change.user.as_ref()?;
    Some(Identity {
        id: Uuid::parse_str(&user.id).ok()?,
        email: Email::new(&user.email),
        email_verified: user.email_verified,
        // A status that is newer than this program keeps people out rather than lets them in.
        status: match UserStatus::try_from(user.status) {
            Ok(UserStatus::Active) => AccountStatus::Active,
            Ok(UserStatus::Deleted | UserStatus::Purged) => AccountStatus::Deleted,
            Ok(UserStatus::Suspended | UserStatus::Unspecified) | Err(_) => {
                AccountStatus::Suspended
            }
        },
        roles: user.roles.clone(),
        revision: change.revision,
    })
}

impl std::fmt::Debug for Users {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Users")
    }
}
