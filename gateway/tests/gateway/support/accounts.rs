//! The user and auth services with canned answers, and a record of what reached them.

use std::sync::{Arc, Mutex};

use portico_proto::{
    auth::v1::{
        ExchangeApiKeyRequest, ExchangeApiKeyResponse, GetJsonWebKeySetRequest, JsonWebKey,
        JsonWebKeySet, LoginRequest, LogoutRequest, RefreshRequest, RegisterRequest,
        RegisterResponse, TokenResponse,
        auth_service_server::{AuthService, AuthServiceServer},
        key_exchange_service_server::{KeyExchangeService, KeyExchangeServiceServer},
        key_service_server::{KeyService, KeyServiceServer},
    },
    error::{Reason, Violation, invalid},
    user::v1::{
        BatchGetUsersRequest, BatchGetUsersResponse, CreateUserRequest, DeleteUserRequest,
        GetUserRequest, ListUsersRequest, ListUsersResponse, PurgeUserRequest,
        ReactivateUserRequest, SuspendUserRequest, UndeleteUserRequest, UpdateUserRequest, User,
        user_service_server::{UserService, UserServiceServer},
    },
};
use tonic::{Request, Response, Status, metadata::MetadataMap, service::Routes};

/// The one account that exists.
pub const ADA: &str = "018f0000-0000-7000-8000-00000000ada0";

/// Both services. Clones share the record.
#[derive(Clone, Default)]
pub struct Accounts {
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    metadata: Vec<MetadataMap>,
    /// The one good key, and the token that it is exchanged for.
    key: Option<(String, String)>,
    exchanges: usize,
    create: Option<CreateUserRequest>,
    update: Option<UpdateUserRequest>,
    delete: Option<DeleteUserRequest>,
    list: Option<ListUsersRequest>,
}

impl Accounts {
    pub fn user(&self) -> Routes {
        Routes::new(UserServiceServer::new(self.clone()))
    }

    pub fn auth(&self) -> Routes {
        Routes::new(AuthServiceServer::new(self.clone()))
            .add_service(KeyServiceServer::new(self.clone()))
            .add_service(KeyExchangeServiceServer::new(self.clone()))
    }

    /// Lets one API key be exchanged for a token, and no other.
    pub fn take_key(&self, key: &str, token: &str) {
        self.seen.lock().unwrap().key = Some((key.to_owned(), token.to_owned()));
    }

    pub fn exchanges(&self) -> usize {
        self.seen.lock().unwrap().exchanges
    }

    pub fn calls(&self) -> usize {
        self.seen.lock().unwrap().metadata.len()
    }

    pub fn metadata(&self) -> MetadataMap {
        self.seen
            .lock()
            .unwrap()
            .metadata
            .last()
            .expect("a call arrived")
            .clone()
    }

    pub fn created(&self) -> CreateUserRequest {
        self.seen
            .lock()
            .unwrap()
            .create
            .clone()
            .expect("CreateUser was called")
    }

    pub fn updated(&self) -> UpdateUserRequest {
        self.seen
            .lock()
            .unwrap()
            .update
            .clone()
            .expect("UpdateUser was called")
    }

    pub fn deleted(&self) -> DeleteUserRequest {
        self.seen
            .lock()
            .unwrap()
            .delete
            .clone()
            .expect("DeleteUser was called")
    }

    pub fn listed(&self) -> ListUsersRequest {
        self.seen
            .lock()
            .unwrap()
            .list
            .clone()
            .expect("ListUsers was called")
    }

    fn note<T>(&self, request: Request<T>, keep: impl FnOnce(&mut Seen, &T)) -> T {
        let (metadata, _, message) = request.into_parts();
        let mut seen = self.seen.lock().unwrap();
        seen.metadata.push(metadata);
        keep(&mut seen, &message);
        message
    }
}

fn ada() -> User {
    User {
        id: ADA.to_owned(),
        email: "ada@example.com".to_owned(),
        display_name: "Ada".to_owned(),
        etag: "e-1".to_owned(),
        ..User::default()
    }
}

fn checked(etag: &str) -> Result<(), Status> {
    match etag {
        "" | "e-1" => Ok(()),
        _ => Err(Reason::EtagMismatch.status("the account was changed meanwhile")),
    }
}

#[tonic::async_trait]
impl UserService for Accounts {
    async fn create_user(
        &self,
        request: Request<CreateUserRequest>,
    ) -> Result<Response<User>, Status> {
        let request = self.note(request, |seen, it| seen.create = Some(it.clone()));
        let user = request.user.unwrap_or_default();
        match user.email.as_str() {
            "taken@example.com" => {
                Err(Reason::EmailTaken.status("another account has the address"))
            }
            "none" => Err(invalid([
                Violation::new("user.email", "must be an e-mail address"),
                Violation::new("user.display_name", "must be shorter"),
            ])),
            _ => Ok(Response::new(User {
                email: user.email,
                ..ada()
            })),
        }
    }

    async fn get_user(&self, request: Request<GetUserRequest>) -> Result<Response<User>, Status> {
        let request = self.note(request, |_, _| ());
        match request.id.as_str() {
            ADA | "me" => {
                let mut response = Response::new(ada());
                let out = response.metadata_mut();
                out.insert("cache-control", "private, max-age=5".parse().unwrap());
                out.insert("set-cookie", "a=b".parse().unwrap());
                Ok(response)
            }
            "broken" => Err(Status::internal("table users_v2 is locked")),
            _ => Err(Reason::UserNotFound.status("no account has the id")),
        }
    }

    async fn batch_get_users(
        &self,
        _: Request<BatchGetUsersRequest>,
    ) -> Result<Response<BatchGetUsersResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn list_users(
        &self,
        request: Request<ListUsersRequest>,
    ) -> Result<Response<ListUsersResponse>, Status> {
        self.note(request, |seen, it| seen.list = Some(it.clone()));
        Ok(Response::new(ListUsersResponse {
            users: vec![ada()],
            next_page_token: "next".to_owned(),
            ..ListUsersResponse::default()
        }))
    }

    async fn update_user(
        &self,
        request: Request<UpdateUserRequest>,
    ) -> Result<Response<User>, Status> {
        let request = self.note(request, |seen, it| seen.update = Some(it.clone()));
        let user = request.user.unwrap_or_default();
        checked(&user.etag)?;
        Ok(Response::new(User {
            etag: "e-2".to_owned(),
            ..ada()
        }))
    }

    async fn delete_user(
        &self,
        request: Request<DeleteUserRequest>,
    ) -> Result<Response<()>, Status> {
        let request = self.note(request, |seen, it| seen.delete = Some(it.clone()));
        checked(&request.etag)?;
        Ok(Response::new(()))
    }

    async fn suspend_user(
        &self,
        request: Request<SuspendUserRequest>,
    ) -> Result<Response<User>, Status> {
        self.note(request, |_, _| ());
        Err(Reason::LastAdministrator.status("it is the last administrator"))
    }

    async fn reactivate_user(
        &self,
        request: Request<ReactivateUserRequest>,
    ) -> Result<Response<User>, Status> {
        self.note(request, |_, _| ());
        Ok(Response::new(ada()))
    }

    async fn undelete_user(
        &self,
        request: Request<UndeleteUserRequest>,
    ) -> Result<Response<User>, Status> {
        self.note(request, |_, _| ());
        Ok(Response::new(ada()))
    }

    async fn purge_user(&self, request: Request<PurgeUserRequest>) -> Result<Response<()>, Status> {
        self.note(request, |_, _| ());
        Ok(Response::new(()))
    }
}

#[tonic::async_trait]
impl AuthService for Accounts {
    async fn register(
        &self,
        request: Request<RegisterRequest>,
    ) -> Result<Response<RegisterResponse>, Status> {
        self.note(request, |_, _| ());
        Ok(Response::new(RegisterResponse {}))
    }

    async fn login(
        &self,
        request: Request<LoginRequest>,
    ) -> Result<Response<TokenResponse>, Status> {
        let request = self.note(request, |_, _| ());
        match request.password.as_str() {
            "full" => Err(Reason::Overloaded
                .retry_after("too many sign-ins", std::time::Duration::from_secs(3))),
            "right" => Ok(Response::new(TokenResponse {
                expires_in: 600,
                token_type: "Bearer".to_owned(),
                ..TokenResponse::default()
            })),
            _ => Err(Reason::InvalidCredentials.status("address or password is not right")),
        }
    }

    async fn refresh(
        &self,
        request: Request<RefreshRequest>,
    ) -> Result<Response<TokenResponse>, Status> {
        self.note(request, |_, _| ());
        let mut status = Reason::InvalidGrant.status("the refresh token was used");
        let ended = "s-1".parse().unwrap();
        status.metadata_mut().insert("portico-ended-session", ended);
        Err(status)
    }

    async fn logout(&self, request: Request<LogoutRequest>) -> Result<Response<()>, Status> {
        self.note(request, |_, _| ());
        let mut response = Response::new(());
        let ended = "s-1".parse().unwrap();
        response
            .metadata_mut()
            .insert("portico-ended-session", ended);
        Ok(response)
    }
}

#[tonic::async_trait]
impl KeyService for Accounts {
    async fn get_json_web_key_set(
        &self,
        request: Request<GetJsonWebKeySetRequest>,
    ) -> Result<Response<JsonWebKeySet>, Status> {
        self.note(request, |_, _| ());
        let key = JsonWebKey {
            kid: "shown".to_owned(),
            ..JsonWebKey::default()
        };
        let mut response = Response::new(JsonWebKeySet { keys: vec![key] });
        let cached = "public, max-age=300".parse().unwrap();
        response.metadata_mut().insert("cache-control", cached);
        Ok(response)
    }
}

#[tonic::async_trait]
impl KeyExchangeService for Accounts {
    async fn exchange_api_key(
        &self,
        request: Request<ExchangeApiKeyRequest>,
    ) -> Result<Response<ExchangeApiKeyResponse>, Status> {
        let presented = request.into_inner().api_key;
        let mut seen = self.seen.lock().unwrap();
        seen.exchanges += 1;
        let now = std::time::SystemTime::now();
        match &seen.key {
            Some((key, token)) if *key == presented => Ok(Response::new(ExchangeApiKeyResponse {
                access_token: token.clone(),
                use_until_time: Some((now + std::time::Duration::from_mins(1)).into()),
            })),
            _ => Err(Reason::ApiKeyInvalid.status("the API key is unknown")),
        }
    }
}
