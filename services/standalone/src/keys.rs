//! The keys that verify tokens, for services that start before the one that signs.

use futures_util::{FutureExt, future::BoxFuture};
use portico_caller::KeySource;
use portico_proto::auth::v1::JsonWebKeySet;
use portico_service::Backend;
use tokio::sync::SetOnce;
use tonic::Status;

/// The auth service's keys. Until there is an auth service, whoever asks waits: an answer that there are
/// none would be remembered for longer than a start takes.
#[derive(Debug, Default)]
pub struct LateKeys(SetOnce<Backend>);

impl LateKeys {
    /// Says where the keys come from. The first word counts.
    pub fn come_from(&self, auth: Backend) {
        // A second word has no effect, as promised.
        let _ = self.0.set(auth);
    }
}

impl KeySource for LateKeys {
    fn fetch(&self) -> BoxFuture<'_, Result<JsonWebKeySet, Status>> {
        async { self.0.wait().await.fetch().await }.boxed()
    }
}
