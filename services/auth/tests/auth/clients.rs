//! OAuth clients: who may make them, and what becomes of their tokens.

use std::time::Duration;

use portico_proto::{
    auth::v1::{
        ClientAuthMethod, DeleteClientRequest, GetClientRequest, ListClientsRequest, OAuthClient,
        RotateClientSecretRequest,
    },
    error::Reason,
};
use tonic::Status;
use tonic_types::StatusExt;

use crate::support::{Setting, World, bearing, machines::plain_client};

fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, reason: Reason) {
    let status = answer.expect_err("is refused");
    assert_eq!(Reason::of(&status), Some(reason), "{status:?}");
}

async fn rotate(world: &World, by: &str, id: &str, seconds: Option<i64>) -> Result<String, Status> {
    let request = RotateClientSecretRequest {
        id: id.to_owned(),
        overlap: seconds.map(|seconds| prost_types::Duration { seconds, nanos: 0 }),
    };
    let answer = world
        .clients()
        .rotate_client_secret(bearing(by, request))
        .await?;
    Ok(answer.into_inner().client_secret)
}

async fn list(world: &World, token: &str) -> Result<(), Status> {
    let request = bearing(token, ListClientsRequest::default());
    world.clients().list_clients(request).await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_shown_once_and_rotates_with_an_overlap() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let by = world.operator().await;
        let (id, first) = world.client(&by, &["orders:read"]).await;
        let get = GetClientRequest { id: id.clone() };
        let shown = world.clients().get_client(bearing(&by, get)).await;
        assert!(!format!("{shown:?}").contains(&first));

        let second = rotate(&world, &by, &id, Some(60)).await.expect("rotates");
        for secret in [&first, &second] {
            let reply = world.granted(&(id.clone(), secret.clone())).await;
            assert_eq!(reply.status, 200);
        }
        world.hand.advance(Duration::from_mins(1));
        let reply = world.granted(&(id.clone(), first.clone())).await;
        assert_eq!(reply.error(401), "invalid_client");

        let third = rotate(&world, &by, &id, Some(0)).await.expect("rotates");
        let reply = world.granted(&(id.clone(), second)).await;
        assert_eq!(reply.error(401), "invalid_client");
        assert_eq!(world.granted(&(id.clone(), third)).await.status, 200);
        for seconds in [-1, 2_592_001, i64::MAX] {
            let answer = rotate(&world, &by, &id, Some(seconds)).await;
            refused(answer, Reason::InvalidArgument);
        }
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_what_is_not_theirs() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let by = world.operator().await;
        world
            .users
            .role("junior", &["clients:read", "clients:write", "orders:read"]);
        let junior = world.somebody("junior@example.com", "junior").await;
        let answer = world
            .create_client(&junior, plain_client(&["orders:write"]))
            .await;
        refused(answer, Reason::InsufficientScope);
        for by in [&by, &junior] {
            let answer = world
                .create_client(by, plain_client(&["portico.internal"]))
                .await;
            refused(answer, Reason::InvalidArgument);
        }

        // A client with more is out of reach: a secret of it would be a way to more.
        let (id, _) = world.client(&by, &["orders:write"]).await;
        refused(
            rotate(&world, &junior, &id, None).await,
            Reason::InsufficientScope,
        );
        let client = OAuthClient {
            id: id.clone(),
            ..OAuthClient::default()
        };
        let answer = world.update_client(&junior, client, &["scopes"]).await;
        refused(answer, Reason::InsufficientScope);

        let (id, _) = world.client(&junior, &["orders:read"]).await;
        let wider = OAuthClient {
            id,
            scopes: vec!["orders:read".to_owned(), "orders:write".to_owned()],
            ..OAuthClient::default()
        };
        let answer = world.update_client(&junior, wider, &["scopes"]).await;
        refused(answer, Reason::InsufficientScope);
        let plain = world.ada().await.access_token;
        refused(list(&world, &plain).await, Reason::InsufficientScope);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_named() {
    let database = portico_testing::databases()
        .into_iter()
        .next()
        .expect("one");
    let world = World::start(&database.url).await;
    let by = world.operator().await;
    let public = ClientAuthMethod::None.into();
    let signs = ClientAuthMethod::PrivateKeyJwt.into();
    let base = plain_client(&[]);
    let rows = [
        (
            "client.display_name",
            OAuthClient {
                display_name: " ".to_owned(),
                ..base.clone()
            },
        ),
        (
            "client.jwks",
            OAuthClient {
                auth_method: signs,
                ..base.clone()
            },
        ),
        (
            "client.grant_types",
            OAuthClient {
                auth_method: public,
                grant_types: vec!["client_credentials".to_owned()],
                ..base.clone()
            },
        ),
        (
            "client.grant_types[0]",
            OAuthClient {
                grant_types: vec!["password".to_owned()],
                ..base.clone()
            },
        ),
        (
            "client.scopes[0]",
            OAuthClient {
                scopes: vec!["a b".to_owned()],
                ..base.clone()
            },
        ),
        (
            "client.resources[0]",
            OAuthClient {
                resources: vec!["https://a/#b".to_owned()],
                ..base.clone()
            },
        ),
        (
            "client.introspects_all",
            OAuthClient {
                auth_method: public,
                introspects_all: true,
                ..base
            },
        ),
    ];
    for (field, client) in rows {
        let status = world.create_client(&by, client).await.expect_err(field);
        assert_eq!(
            Reason::of(&status),
            Some(Reason::InvalidArgument),
            "{field}"
        );
        let bad = status.get_details_bad_request().expect("fields");
        let fields: Vec<_> = bad
            .field_violations
            .iter()
            .map(|it| it.field.as_str())
            .collect();
        assert_eq!(fields, [field]);
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_may_do_less_loses_its_tokens_at_once() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let by = world.operator().await;
        let client = world.client(&by, &["clients:read", "orders:read"]).await;
        let change = |change: OAuthClient| OAuthClient {
            id: client.0.clone(),
            ..change
        };
        let first = world.granted(&client).await.token().to_owned();
        list(&world, &first).await.expect("is let in");

        let same = change(OAuthClient {
            display_name: "Another".to_owned(),
            ..OAuthClient::default()
        });
        let changed = world
            .update_client(&by, same, &["display_name"])
            .await
            .expect("changes");
        list(&world, &first)
            .await
            .expect("another name ends nothing");
        let stale = change(OAuthClient {
            etag: "1".to_owned(),
            ..OAuthClient::default()
        });
        assert_ne!(changed.etag, "1");
        let answer = world.update_client(&by, stale, &["disabled"]).await;
        refused(answer, Reason::EtagMismatch);

        let fewer = change(plain_client(&["clients:read"]));
        world
            .update_client(&by, fewer, &["scopes"])
            .await
            .expect("changes");
        refused(list(&world, &first).await, Reason::SessionRevoked);
        let second = world.granted(&client).await;
        assert_eq!(second.json["scope"], "clients:read");
        list(&world, second.token())
            .await
            .expect("the new one is good");

        let off = change(OAuthClient {
            disabled: true,
            ..OAuthClient::default()
        });
        world
            .update_client(&by, off, &["disabled"])
            .await
            .expect("changes");
        refused(list(&world, second.token()).await, Reason::SessionRevoked);
        assert_eq!(world.granted(&client).await.error(401), "invalid_client");
        let on = change(OAuthClient::default());
        world
            .update_client(&by, on, &["disabled"])
            .await
            .expect("changes");
        let third = world.granted(&client).await;
        list(&world, third.token()).await.expect("is let in again");

        let delete = DeleteClientRequest {
            id: client.0.clone(),
        };
        for _ in 0..2 {
            let request = bearing(&by, delete.clone());
            world
                .clients()
                .delete_client(request)
                .await
                .expect("deletes");
        }
        refused(list(&world, third.token()).await, Reason::SessionRevoked);
        assert_eq!(world.granted(&client).await.error(401), "invalid_client");
        let get = GetClientRequest {
            id: client.0.clone(),
        };
        let answer = world.clients().get_client(bearing(&by, get)).await;
        refused(answer, Reason::ClientNotFound);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_listed_in_pages() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let by = world.operator().await;
        let mut made = Vec::new();
        for _ in 0..5 {
            made.push(world.client(&by, &[]).await.0);
            world.hand.advance(Duration::from_secs(1));
        }
        let mut seen = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListClientsRequest {
                page_size: 2,
                page_token,
            };
            let page = world.clients().list_clients(bearing(&by, request)).await;
            let page = page.expect("lists").into_inner();
            seen.extend(page.clients.into_iter().map(|client| client.id));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, made);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_learns_of_a_change() {
    let Some(postgres) = portico_testing::postgres() else {
        return;
    };
    let url = postgres.database();
    let setting = Setting::new();
    let one = setting.start(&url).await;
    let by = one.operator().await;
    let client = one.client(&by, &["orders:read"]).await;
    let other = setting.start(&url).await;
    assert_eq!(other.granted(&client).await.status, 200);
    rotate(&one, &by, &client.0, Some(0))
        .await
        .expect("rotates");
    other
        .until("the old secret is refused there", async || {
            other.granted(&client).await.status == 401
        })
        .await;
    one.stop().await;
    other.stop().await;
}
