use std::sync::Arc;

use portico_caller::Admission;
use portico_proto::{
    Validate,
    user::v1::{self as pb, user_service_server::UserService},
};
use tonic::{Request, Response, Status};

use super::{
    READ, authority,
    request::{self, ReadMask},
    shown,
};
use crate::{
    domain::{Etag, PageSize, UserId},
    error::{Error, Result as Outcome},
    storage::Repeat,
    users::Users,
    wire,
};

/// `portico.user.v1.UserService`.
pub struct UserApi {
    users: Arc<Users>,
}

impl UserApi {
    /// Over the use cases.
    pub fn new(users: Arc<Users>) -> Self {
        Self { users }
    }
}

#[tonic::async_trait]
impl UserService for UserApi {
    async fn create_user(
        &self,
        request: Request<pb::CreateUserRequest>,
    ) -> Result<Response<pb::User>, Status> {
        let (admission, request) = Admission::split(request)?;
        let caller = admission.caller()?;
        request.validate()?;
        let new = request::new_account(&request.user.unwrap_or_default())?;
        let repeat = (!request.request_id.is_empty()).then(|| Repeat {
            caller: caller.subject.clone(),
            key: request.request_id,
        });
        let account = self.users.create(new, repeat).await?;
        Ok(Response::new(shown(&account, caller)))
    }

    async fn get_user(
        &self,
        request: Request<pb::GetUserRequest>,
    ) -> Result<Response<pb::User>, Status> {
        let (admission, request) = Admission::split(request)?;
        let (caller, id) = admission.resolve(&request.id)?;
        request.validate()?;
        let mask = ReadMask::parse(request.read_mask.as_ref())?;
        let id = request::id("id", &id)?;
        let account = if request.show_deleted {
            if !caller.has_scope(READ) {
                return Err(Error::ReadersOnly.into());
            }
            self.users.get_any(id).await?
        } else {
            self.users.get(id).await?
        };
        Ok(Response::new(mask.apply(shown(&account, caller))))
    }

    async fn batch_get_users(
        &self,
        request: Request<pb::BatchGetUsersRequest>,
    ) -> Result<Response<pb::BatchGetUsersResponse>, Status> {
        let (admission, request) = Admission::split(request)?;
        admission.caller()?;
        request.validate()?;
        let ids: Vec<UserId> = request
            .ids
            .iter()
            .enumerate()
            .map(|(index, id)| request::id(&format!("ids[{index}]"), id))
            .collect::<Outcome<_>>()?;
        let mask = ReadMask::parse(request.read_mask.as_ref())?;
        let (accounts, missing) = self.users.get_all(&ids).await?;
        let users = accounts
            .iter()
            .map(|account| mask.apply(wire::user(account)));
        Ok(Response::new(pb::BatchGetUsersResponse {
            users: users.collect(),
            missing_ids: missing.iter().map(ToString::to_string).collect(),
        }))
    }

    async fn list_users(
        &self,
        request: Request<pb::ListUsersRequest>,
    ) -> Result<Response<pb::ListUsersResponse>, Status> {
        let (admission, request) = Admission::split(request)?;
        admission.caller()?;
        request.validate()?;
        let size =
            PageSize::parse(request.page_size).map_err(|error| Error::field("page_size", error))?;
        let mask = ReadMask::parse(request.read_mask.as_ref())?;
        let (listing, behind) = request::listing(&request)?;
        let page = self.users.list(&listing, behind.as_ref(), size).await?;
        let total = if request.show_total_size {
            Some(self.users.total_size(&listing).await?)
        } else {
            None
        };
        let users = page
            .accounts
            .iter()
            .map(|account| mask.apply(wire::user(account)));
        let next = page.next.map(|cursor| cursor.token(&listing));
        Ok(Response::new(pb::ListUsersResponse {
            users: users.collect(),
            next_page_token: next.unwrap_or_default(),
            total_size: total.map_or(0, |total| total.counted.try_into().unwrap_or(i32::MAX)),
            total_size_is_minimum: total.is_some_and(|total| total.is_minimum),
            total_size_estimate: total
                .and_then(|total| total.estimate?.try_into().ok())
                .unwrap_or_default(),
        }))
    }

    async fn update_user(
        &self,
        request: Request<pb::UpdateUserRequest>,
    ) -> Result<Response<pb::User>, Status> {
        let (admission, request) = Admission::split(request)?;
        let id = request.user.as_ref().map_or("", |user| user.id.as_str());
        let (caller, id) = admission.resolve(id)?;
        request.validate()?;
        let user = request.user.unwrap_or_default();
        let id = request::id("user.id", &id)?;
        let change = request::change(&user, request.update_mask.as_ref())?;
        let etag = Etag::expected(user.etag);
        let by = authority(caller);
        let account = self.users.update(id, change, etag, &by).await?;
        Ok(Response::new(shown(&account, caller)))
    }

    async fn delete_user(
        &self,
        request: Request<pb::DeleteUserRequest>,
    ) -> Result<Response<()>, Status> {
        let (admission, request) = Admission::split(request)?;
        let (_, id) = admission.resolve(&request.id)?;
        request.validate()?;
        let id = request::id("id", &id)?;
        self.users.delete(id, Etag::expected(request.etag)).await?;
        Ok(Response::new(()))
    }

    async fn suspend_user(
        &self,
        request: Request<pb::SuspendUserRequest>,
    ) -> Result<Response<pb::User>, Status> {
        let (admission, request) = Admission::split(request)?;
        let caller = admission.caller()?;
        request.validate()?;
        let id = request::id("id", &request.id)?;
        let account = self.users.suspend(id, Etag::expected(request.etag)).await?;
        Ok(Response::new(shown(&account, caller)))
    }

    async fn reactivate_user(
        &self,
        request: Request<pb::ReactivateUserRequest>,
    ) -> Result<Response<pb::User>, Status> {
        let (admission, request) = Admission::split(request)?;
        let caller = admission.caller()?;
        request.validate()?;
        let id = request::id("id", &request.id)?;
        let account = self
            .users
            .reactivate(id, Etag::expected(request.etag))
            .await?;
        Ok(Response::new(shown(&account, caller)))
    }

    async fn undelete_user(
        &self,
        request: Request<pb::UndeleteUserRequest>,
    ) -> Result<Response<pb::User>, Status> {
        let (admission, request) = Admission::split(request)?;
        let caller = admission.caller()?;
        request.validate()?;
        let id = request::id("id", &request.id)?;
        let account = self
            .users
            .undelete(id, Etag::expected(request.etag))
            .await?;
        Ok(Response::new(shown(&account, caller)))
    }

    async fn purge_user(
        &self,
        request: Request<pb::PurgeUserRequest>,
    ) -> Result<Response<()>, Status> {
        let (admission, request) = Admission::split(request)?;
        admission.caller()?;
        request.validate()?;
        let id = request::id("id", &request.id)?;
        self.users.purge(id, Etag::expected(request.etag)).await?;
        Ok(Response::new(()))
    }
}
