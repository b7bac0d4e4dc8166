//! `portico.auth.v1.KeyService`.

use portico_caller::Admission;
use portico_proto::auth::v1::{
    GetJsonWebKeySetRequest, JsonWebKeySet, key_service_server::KeyService,
};
use tonic::{Request, Response, Status, metadata::MetadataValue};

use crate::keys::KeyRing;

/// The public keys.
pub(crate) struct KeyApi(pub(crate) KeyRing);

#[tonic::async_trait]
impl KeyService for KeyApi {
    async fn get_json_web_key_set(
        &self,
        request: Request<GetJsonWebKeySetRequest>,
    ) -> Result<Response<JsonWebKeySet>, Status> {
        Admission::of(&request)?;
        let mut response = Response::new(self.0.key_set());
        let caching = format!("public, max-age={}", self.0.max_age().num_seconds());
        if let Ok(value) = MetadataValue::try_from(caching) {
            response.metadata_mut().insert("cache-control", value);
        }
        Ok(response)
    }
}
