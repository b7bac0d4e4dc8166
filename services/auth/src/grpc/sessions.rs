//! `portico.auth.v1.SessionService`.

use std::sync::Arc;

use portico_caller::Admission;
use portico_proto::{
    Validate,
    auth::v1::{
        DeleteSessionRequest, ListSessionsRequest, ListSessionsResponse, RevokeAllSessionsRequest,
        RevokeAllSessionsResponse, Session as Message, session_service_server::SessionService,
    },
};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{account_id, timestamp, with_ended};
use crate::{core::Core, domain::Session, error::Error, sessions};

/// The open sessions of an account.
pub(crate) struct SessionApi(pub(crate) Arc<Core>);

#[tonic::async_trait]
impl SessionService for SessionApi {
    async fn list_sessions(
        &self,
        request: Request<ListSessionsRequest>,
    ) -> Result<Response<ListSessionsResponse>, Status> {
        let (admission, message) = Admission::split(request)?;
        message.validate()?;
        let (caller, user_id) = admission.resolve(&message.user_id)?;
        let current = caller.session.as_deref();
        let sessions = sessions::list(&self.0, account_id(&user_id)?).await?;
        let sessions = sessions
            .into_iter()
            .map(|session| to_message(session, current));
        Ok(Response::new(ListSessionsResponse {
            sessions: sessions.collect(),
        }))
    }

    async fn delete_session(
        &self,
        request: Request<DeleteSessionRequest>,
    ) -> Result<Response<()>, Status> {
        let (admission, message) = Admission::split(request)?;
        message.validate()?;
        let (_, user_id) = admission.resolve(&message.user_id)?;
        let session = Uuid::parse_str(&message.id).map_err(|_| Error::SessionNotFound)?;
        sessions::end(&self.0, account_id(&user_id)?, session).await?;
        Ok(with_ended((), &[session]))
    }

    async fn revoke_all_sessions(
        &self,
        request: Request<RevokeAllSessionsRequest>,
    ) -> Result<Response<RevokeAllSessionsResponse>, Status> {
        let (admission, message) = Admission::split(request)?;
        message.validate()?;
        let (_, user_id) = admission.resolve(&message.user_id)?;
        let ended = sessions::end_all(&self.0, account_id(&user_id)?).await?;
        let answer = RevokeAllSessionsResponse {
            revoked_count: i32::try_from(ended.len()).unwrap_or(i32::MAX),
        };
        Ok(with_ended(answer, &ended))
    }
}

fn to_message(session: Session, current: Option<&str>) -> Message {
    let id = session.id.to_string();
    Message {
        current: current == Some(id.as_str()),
        id,
        user_id: session.user_id.to_string(),
        create_time: Some(timestamp(session.create_time)),
        last_used_time: Some(timestamp(session.last_used_time)),
        expire_time: Some(timestamp(session.end_time())),
        user_agent: session.user_agent,
        ip_address: session.ip_address,
        device_name: session.device_name,
    }
}
