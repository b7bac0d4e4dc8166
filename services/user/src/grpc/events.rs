use std::sync::Arc;

use futures_util::{StreamExt, stream::BoxStream};
use portico_caller::Admission;
use portico_proto::{
    Validate,
    error::Reason,
    user::v1::{self as pb, user_events_server::UserEvents},
};
use prost::Message;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::{domain::Published, users::Users};

/// `portico.user.v1.UserEvents`.
pub struct Events {
    users: Arc<Users>,
    /// Ends the streams, which have no end of their own.
    stop: CancellationToken,
}

impl Events {
    /// Over the use cases, until `stop`.
    pub fn new(users: Arc<Users>, stop: CancellationToken) -> Self {
        Self { users, stop }
    }
}

#[tonic::async_trait]
impl UserEvents for Events {
    type WatchStream = BoxStream<'static, Result<pb::WatchResponse, Status>>;

    async fn watch(
        &self,
        request: Request<pb::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let (admission, request) = Admission::split(request)?;
        admission.caller()?;
        request.validate()?;
        let batches = self.users.watch(request.after, self.stop.clone());
        let answers = batches.map(|batch| {
            let events = batch?.iter().map(event).collect::<Result<_, Status>>()?;
            Ok(pb::WatchResponse { events })
        });
        Ok(Response::new(answers.boxed()))
    }
}

fn event(published: &Published) -> Result<pb::UserEvent, Status> {
    let sequence = published.sequence;
    let event = pb::UserEvent::decode(published.payload.as_slice()).map_err(|error| {
        tracing::error!(sequence, %error, "an event cannot be read back");
        Reason::Internal.status("something went wrong here")
    })?;
    Ok(pb::UserEvent { sequence, ..event })
}
