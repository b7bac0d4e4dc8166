//! `portico.auth.v1.ClientService`.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use portico_caller::Admission;
use portico_proto::{
    Validate,
    auth::v1::{
        ClientAuthMethod, CreateClientRequest, CreateClientResponse, DeleteClientRequest,
        GetClientRequest, JsonWebKey, JsonWebKeySet, ListClientsRequest, ListClientsResponse,
        OAuthClient as Message, RotateClientSecretRequest, RotateClientSecretResponse,
        UpdateClientRequest, client_service_server::ClientService,
    },
};
use tonic::{Request, Response, Status};

use super::{
    machines::{Mask, Page, id_of, overlap},
    no_store, timestamp,
};
use crate::{
    clients::{self, Change, Draft},
    core::Core,
    domain::{AuthMethod, ClientKey, GrantType, MachineSecret, OAuthClient},
};

/// OAuth clients.
pub(crate) struct ClientApi(pub(crate) Arc<Core>);

#[tonic::async_trait]
impl ClientService for ClientApi {
    async fn create_client(
        &self,
        request: Request<CreateClientRequest>,
    ) -> Result<Response<CreateClientResponse>, Status> {
        let (admission, message) = Admission::split(request)?;
        message.validate()?;
        let caller = admission.caller()?;
        let draft = to_draft(message.client.unwrap_or_default());
        let (client, secret) = clients::create(&self.0, caller, draft).await?;
        Ok(no_store(CreateClientResponse {
            client: Some(self.to_message(client)),
            client_secret: secret.map(MachineSecret::reveal).unwrap_or_default(),
        }))
    }

    async fn get_client(
        &self,
        request: Request<GetClientRequest>,
    ) -> Result<Response<Message>, Status> {
        let (admission, message) = Admission::split(request)?;
        message.validate()?;
        admission.caller()?;
        let client = clients::get(&self.0, id_of(&message.id, "id")?).await?;
        Ok(Response::new(self.to_message(client)))
    }

    async fn list_clients(
        &self,
        request: Request<ListClientsRequest>,
    ) -> Result<Response<ListClientsResponse>, Status> {
        let (admission, message) = Admission::split(request)?;
        message.validate()?;
        admission.caller()?;
        let page = Page::of(message.page_size, &message.page_token)?;
        let found = clients::list(&self.0, page.behind, page.more()).await?;
        let (found, next_page_token) = page.cut(found, |client| client.id);
        Ok(Response::new(ListClientsResponse {
            clients: found.into_iter().map(|it| self.to_message(it)).collect(),
            next_page_token,
        }))
    }

    async fn update_client(
        &self,
        request: Request<UpdateClientRequest>,
    ) -> Result<Response<Message>, Status> {
        let (admission, message) = Admission::split(request)?;
        message.validate()?;
        let caller = admission.caller()?;
        let client = message.client.unwrap_or_default();
        let id = id_of(&client.id, "client.id")?;
        let mask = Mask::of(
            message.update_mask,
            &[
                "display_name",
                "grant_types",
                "scopes",
                "resources",
                "jwks",
                "disabled",
                "introspects_all",
            ],
        )?;
        let etag = client.etag.clone();
        let change = to_change(client, &mask);
        let client = clients::update(&self.0, caller, id, change, &etag).await?;
        Ok(Response::new(self.to_message(client)))
    }

    async fn delete_client(
        &self,
        request: Request<DeleteClientRequest>,
    ) -> Result<Response<()>, Status> {
        let (admission, message) = Admission::split(request)?;
        message.validate()?;
        let caller = admission.caller()?;
        clients::delete(&self.0, caller, id_of(&message.id, "id")?).await?;
        Ok(Response::new(()))
    }

    async fn rotate_client_secret(
        &self,
        request: Request<RotateClientSecretRequest>,
    ) -> Result<Response<RotateClientSecretResponse>, Status> {
        let (admission, message) = Admission::split(request)?;
        message.validate()?;
        let caller = admission.caller()?;
        let overlap = overlap(message.overlap)?;
        let id = id_of(&message.id, "id")?;
        let (client, secret) = clients::rotate_secret(&self.0, caller, id, overlap).await?;
        Ok(no_store(RotateClientSecretResponse {
            client: Some(self.to_message(client)),
            client_secret: secret.reveal(),
        }))
    }
}

impl ClientApi {
    fn to_message(&self, client: OAuthClient) -> Message {
        to_message(client, self.0.clock.now())
    }
}

fn to_draft(message: Message) -> Draft {
    let auth_method = match message.auth_method() {
        ClientAuthMethod::Unspecified | ClientAuthMethod::Secret => AuthMethod::Secret,
        ClientAuthMethod::PrivateKeyJwt => AuthMethod::PrivateKeyJwt,
        ClientAuthMethod::None => AuthMethod::None,
    };
    let mut grant_types = grants(&message.grant_types);
    if grant_types.is_empty() && auth_method != AuthMethod::None {
        grant_types.push(GrantType::ClientCredentials);
    }
    Draft {
        display_name: message.display_name,
        auth_method,
        grant_types,
        scopes: message.scopes.into_iter().collect(),
        resources: message.resources,
        keys: keys(message.jwks),
        introspects_all: message.introspects_all,
        disabled: message.disabled,
    }
}

fn to_change(message: Message, mask: &Mask) -> Change {
    Change {
        display_name: mask.some("display_name", message.display_name),
        grant_types: mask.some("grant_types", grants(&message.grant_types)),
        scopes: mask.some("scopes", message.scopes.into_iter().collect()),
        resources: mask.some("resources", message.resources),
        keys: mask.some("jwks", keys(message.jwks)),
        introspects_all: mask.some("introspects_all", message.introspects_all),
        disabled: mask.some("disabled", message.disabled),
    }
}

/// The field's rule lets no other names through.
fn grants(names: &[String]) -> Vec<GrantType> {
    let mut grants: Vec<_> = names.iter().filter_map(|it| GrantType::parse(it)).collect();
    grants.sort_unstable();
    grants.dedup();
    grants
}

fn keys(set: Option<JsonWebKeySet>) -> Vec<ClientKey> {
    let keys = set.unwrap_or_default().keys.into_iter();
    keys.map(|key| ClientKey {
        kty: key.kty,
        r#use: key.r#use,
        alg: key.alg,
        kid: key.kid,
        crv: key.crv,
        x: key.x,
        y: key.y,
        n: key.n,
        e: key.e,
    })
    .collect()
}

fn to_message(client: OAuthClient, now: DateTime<Utc>) -> Message {
    let auth_method = match client.auth_method {
        AuthMethod::Secret => ClientAuthMethod::Secret,
        AuthMethod::PrivateKeyJwt => ClientAuthMethod::PrivateKeyJwt,
        AuthMethod::None => ClientAuthMethod::None,
    };
    let previous_end = clients::previous_end(&client, now);
    let grants = client.grant_types.iter();
    let keys = client.keys.into_iter().map(|key| JsonWebKey {
        kty: key.kty,
        r#use: key.r#use,
        alg: key.alg,
        kid: key.kid,
        crv: key.crv,
        x: key.x,
        y: key.y,
        n: key.n,
        e: key.e,
    });
    let keys: Vec<JsonWebKey> = keys.collect();
    Message {
        id: client.id.to_string(),
        display_name: client.display_name,
        auth_method: auth_method.into(),
        grant_types: grants.map(|grant| grant.as_str().to_owned()).collect(),
        scopes: client.scopes.into_iter().collect(),
        resources: client.resources,
        jwks: (!keys.is_empty()).then_some(JsonWebKeySet { keys }),
        disabled: client.disabled,
        create_time: Some(timestamp(client.create_time)),
        update_time: Some(timestamp(client.update_time)),
        previous_secret_expire_time: previous_end.map(timestamp),
        etag: client.revision.to_string(),
        introspects_all: client.introspects_all,
    }
}
