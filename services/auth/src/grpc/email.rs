//! `portico.auth.v1.EmailService`.

use std::sync::Arc;

use portico_caller::Admission;
use portico_proto::{
    Validate,
    auth::v1::{
        ChangeEmailRequest, ChangeEmailResponse, ResendVerificationRequest,
        ResendVerificationResponse, VerifyEmailRequest, VerifyEmailResponse,
        email_service_server::EmailService,
    },
};
use tonic::{Request, Response, Status};

use super::account_id;
use crate::{
    core::Core,
    domain::{Client, Email},
    email,
    passwords::Password,
};

/// Verifying and changing addresses.
pub(crate) struct EmailApi(pub(crate) Arc<Core>);

#[tonic::async_trait]
impl EmailService for EmailApi {
    async fn verify_email(
        &self,
        request: Request<VerifyEmailRequest>,
    ) -> Result<Response<VerifyEmailResponse>, Status> {
        Admission::of(&request)?;
        let message = request.into_inner();
        message.validate()?;
        email::verify(&self.0, &message.token).await?;
        Ok(Response::new(VerifyEmailResponse {}))
    }

    async fn resend_verification(
        &self,
        request: Request<ResendVerificationRequest>,
    ) -> Result<Response<ResendVerificationResponse>, Status> {
        Admission::of(&request)?;
        let client = Client::from(request.metadata());
        let message = request.into_inner();
        message.validate()?;
        email::resend(&self.0, &Email::new(&message.email), &client).await?;
        Ok(Response::new(ResendVerificationResponse {}))
    }

    async fn change_email(
        &self,
        request: Request<ChangeEmailRequest>,
    ) -> Result<Response<ChangeEmailResponse>, Status> {
        let client = Client::from(request.metadata());
        let (admission, message) = Admission::split(request)?;
        message.validate()?;
        let caller = admission.caller()?;
        let user_id = account_id(&caller.subject)?;
        let new = Email::new(&message.new_email);
        let password = Password::new(message.password);
        email::change(&self.0, (user_id, caller), &new, password, &client).await?;
        Ok(Response::new(ChangeEmailResponse {}))
    }
}
