//! `portico.auth.v1.MfaService`.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use portico_caller::{Admission, Caller};
use portico_proto::{
    Validate,
    auth::v1::{
        ConfirmTotpRequest, ConfirmTotpResponse, DeleteTotpRequest, EnrollMfaRequest,
        EnrollTotpRequest, EnrollTotpResponse, GetMfaRequest, Mfa, RegenerateRecoveryCodesRequest,
        RegenerateRecoveryCodesResponse, ResetMfaRequest, TokenResponse, VerifyFactorRequest,
        VerifyMfaRequest, mfa_service_server::MfaService,
    },
};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{account_id, auth, no_store, timestamp, with_ended};
use crate::{
    core::Core,
    domain::Client,
    error::Error,
    factors::{Enrolment, RecoveryCode},
    mfa::{self, Person},
};

/// Second factors.
pub(crate) struct MfaApi(pub(crate) Arc<Core>);

#[tonic::async_trait]
impl MfaService for MfaApi {
    async fn verify_mfa(
        &self,
        request: Request<VerifyMfaRequest>,
    ) -> Result<Response<TokenResponse>, Status> {
        Admission::of(&request)?;
        let client = Client::from(request.metadata());
        let message = request.into_inner();
        message.validate()?;
        let (token, code) = (&message.challenge_token, &message.code);
        Ok(auth::granted(
            mfa::verify(&self.0, token, code, client).await?,
        ))
    }

    async fn enroll_mfa(
        &self,
        request: Request<EnrollMfaRequest>,
    ) -> Result<Response<EnrollTotpResponse>, Status> {
        Admission::of(&request)?;
        let message = request.into_inner();
        message.validate()?;
        let made = mfa::enroll_at_sign_in(&self.0, &message.challenge_token).await?;
        Ok(enrolled(made))
    }

    async fn get_mfa(&self, request: Request<GetMfaRequest>) -> Result<Response<Mfa>, Status> {
        let (admission, message) = Admission::split(request)?;
        message.validate()?;
        let (_, user_id) = admission.resolve(&message.user_id)?;
        let overview = mfa::overview(&self.0, account_id(&user_id)?).await?;
        Ok(Response::new(Mfa {
            totp: overview.totp.is_some(),
            totp_create_time: overview.totp.map(timestamp),
            recovery_codes_left: i32::try_from(overview.recovery_codes).unwrap_or(i32::MAX),
            required: overview.required,
        }))
    }

    async fn verify_factor(
        &self,
        request: Request<VerifyFactorRequest>,
    ) -> Result<Response<TokenResponse>, Status> {
        let (admission, message) = Admission::split(request)?;
        message.validate()?;
        let caller = admission.caller()?;
        let proving = mfa::prove(&self.0, person(caller)?, &message.code);
        let (session, access, scope) = proving.await?;
        Ok(no_store(TokenResponse {
            access_token: access.token,
            token_type: "Bearer".to_owned(),
            expires_in: i32::try_from(access.expires_in.num_seconds()).unwrap_or(i32::MAX),
            session_id: session.to_string(),
            scope,
            ..TokenResponse::default()
        }))
    }

    async fn enroll_totp(
        &self,
        request: Request<EnrollTotpRequest>,
    ) -> Result<Response<EnrollTotpResponse>, Status> {
        let (admission, message) = Admission::split(request)?;
        message.validate()?;
        let caller = admission.caller()?;
        let made = mfa::enroll(&self.0, person(caller)?).await?;
        Ok(enrolled(made))
    }

    async fn confirm_totp(
        &self,
        request: Request<ConfirmTotpRequest>,
    ) -> Result<Response<ConfirmTotpResponse>, Status> {
        let client = Client::from(request.metadata());
        let (admission, message) = Admission::split(request)?;
        message.validate()?;
        let caller = admission.caller()?;
        let code = &message.code;
        let codes = mfa::confirm(&self.0, person(caller)?, code, &client).await?;
        Ok(no_store(ConfirmTotpResponse {
            recovery_codes: codes.iter().map(RecoveryCode::to_string).collect(),
        }))
    }

    async fn delete_totp(
        &self,
        request: Request<DeleteTotpRequest>,
    ) -> Result<Response<()>, Status> {
        let client = Client::from(request.metadata());
        let (admission, message) = Admission::split(request)?;
        message.validate()?;
        let caller = admission.caller()?;
        mfa::remove(&self.0, person(caller)?, &client).await?;
        Ok(Response::new(()))
    }

    async fn regenerate_recovery_codes(
        &self,
        request: Request<RegenerateRecoveryCodesRequest>,
    ) -> Result<Response<RegenerateRecoveryCodesResponse>, Status> {
        let client = Client::from(request.metadata());
        let (admission, message) = Admission::split(request)?;
        message.validate()?;
        let caller = admission.caller()?;
        let codes = mfa::regenerate(&self.0, person(caller)?, &client).await?;
        Ok(no_store(RegenerateRecoveryCodesResponse {
            recovery_codes: codes.iter().map(RecoveryCode::to_string).collect(),
        }))
    }

    async fn reset_mfa(&self, request: Request<ResetMfaRequest>) -> Result<Response<()>, Status> {
        let (admission, message) = Admission::split(request)?;
        message.validate()?;
        let caller = admission.caller()?;
        let user_id = Uuid::parse_str(&message.user_id).map_err(|_| Error::UserNotFound)?;
        let ended = mfa::reset(&self.0, user_id, caller).await?;
        Ok(with_ended((), &ended))
    }
}

/// A program has no factors to change, and nothing to prove them by.
fn person(caller: &Caller) -> Result<Person, Error> {
    Person::of(caller)?.ok_or(Error::StepUpRequired)
}

fn enrolled((made, expire_time): (Enrolment, DateTime<Utc>)) -> Response<EnrollTotpResponse> {
    no_store(EnrollTotpResponse {
        secret: made.secret,
        uri: made.uri,
        qr_svg: made.qr_svg,
        expire_time: Some(timestamp(expire_time)),
    })
}
