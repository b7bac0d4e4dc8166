//! `portico.auth.v1.PasswordService`.

use std::sync::Arc;

use portico_caller::Admission;
use portico_proto::{
    Validate,
    auth::v1::{
        ChangePasswordRequest, ChangePasswordResponse, ForgotPasswordRequest,
        ForgotPasswordResponse, ResetPasswordRequest, ResetPasswordResponse,
        password_service_server::PasswordService,
    },
};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{account_id, with_ended};
use crate::{
    core::Core,
    domain::{Client, Email},
    error::Error,
    password,
    passwords::{NewPassword, Password},
};

/// Changing and resetting passwords.
pub(crate) struct PasswordApi(pub(crate) Arc<Core>);

#[tonic::async_trait]
impl PasswordService for PasswordApi {
    async fn change_password(
        &self,
        request: Request<ChangePasswordRequest>,
    ) -> Result<Response<ChangePasswordResponse>, Status> {
        let client = Client::from(request.metadata());
        let (admission, message) = Admission::split(request)?;
        message.validate()?;
        let caller = admission.caller()?;
        let session = caller.session.as_deref();
        // A token without a session spares none.
        let session = session.and_then(|id| Uuid::parse_str(id).ok());
        let caller = (account_id(&caller.subject)?, session.unwrap_or_default());
        let old = Password::new(message.old_password);
        let new = new_password(&message.new_password)?;
        let ended = password::change(&self.0, caller, old, new, &client).await?;
        let answer = ChangePasswordResponse {
            revoked_count: i32::try_from(ended.len()).unwrap_or(i32::MAX),
        };
        Ok(with_ended(answer, &ended))
    }

    async fn forgot_password(
        &self,
        request: Request<ForgotPasswordRequest>,
    ) -> Result<Response<ForgotPasswordResponse>, Status> {
        Admission::of(&request)?;
        let client = Client::from(request.metadata());
        let message = request.into_inner();
        message.validate()?;
        password::forgot(&self.0, &Email::new(&message.email), &client).await?;
        Ok(Response::new(ForgotPasswordResponse {}))
    }

    async fn reset_password(
        &self,
        request: Request<ResetPasswordRequest>,
    ) -> Result<Response<ResetPasswordResponse>, Status> {
        Admission::of(&request)?;
        let client = Client::from(request.metadata());
        let message = request.into_inner();
        message.validate()?;
        let new = new_password(&message.new_password)?;
        let reset = password::reset(&self.0, &message.token, new, &client).await?;
        let answer = ResetPasswordResponse {
            device_token: reset.device_token,
        };
        Ok(with_ended(answer, &reset.ended))
    }
}

fn new_password(typed: &str) -> Result<NewPassword, Error> {
    NewPassword::parse("new_password", typed).map_err(|fault| Error::Invalid(vec![fault]))
}
