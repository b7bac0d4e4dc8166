use std::sync::Arc;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use portico_caller::Admission;
use portico_proto::{
    Validate,
    error::Violation,
    user::v1::{self as pb, role_service_server::RoleService},
};
use prost_types::FieldMask;
use tonic::{Request, Response, Status};

use super::{authority, request, shown};
use crate::{
    domain::{
        Etag, Invalid, NewRole, PageSize, RoleChange, RoleDescription, RoleName, Scope, Scopes,
    },
    error::{Error, Result as Outcome},
    storage::Repeat,
    users::Users,
    wire,
};

/// `portico.user.v1.RoleService`.
pub struct RoleApi {
    users: Arc<Users>,
}

impl RoleApi {
    /// Over the use cases.
    pub fn new(users: Arc<Users>) -> Self {
        Self { users }
    }
}

#[tonic::async_trait]
impl RoleService for RoleApi {
    async fn create_role(
        &self,
        request: Request<pb::CreateRoleRequest>,
    ) -> Result<Response<pb::Role>, Status> {
        let (admission, request) = Admission::split(request)?;
        let caller = admission.caller()?;
        request.validate()?;
        let role = request.role.unwrap_or_default();
        let new = NewRole {
            name: name("role.name", &role.name)?,
            scopes: scopes(&role.scopes)?,
            description: description(&role.description)?,
        };
        let repeat = (!request.request_id.is_empty()).then(|| Repeat {
            caller: caller.subject.clone(),
            key: request.request_id,
        });
        let role = self
            .users
            .create_role(new, &authority(caller), repeat)
            .await?;
        Ok(Response::new(wire::role(&role)))
    }

    async fn get_role(
        &self,
        request: Request<pb::GetRoleRequest>,
    ) -> Result<Response<pb::Role>, Status> {
        let (admission, request) = Admission::split(request)?;
        admission.caller()?;
        request.validate()?;
        let role = self.users.get_role(&name("name", &request.name)?).await?;
        Ok(Response::new(wire::role(&role)))
    }

    async fn list_roles(
        &self,
        request: Request<pb::ListRolesRequest>,
    ) -> Result<Response<pb::ListRolesResponse>, Status> {
        let (admission, request) = Admission::split(request)?;
        admission.caller()?;
        request.validate()?;
        let size =
            PageSize::parse(request.page_size).map_err(|error| Error::field("page_size", error))?;
        let behind = place(&request.page_token)?;
        let (roles, more) = self.users.list_roles(behind.as_ref(), size.get()).await?;
        let last = roles.last().filter(|_| more);
        Ok(Response::new(pb::ListRolesResponse {
            next_page_token: last.map(|role| token(&role.name)).unwrap_or_default(),
            roles: roles.iter().map(wire::role).collect(),
        }))
    }

    async fn update_role(
        &self,
        request: Request<pb::UpdateRoleRequest>,
    ) -> Result<Response<pb::Role>, Status> {
        let (admission, request) = Admission::split(request)?;
        let by = authority(admission.caller()?);
        request.validate()?;
        let role = request.role.unwrap_or_default();
        let name = name("role.name", &role.name)?;
        let change = change(&role, request.update_mask.as_ref())?;
        let etag = Etag::expected(role.etag);
        let role = self.users.update_role(&name, change, etag, &by).await?;
        Ok(Response::new(wire::role(&role)))
    }

    async fn delete_role(
        &self,
        request: Request<pb::DeleteRoleRequest>,
    ) -> Result<Response<()>, Status> {
        let (admission, request) = Admission::split(request)?;
        let by = authority(admission.caller()?);
        request.validate()?;
        let name = name("name", &request.name)?;
        let etag = Etag::expected(request.etag);
        self.users.delete_role(&name, etag, &by).await?;
        Ok(Response::new(()))
    }

    async fn grant_role(
        &self,
        request: Request<pb::GrantRoleRequest>,
    ) -> Result<Response<pb::User>, Status> {
        let (admission, request) = Admission::split(request)?;
        let caller = admission.caller()?;
        request.validate()?;
        let id = request::id("user_id", &request.user_id)?;
        let role = name("role", &request.role)?;
        let etag = Etag::expected(request.etag);
        let account = self
            .users
            .grant(id, &role, etag, &authority(caller))
            .await?;
        Ok(Response::new(shown(&account, caller)))
    }

    async fn revoke_role(
        &self,
        request: Request<pb::RevokeRoleRequest>,
    ) -> Result<Response<pb::User>, Status> {
        let (admission, request) = Admission::split(request)?;
        let caller = admission.caller()?;
        request.validate()?;
        let id = request::id("user_id", &request.user_id)?;
        let role = name("role", &request.role)?;
        let etag = Etag::expected(request.etag);
        let account = self
            .users
            .revoke(id, &role, etag, &authority(caller))
            .await?;
        Ok(Response::new(shown(&account, caller)))
    }
}

fn name(field: &str, text: &str) -> Outcome<RoleName> {
    RoleName::parse(text).map_err(|error| Error::field(field, error))
}

fn description(text: &str) -> Outcome<RoleDescription> {
    RoleDescription::parse(text).map_err(|error| Error::field("role.description", error))
}

fn scopes(names: &[String]) -> Outcome<Scopes> {
    let faulty = |index: usize, error: Invalid| {
        let field = format!("role.scopes[{index}]");
        Error::field(&field, error)
    };
    let scopes = names.iter().enumerate();
    scopes
        .map(|(index, name)| Scope::parse(name).map_err(|error| faulty(index, error)))
        .collect()
}

/// Reads a change: the fields that the mask names, or without a mask those that have a value.
fn change(role: &pb::Role, mask: Option<&FieldMask>) -> Outcome<RoleChange> {
    let (mut with_scopes, mut with_description) =
        (!role.scopes.is_empty(), !role.description.is_empty());
    if let Some(mask) = mask.filter(|mask| !mask.paths.is_empty()) {
        (with_scopes, with_description) = (false, false);
        for path in &mask.paths {
            match path.as_str() {
                "scopes" => with_scopes = true,
                "description" => with_description = true,
                "*" => (with_scopes, with_description) = (true, true),
                // Which role, and in which state: conditions, and not things to change.
                "name" | "etag" => {}
                _ => {
                    let fault = "only `scopes` and `description` can be changed";
                    return Err(Error::Invalid(vec![Violation::new("update_mask", fault)]));
                }
            }
        }
    }
    Ok(RoleChange {
        scopes: with_scopes.then(|| scopes(&role.scopes)).transpose()?,
        description: with_description
            .then(|| description(&role.description))
            .transpose()?,
    })
}

/// What page tokens begin with, so that one of another list is refused.
const LIST: &str = "roles:";

fn token(behind: &RoleName) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{LIST}{behind}"))
}

fn place(token: &str) -> Outcome<Option<RoleName>> {
    if token.is_empty() {
        return Ok(None);
    }
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let name = text.and_then(|text| RoleName::parse(text.strip_prefix(LIST)?).ok());
    let fault = Invalid("must be the `next_page_token` of an earlier answer to the same query");
    let name = name.ok_or_else(|| Error::field("page_token", fault))?;
    Ok(Some(name))
}
