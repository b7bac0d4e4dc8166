use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use portico_caller::Admission;
use portico_proto::{
    Validate,
    error::Reason,
    user::v1::{
        self as pb, user_event::Change, user_events_server::UserEvents,
        user_watch_service_server::UserWatchService,
    },
};
use prost::Message;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::{
    domain::Published,
    storage::{Sweep, Swept},
    users::Users,
    wire,
};

/// `portico.user.v1.UserEvents` and `portico.user.v1.UserWatchService`.
#[derive(Clone)]
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
    type SnapshotStream = BoxStream<'static, Result<pb::SnapshotResponse, Status>>;

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

    async fn snapshot(
        &self,
        request: Request<pb::SnapshotRequest>,
    ) -> Result<Response<Self::SnapshotStream>, Status> {
        let (admission, _) = Admission::split(request)?;
        admission.caller()?;
        let (sequence, roles) = self.users.begin_snapshot().await?;
        let first = pb::SnapshotResponse {
            sequence,
            roles: roles.iter().map(wire::role).collect(),
            users: Vec::new(),
        };
        let everything = Sweep {
            with_deleted: true,
            up_to_date: true,
        };
        let accounts = self.users.sweep(None, everything, self.stop.clone());
        let answers = accounts.map(|page| {
            Ok(pb::SnapshotResponse {
                users: page?.iter().map(change).collect(),
                ..pb::SnapshotResponse::default()
            })
        });
        let answers = stream::once(async { Ok(first) }).chain(answers);
        Ok(Response::new(answers.boxed()))
    }

    async fn acknowledge(
        &self,
        request: Request<pb::AcknowledgeRequest>,
    ) -> Result<Response<()>, Status> {
        let (admission, request) = Admission::split(request)?;
        admission.caller()?;
        request.validate()?;
        let pb::AcknowledgeRequest { consumer, sequence } = request;
        self.users.acknowledge(&consumer, sequence).await?;
        Ok(Response::new(()))
    }
}

#[tonic::async_trait]
impl UserWatchService for Events {
    type WatchUsersStream = BoxStream<'static, Result<pb::UserEvent, Status>>;

    async fn watch_users(
        &self,
        request: Request<pb::WatchUsersRequest>,
    ) -> Result<Response<Self::WatchUsersStream>, Status> {
        let (admission, request) = Admission::split(request)?;
        admission.caller()?;
        request.validate()?;
        let after = match request.after {
            Some(after) => after,
            None => self.users.watch_from_now().await?,
        };
        let batches = self.users.watch(after, self.stop.clone());
        let events = batches
            .map_ok(|batch| stream::iter(batch).map(|published| event(&published)))
            .map_err(Status::from)
            .try_flatten()
            // Roles are for those who may read them.
            .try_filter(|event| {
                let of_account = matches!(event.change, Some(Change::User(_)));
                std::future::ready(of_account)
            })
            .map_ok(|event| pb::UserEvent {
                traceparent: String::new(),
                ..event
            });
        Ok(Response::new(events.boxed()))
    }
}

fn change(swept: &Swept) -> pb::UserChange {
    if swept.purged {
        wire::purge_change(&swept.account)
    } else {
        wire::user_change(&swept.account)
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
