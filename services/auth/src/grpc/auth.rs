//! `portico.auth.v1.AuthService`.

use std::sync::Arc;

use portico_caller::Admission;
use portico_proto::{
    Validate,
    auth::v1::{
        Challenge as Message, LoginRequest, LogoutRequest, RefreshRequest, RegisterRequest,
        RegisterResponse, TokenResponse, auth_service_server::AuthService,
    },
};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{account_id, no_store, timestamp, with_ended};
use crate::{
    core::{Core, Grant},
    domain::{Client, Email},
    login::{self, Login, SignIn},
    logout,
    mfa::Challenge,
    passwords::Password,
    refresh::{self, Refresh},
    register::{self, Register},
};

/// Registration and sign-in.
pub(crate) struct AuthApi(pub(crate) Arc<Core>);

#[tonic::async_trait]
impl AuthService for AuthApi {
    async fn register(
        &self,
        request: Request<RegisterRequest>,
    ) -> Result<Response<RegisterResponse>, Status> {
        Admission::of(&request)?;
        let client = Client::from(request.metadata());
        let message = request.into_inner();
        message.validate()?;
        let email = Email::new(&message.email);
        self.0.guard.mail(&email, &client).await?;
        let ask = Register {
            email,
            password: message.password,
            display_name: message.display_name,
            roles: register::ROLES.map(str::to_owned).to_vec(),
        };
        // Whether the address was free is nobody's business.
        let _outcome = register::register(&self.0, ask, None).await?;
        Ok(Response::new(RegisterResponse {}))
    }

    async fn login(
        &self,
        request: Request<LoginRequest>,
    ) -> Result<Response<TokenResponse>, Status> {
        Admission::of(&request)?;
        let client = Client::from(request.metadata());
        let message = request.into_inner();
        message.validate()?;
        let client = Client {
            device_name: message.device_name,
            ..client
        };
        let login = Login {
            email: Email::new(&message.email),
            password: Password::new(message.password),
            device_token: message.device_token,
            scope: message.scope,
            client,
        };
        Ok(match login::login(&self.0, login).await? {
            SignIn::Open(grant) => granted(*grant),
            SignIn::Challenge(challenge) => challenged(challenge),
        })
    }

    async fn refresh(
        &self,
        request: Request<RefreshRequest>,
    ) -> Result<Response<TokenResponse>, Status> {
        Admission::of(&request)?;
        let message = request.into_inner();
        message.validate()?;
        let refresh = Refresh::first_party(&message.refresh_token);
        Ok(granted(refresh::refresh(&self.0, refresh).await?))
    }

    async fn logout(&self, request: Request<LogoutRequest>) -> Result<Response<()>, Status> {
        let (admission, message) = Admission::split(request)?;
        message.validate()?;
        let caller = admission.caller()?;
        let session = caller.session.as_deref();
        // A token without a session, such as a service's own, has nothing to end.
        let Some(session) = session.and_then(|id| Uuid::parse_str(id).ok()) else {
            return Ok(Response::new(()));
        };
        logout::logout(&self.0, account_id(&caller.subject)?, session).await?;
        Ok(with_ended((), &[session]))
    }
}

/// The tokens of a session.
pub(super) fn granted(grant: Grant) -> Response<TokenResponse> {
    no_store(TokenResponse {
        access_token: grant.access.token,
        refresh_token: grant.refresh.encode(),
        token_type: "Bearer".to_owned(),
        expires_in: i32::try_from(grant.access.expires_in.num_seconds()).unwrap_or(i32::MAX),
        session_id: grant.session_id.to_string(),
        scope: grant.scope,
        device_token: grant.device_token,
        ..TokenResponse::default()
    })
}

/// What has to be answered before there are tokens.
fn challenged(challenge: Challenge) -> Response<TokenResponse> {
    let methods = challenge.methods.iter().map(|&method| method.to_owned());
    no_store(TokenResponse {
        challenge: Some(Message {
            token: challenge.token,
            methods: methods.collect(),
            expire_time: Some(timestamp(challenge.expire_time)),
        }),
        ..TokenResponse::default()
    })
}
