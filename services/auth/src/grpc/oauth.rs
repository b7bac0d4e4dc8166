//! `portico.auth.v1.OAuthService` and `KeyExchangeService`: HTTP protocols, as the gateway passes them on.

use std::sync::Arc;

use bytes::Bytes;
use portico_caller::{Admission, Verifier};
use portico_proto::{
    auth::v1::{
        ExchangeApiKeyRequest, ExchangeApiKeyResponse, GetServerMetadataRequest, IntrospectRequest,
        RevokeRequest, TokenRequest, key_exchange_service_server::KeyExchangeService,
        o_auth_service_server::OAuthService,
    },
    google::api::HttpBody,
};
use tonic::{
    Request, Response, Status,
    metadata::{MetadataMap, MetadataValue},
};

use super::{ENDED_SESSION, timestamp};
use crate::{
    api_keys,
    core::Core,
    oauth::{self, Answer, Asked, Fault},
};

/// The HTTP status of an answer, when it is not 200.
const HTTP_STATUS: &str = "portico-http-status";

const JSON: &str = "application/json";

/// How long a copy of the metadata may be used.
const METADATA_CACHING: &str = "public, max-age=3600";

/// The endpoints of OAuth.
pub(crate) struct OAuthApi {
    pub(crate) core: Arc<Core>,
    /// Takes tokens whomever they are for.
    pub(crate) verifier: Verifier,
    pub(crate) metadata: Bytes,
}

#[tonic::async_trait]
impl OAuthService for OAuthApi {
    async fn token(&self, request: Request<TokenRequest>) -> Result<Response<HttpBody>, Status> {
        Admission::of(&request)?;
        let (metadata, _, message) = request.into_parts();
        let form = message.form.unwrap_or_default();
        to_response(oauth::token(&self.core, &asked(&metadata, &form)).await)
    }

    async fn introspect(
        &self,
        request: Request<IntrospectRequest>,
    ) -> Result<Response<HttpBody>, Status> {
        Admission::of(&request)?;
        let (metadata, _, message) = request.into_parts();
        let form = message.form.unwrap_or_default();
        let asked = asked(&metadata, &form);
        to_response(oauth::introspect(&self.core, &self.verifier, &asked).await)
    }

    async fn revoke(&self, request: Request<RevokeRequest>) -> Result<Response<HttpBody>, Status> {
        Admission::of(&request)?;
        let (metadata, _, message) = request.into_parts();
        let form = message.form.unwrap_or_default();
        let asked = asked(&metadata, &form);
        let (answer, ended) = match oauth::revoke(&self.core, &self.verifier, &asked).await {
            Ok((answer, ended)) => (Ok(answer), ended),
            Err(fault) => (Err(fault), None),
        };
        let mut response = to_response(answer)?;
        if let Some(ended) = ended.and_then(|id| MetadataValue::try_from(id).ok()) {
            response.metadata_mut().insert(ENDED_SESSION, ended);
        }
        Ok(response)
    }

    async fn get_server_metadata(
        &self,
        request: Request<GetServerMetadataRequest>,
    ) -> Result<Response<HttpBody>, Status> {
        Admission::of(&request)?;
        Ok(respond(JSON, self.metadata.clone(), METADATA_CACHING))
    }
}

fn asked<'r>(metadata: &'r MetadataMap, form: &'r HttpBody) -> Asked<'r> {
    let authorization = metadata.get_all("authorization").iter();
    Asked {
        authorization: authorization
            .map(tonic::metadata::MetadataValue::as_encoded_bytes)
            .collect(),
        content_type: &form.content_type,
        body: &form.data,
    }
}

/// Errors are answers too. Nobody on the way keeps any of them (RFC 6749, section 5.1).
fn to_response(answer: Result<Answer, Fault>) -> Result<Response<HttpBody>, Status> {
    let Answer { status, body } = match answer {
        Ok(answer) => answer,
        Err(Fault::Refused(refusal)) => refusal.answer(),
        Err(Fault::Failed(error)) => return Err(error.into()),
    };
    let content_type = if body.is_empty() { "" } else { JSON };
    let mut response = respond(content_type, body, "no-store");
    let metadata = response.metadata_mut();
    metadata.insert("pragma", MetadataValue::from_static("no-cache"));
    if status != 200 {
        metadata.insert(HTTP_STATUS, status.into());
    }
    if status == 401 {
        // Whichever way the client tried (RFC 9110, section 11.6.1).
        let challenge = MetadataValue::from_static("Basic realm=\"portico\", charset=\"UTF-8\"");
        metadata.insert("www-authenticate", challenge);
    }
    Ok(response)
}

fn respond(content_type: &str, data: Bytes, caching: &'static str) -> Response<HttpBody> {
    let mut response = Response::new(HttpBody {
        content_type: content_type.to_owned(),
        data,
    });
    let caching = MetadataValue::from_static(caching);
    response.metadata_mut().insert("cache-control", caching);
    response
}

/// API keys for access tokens.
pub(crate) struct KeyExchangeApi(pub(crate) Arc<Core>);

#[tonic::async_trait]
impl KeyExchangeService for KeyExchangeApi {
    async fn exchange_api_key(
        &self,
        request: Request<ExchangeApiKeyRequest>,
    ) -> Result<Response<ExchangeApiKeyResponse>, Status> {
        Admission::of(&request)?;
        let presented = request.into_inner().api_key;
        let (access, use_until) = api_keys::exchange(&self.0, &presented).await?;
        Ok(Response::new(ExchangeApiKeyResponse {
            access_token: access.token,
            use_until_time: Some(timestamp(use_until)),
        }))
    }
}
