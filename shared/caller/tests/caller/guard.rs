//! The guard around a real generated server, called by a real generated client.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use portico_caller::{Admission, Bearer, Guard, Policies};
use portico_proto::{
    auth::v1::{
        GetJsonWebKeySetRequest, JsonWebKey, JsonWebKeySet,
        key_service_client::KeyServiceClient,
        key_service_server::{KeyService, KeyServiceServer},
    },
    error::Reason,
    user::v1::{
        BatchGetUsersRequest, BatchGetUsersResponse, ConfirmEmailRequest, ConfirmEmailResponse,
        CreateUserRequest, DeleteUserRequest, GetUserRequest, ListUsersRequest, ListUsersResponse,
        ProvisionUserRequest, ProvisionUserResponse, PurgeUserRequest, ReactivateUserRequest,
        SuspendUserRequest, UndeleteUserRequest, UpdateUserRequest, User,
        provisioning_service_client::ProvisioningServiceClient,
        provisioning_service_server::{ProvisioningService, ProvisioningServiceServer},
        user_service_client::UserServiceClient,
        user_service_server::{UserService, UserServiceServer},
    },
};
use portico_service::Backend;
use prost_reflect::DescriptorPool;
use serde_json::json;
use tonic::{Code, Request, Response, Status, body::Body, service::Routes};
use tower::{Layer, ServiceExt};

use crate::world::{ALICE, AUDIENCE, ISSUER, NOW, World, claims_with, service_claims};

const BOB: &str = "01970000-0000-7000-8000-000000000b0b";

/// Answers with what its admission says, and counts its calls.
#[derive(Clone, Default)]
struct Users {
    calls: Arc<AtomicUsize>,
}

impl Users {
    fn called(&self) {
        self.calls.fetch_add(1, Ordering::SeqCst);
    }
}

fn user(id: impl Into<String>) -> Response<User> {
    Response::new(User {
        id: id.into(),
        ..User::default()
    })
}

#[tonic::async_trait]
impl UserService for Users {
    async fn get_user(&self, request: Request<GetUserRequest>) -> Result<Response<User>, Status> {
        self.called();
        let (admission, request) = Admission::split(request)?;
        let (_, id) = admission.resolve(&request.id)?;
        Ok(user(id))
    }

    /// A handler with the fault that it never asks whose it is.
    async fn update_user(&self, _: Request<UpdateUserRequest>) -> Result<Response<User>, Status> {
        self.called();
        Ok(user(BOB))
    }

    /// A handler that refuses before it comes to ask.
    async fn delete_user(&self, _: Request<DeleteUserRequest>) -> Result<Response<()>, Status> {
        Err(Reason::UserNotFound.status("nobody has the id"))
    }

    async fn list_users(
        &self,
        request: Request<ListUsersRequest>,
    ) -> Result<Response<ListUsersResponse>, Status> {
        let caller = Admission::of(&request)?.caller()?;
        let users = vec![user(&caller.subject).into_inner()];
        Ok(Response::new(ListUsersResponse {
            users,
            ..Default::default()
        }))
    }

    /// A handler with the fault that it asks whose it is where nobody owns anything.
    async fn create_user(&self, r: Request<CreateUserRequest>) -> Result<Response<User>, Status> {
        Admission::of(&r)?.own_or_scoped(BOB)?;
        Ok(user(BOB))
    }

    async fn batch_get_users(
        &self,
        _: Request<BatchGetUsersRequest>,
    ) -> Result<Response<BatchGetUsersResponse>, Status> {
        Ok(Response::new(BatchGetUsersResponse::default()))
    }

    async fn suspend_user(&self, _: Request<SuspendUserRequest>) -> Result<Response<User>, Status> {
        Ok(user(BOB))
    }

    async fn reactivate_user(
        &self,
        _: Request<ReactivateUserRequest>,
    ) -> Result<Response<User>, Status> {
        Ok(user(BOB))
    }

    async fn undelete_user(
        &self,
        _: Request<UndeleteUserRequest>,
    ) -> Result<Response<User>, Status> {
        Ok(user(BOB))
    }

    async fn purge_user(&self, _: Request<PurgeUserRequest>) -> Result<Response<()>, Status> {
        Ok(Response::new(()))
    }
}

#[tonic::async_trait]
impl ProvisioningService for Users {
    async fn provision_user(
        &self,
        request: Request<ProvisionUserRequest>,
    ) -> Result<Response<ProvisionUserResponse>, Status> {
        assert!(Admission::of(&request)?.caller()?.service);
        Ok(Response::new(ProvisionUserResponse::default()))
    }

    async fn confirm_email(
        &self,
        request: Request<ConfirmEmailRequest>,
    ) -> Result<Response<ConfirmEmailResponse>, Status> {
        assert!(Admission::of(&request)?.caller()?.service);
        Ok(Response::new(ConfirmEmailResponse::default()))
    }
}

/// A public method that says whom it knows.
#[tonic::async_trait]
impl KeyService for Users {
    async fn get_json_web_key_set(
        &self,
        request: Request<GetJsonWebKeySetRequest>,
    ) -> Result<Response<JsonWebKeySet>, Status> {
        let caller = Admission::of(&request)?.maybe_caller();
        let keys = caller.map(|caller| JsonWebKey {
            kid: caller.subject.clone(),
            ..JsonWebKey::default()
        });
        Ok(Response::new(JsonWebKeySet {
            keys: keys.into_iter().collect(),
        }))
    }
}

struct House {
    world: World,
    users: Users,
    backend: Backend,
}

impl House {
    async fn new() -> Self {
        let world = World::new().await;
        let users = Users::default();
        let routes = Routes::new(UserServiceServer::new(users.clone()))
            .add_service(ProvisioningServiceServer::new(users.clone()))
            .add_service(KeyServiceServer::new(users.clone()));
        let pool = DescriptorPool::decode(portico_proto::DESCRIPTOR_SET).unwrap();
        let guard = Guard::new(world.verifier.clone(), Arc::new(Policies::from_pool(&pool)));
        let backend = Backend::new(guard.layer(routes.prepare()));
        Self {
            world,
            users,
            backend,
        }
    }

    fn bearer(&self, token: String) -> Backend {
        Backend::new(Bearer::new(move || Ok(token.clone())).layer(self.backend.clone()))
    }

    /// A client of Alice's, whose token holds the scopes.
    fn alice(&self, scope: &str) -> UserServiceClient<Backend> {
        let token = self.world.token(&json!({"scope": scope}));
        UserServiceClient::new(self.bearer(token))
    }
}

fn get(id: &str) -> GetUserRequest {
    GetUserRequest {
        id: id.into(),
        ..GetUserRequest::default()
    }
}

fn reason<T: std::fmt::Debug>(outcome: Result<T, Status>) -> (Code, Reason) {
    let status = outcome.unwrap_err();
    let reason = Reason::of(&status).expect("it is a status of ours");
    assert_eq!(status.code(), reason.code());
    (status.code(), reason)
}

#[tokio::test]
async fn without_a_token_no_handler_is_reached() {
    let house = House::new().await;
    let mut anybody = UserServiceClient::new(house.backend.clone());
    let refused = reason(anybody.get_user(get(ALICE)).await);
    assert_eq!(refused, (Code::Unauthenticated, Reason::TokenMissing));
    for (headers, expected) in [
        (vec!["Basic dXNlcjpwYXNz"], Reason::TokenMissing),
        (vec!["Bearer"], Reason::TokenMissing),
        (vec!["Bearer "], Reason::TokenMissing),
        (vec![""], Reason::TokenMissing),
        (vec!["Bearer no token"], Reason::TokenInvalid),
        (vec!["Bearer a.b.c", "Bearer a.b.c"], Reason::TokenInvalid),
    ] {
        let mut request = Request::new(get(ALICE));
        for header in &headers {
            request
                .metadata_mut()
                .append("authorization", header.parse().unwrap());
        }
        assert_eq!(
            reason(anybody.get_user(request).await).1,
            expected,
            "{headers:?}"
        );
    }
    assert_eq!(house.users.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn each_fault_of_a_token_has_its_reason() {
    let house = House::new().await;
    let world = &house.world;
    world
        .denylist
        .deny("ended", std::time::Duration::from_mins(10))
        .await;
    for (change, expected) in [
        (json!({"exp": 1}), Reason::TokenExpired),
        (json!({"aud": "orders"}), Reason::TokenInvalid),
        (json!({"sid": "ended"}), Reason::SessionRevoked),
    ] {
        let mut client = UserServiceClient::new(house.bearer(world.token(&change)));
        let refused = reason(client.get_user(get("me")).await);
        assert_eq!(refused, (Code::Unauthenticated, expected));
    }
    let house = House::new().await;
    house.world.source.away.store(true, Ordering::SeqCst);
    let refused = reason(house.alice("").get_user(get("me")).await);
    assert_eq!(refused, (Code::Unavailable, Reason::Unavailable));
}

#[tokio::test]
async fn the_owner_needs_no_scope_and_others_do() {
    let house = House::new().await;
    for id in [ALICE, "me", "", &ALICE.to_uppercase()] {
        let user = house
            .alice("")
            .get_user(get(id))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(user.id, ALICE, "{id:?} is Alice");
    }
    for id in [BOB, "ME", " me", "me ", "0"] {
        let refused = reason(house.alice("users:write").get_user(get(id)).await);
        assert_eq!(
            refused,
            (Code::PermissionDenied, Reason::InsufficientScope),
            "{id:?}"
        );
    }
    let user = house
        .alice("users:read")
        .get_user(get(BOB))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(user.id, BOB);
}

#[tokio::test]
async fn a_method_of_nobodys_own_needs_its_scope() {
    let house = House::new().await;
    let status = house
        .alice("users:write")
        .list_users(ListUsersRequest::default())
        .await
        .unwrap_err();
    assert_eq!(Reason::of(&status), Some(Reason::InsufficientScope));
    assert!(
        status.message().contains("users:read"),
        "{}",
        status.message()
    );
    let mut reader = house.alice("users:read");
    let page = reader
        .list_users(ListUsersRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(page.users[0].id, ALICE);
}

#[tokio::test]
async fn a_handler_that_forgets_to_ask_gives_nothing_away() {
    let house = House::new().await;
    let outcome = house
        .alice("users:write")
        .update_user(UpdateUserRequest::default())
        .await;
    assert_eq!(reason(outcome), (Code::Internal, Reason::Internal));
    assert_eq!(
        house.users.calls.load(Ordering::SeqCst),
        1,
        "it was the handler's fault"
    );
    // An error may come before the question.
    let outcome = house
        .alice("")
        .delete_user(DeleteUserRequest::default())
        .await;
    assert_eq!(reason(outcome), (Code::NotFound, Reason::UserNotFound));
}

#[tokio::test]
async fn asking_whose_it_is_where_nobody_owns_anything_is_a_fault() {
    let house = House::new().await;
    let outcome = house
        .alice("users:write")
        .create_user(CreateUserRequest::default())
        .await;
    assert_eq!(reason(outcome), (Code::Internal, Reason::Internal));
}

#[tokio::test]
async fn a_handler_without_a_guard_gives_nothing_away() {
    let server = UserServiceServer::new(Users::default());
    let mut client = UserServiceClient::new(Backend::new(server));
    let outcome = client.get_user(get("me")).await;
    assert_eq!(reason(outcome), (Code::Internal, Reason::Internal));
}

#[tokio::test]
async fn internal_methods_are_for_services() {
    let house = House::new().await;
    let all = "portico.internal users:read users:write roles:write";
    for token in [
        house.world.token(&json!({"scope": all})),
        house.world.token(&json!({"sub": "service:x"})),
    ] {
        let mut client = ProvisioningServiceClient::new(house.bearer(token));
        let refused = reason(client.provision_user(ProvisionUserRequest::default()).await);
        assert_eq!(refused, (Code::PermissionDenied, Reason::InternalOnly));
    }
    let service = house.world.signer.token(&service_claims());
    let mut client = ProvisioningServiceClient::new(house.bearer(service.clone()));
    assert!(
        client
            .provision_user(ProvisionUserRequest::default())
            .await
            .is_ok()
    );
    // Elsewhere a service is a caller like others.
    let mut client = UserServiceClient::new(house.bearer(service));
    assert_eq!(
        reason(client.get_user(get(BOB)).await).1,
        Reason::InsufficientScope
    );
}

#[tokio::test]
async fn a_public_method_knows_a_good_token_and_does_not_mind_a_bad_one() {
    let house = House::new().await;
    let known = async |backend: Backend| {
        let mut client = KeyServiceClient::new(backend);
        let answer = client
            .get_json_web_key_set(GetJsonWebKeySetRequest {})
            .await
            .unwrap();
        answer
            .into_inner()
            .keys
            .into_iter()
            .next()
            .map(|key| key.kid)
    };
    assert_eq!(known(house.backend.clone()).await, None);
    assert_eq!(known(house.bearer("no token".into())).await, None);
    assert_eq!(
        known(house.bearer(house.world.token(&json!({"exp": 1})))).await,
        None
    );
    let good = house.world.signer.token(&claims_with(&json!({})));
    assert_eq!(known(house.bearer(good)).await.as_deref(), Some(ALICE));
}

#[tokio::test]
async fn keys_come_from_the_key_service() {
    use portico_caller::{Keys, Verifier};

    #[derive(Clone)]
    struct Published(JsonWebKey);

    #[tonic::async_trait]
    impl KeyService for Published {
        async fn get_json_web_key_set(
            &self,
            _: Request<GetJsonWebKeySetRequest>,
        ) -> Result<Response<JsonWebKeySet>, Status> {
            Ok(Response::new(JsonWebKeySet {
                keys: vec![self.0.clone()],
            }))
        }
    }

    let world = World::new().await;
    let auth = Backend::new(KeyServiceServer::new(Published(world.signer.jwk())));
    let keys = Keys::from_backend(auth);
    assert!(keys.warm_up().await);
    let now = chrono::DateTime::from_timestamp(i64::try_from(NOW).unwrap(), 0).unwrap();
    let (clock, _) = portico_service::Clock::fixed(now);
    let verifier = Verifier::new(ISSUER, AUDIENCE, keys, world.denylist.clone(), clock);
    assert!(verifier.verify(&world.token(&json!({}))).await.is_ok());
}

#[tokio::test]
async fn a_bearer_without_a_token_sends_nothing() {
    let house = House::new().await;
    let failing = || Err(Reason::Unavailable.status("no token yet"));
    let backend = Backend::new(Bearer::new(failing).layer(house.backend.clone()));
    let refused = reason(UserServiceClient::new(backend).get_user(get("me")).await);
    assert_eq!(refused, (Code::Unavailable, Reason::Unavailable));
    let odd = Bearer::new(|| Ok("line\nbreak".to_owned())).layer(house.backend.clone());
    let refused = reason(
        UserServiceClient::new(Backend::new(odd))
            .get_user(get("me"))
            .await,
    );
    assert_eq!(refused, (Code::Internal, Reason::Internal));
}

#[tokio::test]
async fn probes_and_reflection_pass_and_what_only_looks_like_them_does_not() {
    let world = World::new().await;
    let guard = Guard::new(world.verifier.clone(), Arc::default());
    let reached = tower::service_fn(async |_: http::Request<Body>| {
        Ok::<_, std::convert::Infallible>(http::Response::new(Body::empty()))
    });
    for (path, passes) in [
        ("/grpc.health.v1.Health/Check", true),
        ("/grpc.health.v1.Health/Watch", true),
        (
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            true,
        ),
        (
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            true,
        ),
        ("/grpc.health.v1.HealthX/Check", false),
        ("/grpc.healthy/Check", false),
        ("//grpc.health.v1.Health/Check", false),
        ("/x/grpc.health.v1.Health/Check", false),
        ("/grpc.reflectionx/Get", false),
        ("/portico.user.v1.UserService/GetUser", false),
        ("/", false),
    ] {
        let request = http::Request::builder()
            .uri(path)
            .body(Body::empty())
            .unwrap();
        let response = guard.layer(reached).oneshot(request).await.unwrap();
        let refused = response.headers().get("grpc-status");
        assert_eq!(refused.is_none(), passes, "{path}");
    }
}
