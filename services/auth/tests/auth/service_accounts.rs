//! Service accounts: machines that act by keys of their own.

use portico_proto::{
    auth::v1::{
        CreateServiceAccountKeyRequest, CreateServiceAccountRequest, DeleteServiceAccountRequest,
        ListSessionsRequest, ServiceAccount, UpdateServiceAccountRequest,
    },
    error::Reason,
};
use prost_types::FieldMask;
use serde_json::json;

use crate::{
    api_keys::refused,
    support::{World, bearing, claims, machines::key_with},
};

#[tokio::test(flavor = "multi_thread")]
#[expect(
    clippy::too_many_lines,
    reason = "one account, from its making to its end"
)]
async fn a_service_account_acts_by_its_keys() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let by = world.operator().await;
        let account = ServiceAccount {
            display_name: "Nightly".to_owned(),
            scopes: vec!["orders:read".to_owned(), "sessions:read".to_owned()],
            ..ServiceAccount::default()
        };
        let create = CreateServiceAccountRequest {
            service_account: Some(account.clone()),
        };
        let made = world
            .service_accounts()
            .create_service_account(bearing(&by, create))
            .await;
        let id = made.expect("creates").into_inner().id;
        let new_key = async |scopes: &[&str]| {
            let request = CreateServiceAccountKeyRequest {
                service_account_id: id.clone(),
                api_key: Some(key_with(scopes)),
            };
            world
                .service_accounts()
                .create_service_account_key(bearing(&by, request))
                .await
        };
        refused(new_key(&["orders:write"]).await, Reason::InvalidArgument);
        let secret = new_key(&["orders:read", "sessions:read"])
            .await
            .expect("creates")
            .into_inner()
            .secret;
        let token = world
            .exchange(&secret)
            .await
            .expect("exchanges")
            .access_token;
        assert_eq!(claims(&token)["sub"], format!("service-account:{id}"));
        let ada = world.ada().await;
        let ada = claims(&ada.access_token)["sub"]
            .as_str()
            .expect("an id")
            .to_owned();
        let look = async |token: &str| {
            let request = ListSessionsRequest {
                user_id: ada.clone(),
            };
            world
                .sessions()
                .list_sessions(bearing(token, request))
                .await
        };
        look(&token).await.expect("its scope lets it in");

        let update = async |account: ServiceAccount, field: &str| {
            let request = UpdateServiceAccountRequest {
                service_account: Some(ServiceAccount {
                    id: id.clone(),
                    ..account
                }),
                update_mask: Some(FieldMask {
                    paths: vec![field.to_owned()],
                }),
            };
            let request = bearing(&by, request);
            world
                .service_accounts()
                .update_service_account(request)
                .await
                .expect("changes");
        };
        update(
            ServiceAccount {
                scopes: vec!["orders:read".to_owned()],
                ..account.clone()
            },
            "scopes",
        )
        .await;
        refused(look(&token).await, Reason::SessionRevoked);
        let token = world
            .exchange(&secret)
            .await
            .expect("exchanges")
            .access_token;
        assert_eq!(claims(&token)["scope"], json!("orders:read"));
        refused(look(&token).await, Reason::InsufficientScope);
        update(
            ServiceAccount {
                disabled: true,
                ..account.clone()
            },
            "disabled",
        )
        .await;
        refused(world.exchange(&secret).await, Reason::ApiKeyInvalid);
        update(account.clone(), "disabled").await;
        let token = world
            .exchange(&secret)
            .await
            .expect("is good again")
            .access_token;
        refused(look(&token).await, Reason::InsufficientScope);

        let delete = DeleteServiceAccountRequest { id: id.clone() };
        world
            .service_accounts()
            .delete_service_account(bearing(&by, delete))
            .await
            .expect("deletes");
        refused(look(&token).await, Reason::SessionRevoked);
        refused(world.exchange(&secret).await, Reason::ApiKeyInvalid);
        refused(new_key(&[]).await, Reason::ServiceAccountNotFound);
        world.stop().await;
    }
}
