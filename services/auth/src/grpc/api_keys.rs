//! `portico.auth.v1.ApiKeyService`.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use portico_caller::{Admission, Caller};
use portico_proto::{
    Validate,
    auth::v1::{
        ApiKey as Message, CreateApiKeyRequest, CreateApiKeyResponse, DeleteApiKeyRequest,
        ListApiKeysRequest, ListApiKeysResponse, RotateApiKeyRequest, RotateApiKeyResponse,
        api_key_service_server::ApiKeyService,
    },
    error::{Reason, Violation, invalid},
};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{
    account_id,
    machines::{id_of, overlap},
    no_store, timestamp,
};
use crate::{
    api_keys::{self, Draft},
    core::Core,
    domain::{ApiKey, KeyOwner, MachineSecret},
};

/// The API keys of the caller.
pub(crate) struct ApiKeyApi(pub(crate) Arc<Core>);

#[tonic::async_trait]
impl ApiKeyService for ApiKeyApi {
    async fn create_api_key(
        &self,
        request: Request<CreateApiKeyRequest>,
    ) -> Result<Response<CreateApiKeyResponse>, Status> {
        let (admission, message) = Admission::split(request)?;
        message.validate()?;
        let caller = admission.caller()?;
        let owner = signed_in(caller)?;
        let draft = to_draft(message.api_key)?;
        let made = api_keys::create(&self.0, caller, owner, draft).await?;
        Ok(self.created(made))
    }

    async fn list_api_keys(
        &self,
        request: Request<ListApiKeysRequest>,
    ) -> Result<Response<ListApiKeysResponse>, Status> {
        let (admission, _) = Admission::split(request)?;
        let owner = KeyOwner::User(account_id(&admission.caller()?.subject)?);
        let keys = api_keys::list(&self.0, owner).await?;
        Ok(Response::new(self.listed(keys)))
    }

    async fn delete_api_key(
        &self,
        request: Request<DeleteApiKeyRequest>,
    ) -> Result<Response<()>, Status> {
        let (admission, message) = Admission::split(request)?;
        message.validate()?;
        let owner = signed_in(admission.caller()?)?;
        api_keys::revoke(&self.0, owner, id_of(&message.id, "id")?).await?;
        Ok(Response::new(()))
    }

    async fn rotate_api_key(
        &self,
        request: Request<RotateApiKeyRequest>,
    ) -> Result<Response<RotateApiKeyResponse>, Status> {
        let (admission, message) = Admission::split(request)?;
        message.validate()?;
        let caller = admission.caller()?;
        let owner = signed_in(caller)?;
        let (id, overlap) = (id_of(&message.id, "id")?, overlap(message.overlap)?);
        let rotated = api_keys::rotate(&self.0, caller, owner, id, overlap).await?;
        Ok(self.rotated(rotated))
    }
}

impl ApiKeyApi {
    pub(super) fn created(
        &self,
        (key, secret): (ApiKey, MachineSecret),
    ) -> Response<CreateApiKeyResponse> {
        no_store(CreateApiKeyResponse {
            api_key: Some(to_message(key, self.0.clock.now())),
            secret: secret.reveal(),
        })
    }

    pub(super) fn rotated(
        &self,
        (key, secret): (ApiKey, MachineSecret),
    ) -> Response<RotateApiKeyResponse> {
        no_store(RotateApiKeyResponse {
            api_key: Some(to_message(key, self.0.clock.now())),
            secret: secret.reveal(),
        })
    }

    pub(super) fn listed(&self, keys: Vec<ApiKey>) -> ListApiKeysResponse {
        let now = self.0.clock.now();
        ListApiKeysResponse {
            api_keys: keys.into_iter().map(|key| to_message(key, now)).collect(),
        }
    }
}

/// The person who calls, in a session: a stolen key must not be able to make itself another one, nor to end the
/// others.
fn signed_in(caller: &Caller) -> Result<KeyOwner, Status> {
    let session = caller.session.as_deref();
    if session.and_then(|id| Uuid::parse_str(id).ok()).is_none() {
        let fault = "only a person who is signed in may make keys and end them";
        return Err(Reason::InsufficientScope.status(fault));
    }
    Ok(KeyOwner::User(account_id(&caller.subject)?))
}

pub(super) fn to_draft(message: Option<Message>) -> Result<Draft, Status> {
    let message = message.unwrap_or_default();
    let expire_time = match message.expire_time {
        None => None,
        Some(time) => {
            let nanos = u32::try_from(time.nanos).ok();
            let time = nanos.and_then(|nanos| DateTime::from_timestamp(time.seconds, nanos));
            let fault = "is no time";
            let field = "api_key.expire_time";
            Some(time.ok_or_else(|| invalid([Violation::new(field, fault)]))?)
        }
    };
    Ok(Draft {
        display_name: message.display_name,
        scopes: message.scopes.into_iter().collect(),
        expire_time,
    })
}

fn to_message(key: ApiKey, now: DateTime<Utc>) -> Message {
    let previous_end = key.previous_expire_time.filter(|end| now < *end);
    Message {
        id: key.id.to_string(),
        display_name: key.display_name,
        scopes: key.scopes.into_iter().collect(),
        hint: key.hint,
        create_time: Some(timestamp(key.create_time)),
        expire_time: Some(timestamp(key.expire_time)),
        last_used_time: key.last_used_time.map(timestamp),
        previous_expire_time: previous_end.map(timestamp),
    }
}
