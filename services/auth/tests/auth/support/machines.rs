//! Clients, service accounts and keys in a world.

use base64::{Engine, prelude::BASE64_STANDARD};
use portico_proto::{
    auth::v1::{
        ApiKey, CreateApiKeyRequest, CreateApiKeyResponse, CreateClientRequest,
        CreateClientResponse, ExchangeApiKeyRequest, ExchangeApiKeyResponse, IntrospectRequest,
        OAuthClient, RevokeRequest, TokenRequest, UpdateClientRequest,
        api_key_service_client::ApiKeyServiceClient, client_service_client::ClientServiceClient,
        key_exchange_service_client::KeyExchangeServiceClient,
        o_auth_service_client::OAuthServiceClient,
        service_account_service_client::ServiceAccountServiceClient,
    },
    google::api::HttpBody,
};
use portico_service::Backend;
use serde_json::Value;
use tonic::{Request, Response, Status, metadata::MetadataMap};

use super::{PASSWORD, World, bearing};

/// What an operator may do, and give.
pub const OPERATOR: [&str; 7] = [
    "clients:read",
    "clients:write",
    "service-accounts:read",
    "service-accounts:write",
    "sessions:read",
    "orders:read",
    "orders:write",
];

/// What came back from an endpoint of OAuth.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub json: Value,
    pub metadata: MetadataMap,
}

impl Reply {
    fn of(response: Response<HttpBody>) -> Self {
        let (metadata, body, _) = response.into_parts();
        let status = metadata.get("portico-http-status");
        let status = status.map_or(200, |it| {
            it.to_str().expect("text").parse().expect("a number")
        });
        let json = if body.data.is_empty() {
            Value::Null
        } else {
            assert_eq!(body.content_type, "application/json");
            serde_json::from_slice(&body.data).expect("JSON")
        };
        let caching = metadata.get("cache-control").expect("nobody keeps it");
        assert_eq!(caching, "no-store");
        let older = metadata.get("pragma").expect("nor who is older");
        assert_eq!(older, "no-cache");
        Self {
            status,
            json,
            metadata,
        }
    }

    /// The error, which comes with this status.
    pub fn error(&self, status: u16) -> &str {
        assert_eq!(self.status, status, "{:?}", self.json);
        assert!(self.json["error_description"].is_string());
        let challenge = self.metadata.get("www-authenticate");
        assert_eq!(challenge.is_some(), status == 401);
        self.json["error"].as_str().expect("an error")
    }

    /// The access token.
    pub fn token(&self) -> &str {
        assert_eq!(self.status, 200, "{:?}", self.json);
        assert_eq!(self.json["token_type"], "Bearer");
        self.json["access_token"].as_str().expect("a token")
    }
}

/// A request to an endpoint of OAuth.
fn asked<T>(message: T, basic: Option<(&str, &str)>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some((id, secret)) = basic {
        let value = format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")));
        let value = value.parse().expect("metadata");
        request.metadata_mut().insert("authorization", value);
    }
    request
}

fn form(parameters: &[(&str, &str)]) -> HttpBody {
    let escape = |text: &str| -> String {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
        let escaped = text.bytes().map(|byte| {
            if plain(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        });
        escaped.collect()
    };
    let pairs = parameters.iter();
    let pairs = pairs.map(|(name, value)| format!("{}={}", escape(name), escape(value)));
    HttpBody {
        content_type: "application/x-www-form-urlencoded".to_owned(),
        data: pairs.collect::<Vec<_>>().join("&").into(),
    }
}

impl World {
    pub fn oauth(&self) -> OAuthServiceClient<Backend> {
        OAuthServiceClient::new(self.auth.backend.clone())
    }

    pub fn clients(&self) -> ClientServiceClient<Backend> {
        ClientServiceClient::new(self.auth.backend.clone())
    }

    pub fn api_keys(&self) -> ApiKeyServiceClient<Backend> {
        ApiKeyServiceClient::new(self.auth.backend.clone())
    }

    pub fn service_accounts(&self) -> ServiceAccountServiceClient<Backend> {
        ServiceAccountServiceClient::new(self.auth.backend.clone())
    }

    /// The access token of somebody with the scopes of [`OPERATOR`].
    pub async fn operator(&self) -> String {
        self.users.role("operator", &OPERATOR);
        self.somebody("operator@example.com", "operator").await
    }

    /// The access token of somebody with a role.
    pub async fn somebody(&self, email: &str, role: &str) -> String {
        self.register(email, PASSWORD).await.expect("registers");
        let id = self.users.account(email).expect("exists").id;
        self.users
            .change(&id, |user| user.roles = vec![role.to_owned()]);
        self.caught_up().await;
        let tokens = self.login(email, PASSWORD).await.expect("signs in");
        tokens.access_token
    }

    pub async fn create_client(
        &self,
        by: &str,
        client: OAuthClient,
    ) -> Result<CreateClientResponse, Status> {
        let request = CreateClientRequest {
            client: Some(client),
        };
        let answer = self.clients().create_client(bearing(by, request)).await?;
        Ok(answer.into_inner())
    }

    /// A client with a secret and these scopes: its id and its secret.
    pub async fn client(&self, by: &str, scopes: &[&str]) -> (String, String) {
        let made = self.create_client(by, plain_client(scopes)).await;
        let made = made.expect("creates");
        (made.client.expect("a client").id, made.client_secret)
    }

    pub async fn update_client(
        &self,
        by: &str,
        client: OAuthClient,
        fields: &[&str],
    ) -> Result<OAuthClient, Status> {
        let paths = fields.iter().map(ToString::to_string).collect();
        let request = UpdateClientRequest {
            client: Some(client),
            update_mask: Some(prost_types::FieldMask { paths }),
        };
        let answer = self.clients().update_client(bearing(by, request)).await?;
        Ok(answer.into_inner())
    }

    pub async fn token(&self, basic: Option<(&str, &str)>, fields: &[(&str, &str)]) -> Reply {
        let request = asked(
            TokenRequest {
                form: Some(form(fields)),
            },
            basic,
        );
        Reply::of(self.oauth().token(request).await.expect("is answered"))
    }

    /// A token by `client_credentials` and HTTP Basic.
    pub async fn granted(&self, (id, secret): &(String, String)) -> Reply {
        let grant = [("grant_type", "client_credentials")];
        self.token(Some((id, secret)), &grant).await
    }

    pub async fn introspect(&self, (id, secret): &(String, String), token: &str) -> Reply {
        self.introspect_as(Some((id, secret)), &[("token", token)])
            .await
    }

    pub async fn introspect_as(
        &self,
        basic: Option<(&str, &str)>,
        fields: &[(&str, &str)],
    ) -> Reply {
        let form = Some(form(fields));
        let request = asked(IntrospectRequest { form }, basic);
        Reply::of(self.oauth().introspect(request).await.expect("is answered"))
    }

    pub async fn revoke(&self, basic: Option<(&str, &str)>, fields: &[(&str, &str)]) -> Reply {
        let request = asked(
            RevokeRequest {
                form: Some(form(fields)),
            },
            basic,
        );
        Reply::of(self.oauth().revoke(request).await.expect("is answered"))
    }

    pub async fn create_key(
        &self,
        by: &str,
        scopes: &[&str],
    ) -> Result<CreateApiKeyResponse, Status> {
        let request = CreateApiKeyRequest {
            api_key: Some(key_with(scopes)),
        };
        let answer = self.api_keys().create_api_key(bearing(by, request)).await?;
        Ok(answer.into_inner())
    }

    pub async fn exchange(&self, key: &str) -> Result<ExchangeApiKeyResponse, Status> {
        let request = ExchangeApiKeyRequest {
            api_key: key.to_owned(),
        };
        let mut client = KeyExchangeServiceClient::new(self.auth.backend.clone());
        Ok(client.exchange_api_key(request).await?.into_inner())
    }
}

/// A client with a secret and these scopes, to be.
pub fn plain_client(scopes: &[&str]) -> OAuthClient {
    OAuthClient {
        display_name: "Robot".to_owned(),
        scopes: scopes.iter().map(ToString::to_string).collect(),
        ..OAuthClient::default()
    }
}

/// A key with these scopes, to be.
pub fn key_with(scopes: &[&str]) -> ApiKey {
    ApiKey {
        display_name: "Cron".to_owned(),
        scopes: scopes.iter().map(ToString::to_string).collect(),
        ..ApiKey::default()
    }
}
