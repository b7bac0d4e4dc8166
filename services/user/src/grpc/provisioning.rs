use std::sync::Arc;

use portico_caller::Admission;
use portico_proto::{
    Validate,
    user::v1::{self as pb, provisioning_service_server::ProvisioningService},
};
use tonic::{Request, Response, Status};

use super::request;
use crate::{users::Users, wire};

/// `portico.user.v1.ProvisioningService`.
pub struct Provisioning {
    users: Arc<Users>,
}

impl Provisioning {
    /// Over the use cases.
    pub fn new(users: Arc<Users>) -> Self {
        Self { users }
    }
}

#[tonic::async_trait]
impl ProvisioningService for Provisioning {
    async fn provision_user(
        &self,
        request: Request<pb::ProvisionUserRequest>,
    ) -> Result<Response<pb::ProvisionUserResponse>, Status> {
        let (admission, request) = Admission::split(request)?;
        admission.caller()?;
        request.validate()?;
        let user = request.user.unwrap_or_default();
        let id = request::id("id", &request.id)?;
        let new = request::new_account(&user)?;
        let roles = request::roles(&user.roles)?;
        let account = self.users.provision(id, new, roles).await?;
        Ok(Response::new(pb::ProvisionUserResponse {
            change: Some(wire::user_change(&account)),
        }))
    }

    async fn confirm_email(
        &self,
        request: Request<pb::ConfirmEmailRequest>,
    ) -> Result<Response<pb::ConfirmEmailResponse>, Status> {
        let (admission, request) = Admission::split(request)?;
        admission.caller()?;
        request.validate()?;
        let id = request::id("id", &request.id)?;
        let email = request::email("email", &request.email)?;
        let previous = request::email("previous_email", &request.previous_email)?;
        let account = self.users.confirm_email(id, email, previous).await?;
        Ok(Response::new(pb::ConfirmEmailResponse {
            change: Some(wire::user_change(&account)),
        }))
    }
}
