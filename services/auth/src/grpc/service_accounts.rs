//! `portico.auth.v1.ServiceAccountService`.

use std::sync::Arc;

use portico_caller::Admission;
use portico_proto::{
    Validate,
    auth::v1::{
        CreateApiKeyResponse, CreateServiceAccountKeyRequest, CreateServiceAccountRequest,
        DeleteServiceAccountKeyRequest, DeleteServiceAccountRequest, GetServiceAccountRequest,
        ListApiKeysResponse, ListServiceAccountKeysRequest, ListServiceAccountsRequest,
        ListServiceAccountsResponse, RotateApiKeyResponse, RotateServiceAccountKeyRequest,
        ServiceAccount as Message, UpdateServiceAccountRequest,
        service_account_service_server::ServiceAccountService,
    },
};
use tonic::{Request, Response, Status};

use super::{
    api_keys::{ApiKeyApi, to_draft},
    machines::{Mask, Page, id_of, overlap},
    timestamp,
};
use crate::{
    api_keys,
    core::Core,
    domain::{KeyOwner, ServiceAccount},
    service_accounts::{self, Change},
};

/// Accounts of machines, and their keys.
pub(crate) struct ServiceAccountApi(pub(crate) Arc<Core>);

#[tonic::async_trait]
impl ServiceAccountService for ServiceAccountApi {
    async fn create_service_account(
        &self,
        request: Request<CreateServiceAccountRequest>,
    ) -> Result<Response<Message>, Status> {
        let (admission, message) = Admission::split(request)?;
        message.validate()?;
        let caller = admission.caller()?;
        let asked = message.service_account.unwrap_or_default();
        let scopes = asked.scopes.into_iter().collect();
        let (core, name, disabled) = (&self.0, asked.display_name, asked.disabled);
        let account = service_accounts::create(core, caller, name, scopes, disabled).await?;
        Ok(Response::new(to_message(account)))
    }

    async fn get_service_account(
        &self,
        request: Request<GetServiceAccountRequest>,
    ) -> Result<Response<Message>, Status> {
        let (admission, message) = Admission::split(request)?;
        message.validate()?;
        admission.caller()?;
        let account = service_accounts::get(&self.0, id_of(&message.id, "id")?).await?;
        Ok(Response::new(to_message(account)))
    }

    async fn list_service_accounts(
        &self,
        request: Request<ListServiceAccountsRequest>,
    ) -> Result<Response<ListServiceAccountsResponse>, Status> {
        let (admission, message) = Admission::split(request)?;
        message.validate()?;
        admission.caller()?;
        let page = Page::of(message.page_size, &message.page_token)?;
        let found = service_accounts::list(&self.0, page.behind, page.more()).await?;
        let (found, next_page_token) = page.cut(found, |account| account.id);
        Ok(Response::new(ListServiceAccountsResponse {
            service_accounts: found.into_iter().map(to_message).collect(),
            next_page_token,
        }))
    }

    async fn update_service_account(
        &self,
        request: Request<UpdateServiceAccountRequest>,
    ) -> Result<Response<Message>, Status> {
        let (admission, message) = Admission::split(request)?;
        message.validate()?;
        let caller = admission.caller()?;
        let asked = message.service_account.unwrap_or_default();
        let id = id_of(&asked.id, "service_account.id")?;
        let mask = Mask::of(message.update_mask, &["display_name", "scopes", "disabled"])?;
        let change = Change {
            display_name: mask.some("display_name", asked.display_name),
            scopes: mask.some("scopes", asked.scopes.into_iter().collect()),
            disabled: mask.some("disabled", asked.disabled),
        };
        let account = service_accounts::update(&self.0, caller, id, change, &asked.etag).await?;
        Ok(Response::new(to_message(account)))
    }

    async fn delete_service_account(
        &self,
        request: Request<DeleteServiceAccountRequest>,
    ) -> Result<Response<()>, Status> {
        let (admission, message) = Admission::split(request)?;
        message.validate()?;
        let caller = admission.caller()?;
        service_accounts::delete(&self.0, caller, id_of(&message.id, "id")?).await?;
        Ok(Response::new(()))
    }

    async fn create_service_account_key(
        &self,
        request: Request<CreateServiceAccountKeyRequest>,
    ) -> Result<Response<CreateApiKeyResponse>, Status> {
        let (admission, message) = Admission::split(request)?;
        message.validate()?;
        let caller = admission.caller()?;
        let owner = owner(&message.service_account_id)?;
        let draft = to_draft(message.api_key)?;
        let made = api_keys::create(&self.0, caller, owner, draft).await?;
        Ok(self.keys().created(made))
    }

    async fn list_service_account_keys(
        &self,
        request: Request<ListServiceAccountKeysRequest>,
    ) -> Result<Response<ListApiKeysResponse>, Status> {
        let (admission, message) = Admission::split(request)?;
        message.validate()?;
        admission.caller()?;
        let owner = owner(&message.service_account_id)?;
        service_accounts::get(&self.0, owner.id()).await?;
        let keys = api_keys::list(&self.0, owner).await?;
        Ok(Response::new(self.keys().listed(keys)))
    }

    async fn delete_service_account_key(
        &self,
        request: Request<DeleteServiceAccountKeyRequest>,
    ) -> Result<Response<()>, Status> {
        let (admission, message) = Admission::split(request)?;
        message.validate()?;
        admission.caller()?;
        let owner = owner(&message.service_account_id)?;
        api_keys::revoke(&self.0, owner, id_of(&message.id, "id")?).await?;
        Ok(Response::new(()))
    }

    async fn rotate_service_account_key(
        &self,
        request: Request<RotateServiceAccountKeyRequest>,
    ) -> Result<Response<RotateApiKeyResponse>, Status> {
        let (admission, message) = Admission::split(request)?;
        message.validate()?;
        let caller = admission.caller()?;
        let owner = owner(&message.service_account_id)?;
        let (id, overlap) = (id_of(&message.id, "id")?, overlap(message.overlap)?);
        let rotated = api_keys::rotate(&self.0, caller, owner, id, overlap).await?;
        Ok(self.keys().rotated(rotated))
    }
}

impl ServiceAccountApi {
    fn keys(&self) -> ApiKeyApi {
        ApiKeyApi(Arc::clone(&self.0))
    }
}

fn owner(id: &str) -> Result<KeyOwner, Status> {
    Ok(KeyOwner::ServiceAccount(id_of(id, "service_account_id")?))
}

fn to_message(account: ServiceAccount) -> Message {
    Message {
        id: account.id.to_string(),
        display_name: account.display_name,
        scopes: account.scopes.into_iter().collect(),
        disabled: account.disabled,
        create_time: Some(timestamp(account.create_time)),
        update_time: Some(timestamp(account.update_time)),
        etag: account.revision.to_string(),
    }
}
