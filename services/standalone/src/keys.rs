//! The keys that verify tokens, for services that start before the one that signs.

use std::sync::OnceLock;

use futures_util::{FutureExt, future::BoxFuture};
use portico_caller::KeySource;
use portico_proto::{auth::v1::JsonWebKeySet, error::Reason};
use portico_service::Backend;
use tonic::Status;

/// The auth service's keys, once there is an auth service.
#[derive(Default)]
pub struct LateKeys(OnceLock<Backend>);

impl LateKeys {
    /// Says where the keys come from. The first word counts.
    pub fn come_from(&self, auth: Backend) {
        self.0.get_or_init(|| auth);
    }
}

impl KeySource for LateKeys {
    fn fetch(&self) -> BoxFuture<'_, Result<JsonWebKeySet, Status>> {
        match self.0.get() {
            Some(auth) => auth.fetch(),
            None => {
                async { Err(Reason::Unavailable.status("the auth service has not started yet")) }
                    .boxed()
            }
        }
    }
}
