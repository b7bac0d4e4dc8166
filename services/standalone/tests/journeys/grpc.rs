//! The services spoken to directly, without the gateway.

use portico_proto::user::v1::{GetUserRequest, user_service_client::UserServiceClient};
use portico_service::Backend;
use tonic::{Code, Request};

use crate::world::{self, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_service_guards_itself() {
    if world::running().is_some() {
        return;
    }
    let Some(mut world) = World::three_processes().await else {
        return;
    };
    let person = world.person().await;
    let other = world.person().await;
    // The gateway is not needed for any of it.
    world
        .fleet()
        .gateway
        .take()
        .expect("the gateway runs")
        .kill();

    let backend = Backend::connect(&world.fleet().user_grpc()).expect("the address is one");
    let mut users = UserServiceClient::new(backend);
    let ask = |id: &str, token: Option<&str>| {
        let mut request = Request::new(GetUserRequest {
            id: id.to_owned(),
            ..GetUserRequest::default()
        });
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().expect("a token is ASCII");
            request.metadata_mut().insert("authorization", value);
        }
        request
    };
    let refused = users
        .get_user(ask(&person.id, None))
        .await
        .expect_err("no token");
    assert_eq!(refused.code(), Code::Unauthenticated);
    let token = Some(person.tokens.access.as_str());
    let refused = users
        .get_user(ask(&other.id, token))
        .await
        .expect_err("another's account");
    assert_eq!(refused.code(), Code::PermissionDenied);
    let own = users
        .get_user(ask("me", token))
        .await
        .expect("one's own account")
        .into_inner();
    assert_eq!(own.id, person.id);
}
