//! API keys: what they are exchanged for, and when they are not any more.

use std::time::Duration;

use portico_proto::{
    auth::v1::{
        CreateApiKeyRequest, CreateServiceAccountKeyRequest, CreateServiceAccountRequest,
        DeleteApiKeyRequest, ForgotPasswordRequest, ListApiKeysRequest, ListSessionsRequest,
        LoginRequest, ResetPasswordRequest, RotateApiKeyRequest, RotateClientSecretRequest,
        ServiceAccount,
    },
    error::Reason,
    user::v1::UserStatus,
};
use prost_types::Timestamp;
use serde_json::Value;
use tonic::Status;

use crate::support::{
    EMAIL, PASSWORD, Setting, World, bearing, claims,
    machines::{OPERATOR, key_with, plain_client},
};

pub fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, reason: Reason) {
    let status = answer.expect_err("is refused");
    assert_eq!(Reason::of(&status), Some(reason), "{status:?}");
}

async fn rotate(world: &World, by: &str, id: &str, seconds: i64) -> Result<String, Status> {
    let request = RotateApiKeyRequest {
        id: id.to_owned(),
        overlap: Some(prost_types::Duration { seconds, nanos: 0 }),
    };
    let answer = world
        .api_keys()
        .rotate_api_key(bearing(by, request))
        .await?;
    Ok(answer.into_inner().secret)
}

async fn use_token(world: &World, token: &str) -> Result<(), Status> {
    let request = bearing(token, ListSessionsRequest::default());
    world.sessions().list_sessions(request).await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_exchanged_for_what_its_owner_may_still_do() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let by = world.operator().await;
        let made = world
            .create_key(&by, &["orders:read", "orders:write"])
            .await
            .expect("creates");
        let (key, secret) = (made.api_key.expect("a key"), made.secret);
        assert!(secret.starts_with(&key.hint) && key.hint.len() == 8);
        world.caught_up().await;
        world.statements.forget();
        let first = world.exchange(&secret).await.expect("exchanges");
        assert_eq!(
            world.statements.of_calls().len(),
            2,
            "the look-up, and its use"
        );
        world.exchange(&secret).await.expect("exchanges");
        assert_eq!(
            world.statements.of_calls().len(),
            3,
            "the use is written down coarsely"
        );
        let told = claims(&first.access_token);
        assert_eq!(told["scope"], "orders:read orders:write");
        assert_eq!(told["sid"], format!("key:{}:0", key.id));
        assert_eq!(told["client_id"], "api-key");
        assert_eq!(told["roles"], Value::Null, "a key has scopes alone");
        let until = first.use_until_time.expect("a time").seconds;
        assert_eq!(until, world.now().timestamp() + 300);
        use_token(&world, &first.access_token)
            .await
            .expect("is let in");

        world.users.role("operator", &["orders:read"]);
        world.caught_up().await;
        let later = world.exchange(&secret).await.expect("exchanges");
        assert_eq!(claims(&later.access_token)["scope"], "orders:read");

        let list = bearing(&by, ListApiKeysRequest {});
        let listed = world
            .api_keys()
            .list_api_keys(list)
            .await
            .expect("lists")
            .into_inner();
        assert_eq!(listed.api_keys.len(), 1);
        assert!(listed.api_keys[0].last_used_time.is_some());
        assert!(!format!("{listed:?}").contains(&secret));
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_rotates_with_an_overlap_and_ends() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let by = world.operator().await;
        let made = world.create_key(&by, &[]).await.expect("creates");
        let (id, first) = (made.api_key.expect("a key").id, made.secret);
        let second = rotate(&world, &by, &id, 120).await.expect("rotates");
        let old = world.exchange(&first).await.expect("both are good");
        world.exchange(&second).await.expect("both are good");
        let life = claims(&old.access_token);
        let life = life["exp"].as_i64().expect("exp") - life["iat"].as_i64().expect("iat");
        assert_eq!(life, 120, "no token outlives its secret");
        world.hand.advance(Duration::from_mins(2));
        refused(world.exchange(&first).await, Reason::ApiKeyInvalid);

        let token = world.exchange(&second).await.expect("is good").access_token;
        let third = rotate(&world, &by, &id, 0).await.expect("rotates");
        refused(world.exchange(&second).await, Reason::ApiKeyInvalid);
        refused(use_token(&world, &token).await, Reason::SessionRevoked);
        let token = world.exchange(&third).await.expect("is good").access_token;
        use_token(&world, &token).await.expect("is let in");

        let delete = DeleteApiKeyRequest { id: id.clone() };
        let stranger = world.ada().await.access_token;
        let answer = world
            .api_keys()
            .delete_api_key(bearing(&stranger, delete.clone()))
            .await;
        refused(answer, Reason::ApiKeyNotFound);
        world
            .api_keys()
            .delete_api_key(bearing(&by, delete))
            .await
            .expect("deletes");
        refused(use_token(&world, &token).await, Reason::SessionRevoked);
        refused(world.exchange(&third).await, Reason::ApiKeyInvalid);

        let made = world.create_key(&by, &[]).await.expect("creates");
        world.hand.advance(Duration::from_hours(90 * 24));
        refused(world.exchange(&made.secret).await, Reason::ApiKeyInvalid);
        world.stop().await;
    }
}

/// The edge keeps a token for minutes: whenever a secret ends, so must the tokens it was exchanged for before
/// the key was given another one.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_from_before_a_rotation_ends_with_its_secret() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let by = world.operator().await;
        let key = async || {
            let made = world.create_key(&by, &[]).await.expect("creates");
            let answer = world.exchange(&made.secret).await.expect("is good");
            (made.api_key.expect("a key").id, answer.access_token)
        };
        let (id, token) = key().await;
        let second = rotate(&world, &by, &id, 3600).await.expect("rotates");
        use_token(&world, &token).await.expect("both are good");
        let delete = bearing(&by, DeleteApiKeyRequest { id });
        let deleted = world.api_keys().delete_api_key(delete).await;
        deleted.expect("deletes");
        refused(use_token(&world, &token).await, Reason::SessionRevoked);
        refused(world.exchange(&second).await, Reason::ApiKeyInvalid);

        // There is room for one secret beside the current one.
        let (id, token) = key().await;
        let second = rotate(&world, &by, &id, 3600).await.expect("rotates");
        let third = rotate(&world, &by, &id, 3600).await.expect("rotates");
        refused(use_token(&world, &token).await, Reason::SessionRevoked);
        for good in [second, third] {
            let token = world.exchange(&good).await.expect("is good").access_token;
            use_token(&world, &token).await.expect("is let in");
        }

        let (id, _) = key().await;
        let (one, other) = tokio::join!(
            rotate(&world, &by, &id, 3600),
            rotate(&world, &by, &id, 3600)
        );
        let won: Vec<_> = [one, other].into_iter().flatten().collect();
        assert!(!won.is_empty(), "one of two who race has its way");
        let last = world.exchange(won.last().expect("one")).await;
        last.expect("is good, and nobody's secret is lost");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_makes_no_credentials_whatever_it_may_do() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let by = world.operator().await;
        let made = world.create_key(&by, &OPERATOR).await.expect("creates");
        let key = world.exchange(&made.secret).await.expect("is good");
        let key = key.access_token;
        let create = CreateServiceAccountRequest {
            service_account: Some(ServiceAccount {
                display_name: "Nightly".to_owned(),
                ..ServiceAccount::default()
            }),
        };
        let mut accounts = world.service_accounts();
        let account = accounts.create_service_account(bearing(&by, create)).await;
        let request = CreateServiceAccountKeyRequest {
            service_account_id: account.expect("creates").into_inner().id,
            api_key: Some(key_with(&[])),
        };
        let by_key = bearing(&key, request.clone());
        let answer = accounts.create_service_account_key(by_key).await;
        refused(answer, Reason::InsufficientScope);
        let client = world.create_client(&key, plain_client(&[])).await;
        refused(client, Reason::InsufficientScope);
        let id = made.api_key.expect("a key").id;
        let delete = bearing(&key, DeleteApiKeyRequest { id: id.clone() });
        let deleted = world.api_keys().delete_api_key(delete).await;
        refused(deleted, Reason::InsufficientScope);

        // Nor does a session that was narrowed come by what a key of hers may.
        let narrow = LoginRequest {
            email: "operator@example.com".to_owned(),
            password: PASSWORD.to_owned(),
            scope: "orders:read".to_owned(),
            ..LoginRequest::default()
        };
        let narrow = world.auth().login(narrow).await.expect("signs in");
        let narrow = narrow.into_inner().access_token;
        let rotated = rotate(&world, &narrow, &id, 60).await;
        refused(rotated, Reason::InsufficientScope);
        let by_person = bearing(&by, request);
        let answer = accounts.create_service_account_key(by_person).await;
        answer.expect("she is no key");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn suspending_the_owner_kills_the_keys() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let by = world.operator().await;
        let secret = world.create_key(&by, &[]).await.expect("creates").secret;
        let token = world
            .exchange(&secret)
            .await
            .expect("exchanges")
            .access_token;
        let id = world
            .users
            .account("operator@example.com")
            .expect("exists")
            .id;
        world.users.status(&id, UserStatus::Suspended);
        world.caught_up().await;
        refused(world.exchange(&secret).await, Reason::ApiKeyInvalid);
        world
            .until("the key's tokens are refused", async || {
                use_token(&world, &token).await.is_err()
            })
            .await;
        world.users.status(&id, UserStatus::Active);
        world.caught_up().await;
        world
            .login("operator@example.com", PASSWORD)
            .await
            .expect("signs in");
        refused(world.exchange(&secret).await, Reason::ApiKeyInvalid);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_gives_nobody_more_than_was_theirs() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let by = world.operator().await;
        refused(
            world.create_key(&by, &["users:write"]).await,
            Reason::InsufficientScope,
        );
        refused(
            world.create_key(&by, &["portico.internal"]).await,
            Reason::InvalidArgument,
        );
        let made = world
            .create_key(&by, &["orders:read"])
            .await
            .expect("creates");
        let token = world
            .exchange(&made.secret)
            .await
            .expect("exchanges")
            .access_token;
        refused(
            world.create_key(&token, &["orders:read"]).await,
            Reason::InsufficientScope,
        );
        let id = made.api_key.expect("a key").id;
        refused(
            rotate(&world, &token, &id, 0).await,
            Reason::InsufficientScope,
        );

        let client = world.client(&by, &["orders:read"]).await;
        let token = world.granted(&client).await.token().to_owned();
        refused(
            world.create_key(&token, &[]).await,
            Reason::InsufficientScope,
        );
        for seconds in [
            world.now().timestamp(),
            world.now().timestamp() + 367 * 86_400,
            i64::MAX,
        ] {
            let mut key = key_with(&[]);
            key.expire_time = Some(Timestamp { seconds, nanos: 0 });
            let request = CreateApiKeyRequest { api_key: Some(key) };
            let answer = world.api_keys().create_api_key(bearing(&by, request)).await;
            refused(answer, Reason::InvalidArgument);
        }
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_key_is_refused_without_a_statement() {
    let database = portico_testing::databases()
        .into_iter()
        .next()
        .expect("one");
    let world = World::start(&database.url).await;
    let by = world.operator().await;
    let secret = world.create_key(&by, &[]).await.expect("creates").secret;
    world.hush().await;
    let mut typo = secret.clone();
    let last = if typo.ends_with('0') { "1" } else { "0" };
    typo.replace_range(typo.len() - 1.., last);
    for key in ["", "x", "ptc_", &typo, &by, &"x".repeat(100_000)] {
        refused(world.exchange(key).await, Reason::ApiKeyInvalid);
    }
    assert!(world.statements.of_calls().is_empty());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_has_a_hundred_keys_at_most() {
    let database = portico_testing::databases()
        .into_iter()
        .next()
        .expect("one");
    let world = World::start(&database.url).await;
    let by = world.operator().await;
    for _ in 0..100 {
        world.create_key(&by, &[]).await.expect("creates");
    }
    refused(world.create_key(&by, &[]).await, Reason::LimitReached);
    world.stop().await;
}

/// A token that was stolen is good for minutes, and must not become a key that is good for months.
#[tokio::test(flavor = "multi_thread")]
async fn making_keys_asks_for_a_recent_proof() {
    for database in portico_testing::databases() {
        let world = Setting::new()
            .with("AUTH__ACCESS_TOKEN_TTL_SECONDS", "86400")
            .start(&database.url)
            .await;
        let by = world.operator().await;
        let made = world.create_key(&by, &["orders:read"]).await;
        let id = made.expect("is recent").api_key.expect("a key").id;
        let client = world.client(&by, &["orders:read"]).await.0;
        let asks = async |by: &str| {
            refused(world.create_key(by, &[]).await, Reason::StepUpRequired);
            refused(rotate(&world, by, &id, 60).await, Reason::StepUpRequired);
            let other = world.create_client(by, plain_client(&[])).await;
            refused(other, Reason::StepUpRequired);
            let request = RotateClientSecretRequest {
                id: client.clone(),
                overlap: None,
            };
            let request = bearing(by, request);
            let rotated = world.clients().rotate_client_secret(request).await;
            refused(rotated, Reason::StepUpRequired);
        };
        world.hand.advance(Duration::from_secs(601));
        asks(&by).await;

        // A password alone is no proof for somebody who has a factor.
        let email = "operator@example.com";
        let fresh = world.login(email, PASSWORD).await.expect("signs in");
        let other = world.login(email, PASSWORD).await.expect("signs in");
        world.with_application(&fresh.access_token).await;
        asks(&other.access_token).await;
        let proved = world.refresh(&fresh.refresh_token).await;
        let proved = proved.expect("says what was proved").access_token;
        rotate(&world, &proved, &id, 60)
            .await
            .expect("has proved the factor");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_proves_an_address_is_rid_of_the_keys_from_before() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        // Somebody registers with Ada's address, and makes a key for later.
        let squatter = world.ada().await.access_token;
        let key = world.create_key(&squatter, &[]).await.expect("creates");
        let token = world.exchange(&key.secret).await.expect("is good");
        let reset = async |count: usize| {
            let email = EMAIL.to_owned();
            let forgot = ForgotPasswordRequest { email };
            let answer = world.passwords().forgot_password(forgot).await;
            answer.expect("answers");
            let mails = world.mails("Choose a new password", EMAIL, count).await;
            let to = async |new_password: &str| {
                let request = ResetPasswordRequest {
                    token: mails[count - 1].token(),
                    new_password: new_password.to_owned(),
                };
                world.passwords().reset_password(request).await
            };
            // A password that is not taken leaves the next try as much to do.
            refused(to("Ada 1815-12-10").await, Reason::InvalidArgument);
            let answer = to(&format!("Ada's own good password {count}")).await;
            answer.expect("resets");
        };
        reset(1).await;
        refused(world.exchange(&key.secret).await, Reason::ApiKeyInvalid);
        let used = use_token(&world, &token.access_token).await;
        refused(used, Reason::SessionRevoked);

        // Ada's own outlive a password that she forgets.
        let ada = world.login(EMAIL, "Ada's own good password 1").await;
        let ada = ada.expect("signs in").access_token;
        let own = world.create_key(&ada, &[]).await.expect("creates");
        reset(2).await;
        world.exchange(&own.secret).await.expect("is good");
        world.stop().await;
    }
}
