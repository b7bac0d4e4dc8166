//! `portico.auth.v1.ImportService`.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use portico_caller::Admission;
use portico_proto::{
    auth::v1::{ImportUsersRequest, ImportUsersResponse, import_service_server::ImportService},
    error::Reason,
};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::{
    core::Core,
    import::{ADMIN, Import, Importer},
};

/// Bringing accounts in.
pub(crate) struct ImportApi {
    pub(crate) core: Arc<Core>,
    /// Ends imports between two batches: they may take minutes, and are taken up again elsewhere.
    pub(crate) stop: CancellationToken,
}

#[tonic::async_trait]
impl ImportService for ImportApi {
    type ImportUsersStream = BoxStream<'static, Result<ImportUsersResponse, Status>>;

    async fn import_users(
        &self,
        request: Request<Streaming<ImportUsersRequest>>,
    ) -> Result<Response<Self::ImportUsersStream>, Status> {
        let (admission, lines) = Admission::split(request)?;
        let caller = admission.caller()?;
        let by = Importer {
            subject: caller.subject.clone(),
            scopes: caller.scopes.iter().map(str::to_owned).collect(),
            administrator: caller.roles.iter().any(|role| role == ADMIN),
        };
        let import = Import::new(Arc::clone(&self.core), lines, by);
        let start = Some((import, self.stop.clone()));
        let batches = stream::unfold(start, |state| async {
            let (mut import, stop) = state?;
            match stop.run_until_cancelled(import.answers()).await {
                Some(Ok(Some(answers))) => Some((Ok(answers), Some((import, stop)))),
                Some(Ok(None)) => None,
                Some(Err(status)) => Some((Err(status), None)),
                None => Some((Err(stopping()), None)),
            }
        });
        let answers = batches
            .map_ok(|answers| stream::iter(answers.into_iter().map(Ok)))
            .try_flatten();
        Ok(Response::new(answers.boxed()))
    }
}

fn stopping() -> Status {
    let message = "the service is stopping; send the lines without an answer again";
    Reason::Unavailable.retry_after(message, Duration::from_secs(1))
}
