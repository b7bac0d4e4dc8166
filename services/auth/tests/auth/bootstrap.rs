//! The first administrator.

use std::time::Duration;

use portico_proto::error::Reason;

use crate::support::{EMAIL, PASSWORD, Setting, World, claims};

#[tokio::test(flavor = "multi_thread")]
async fn the_first_administrator_is_made_once_in_the_life_of_a_database() {
    for database in portico_testing::databases() {
        let setting = Setting::new();
        let world = setting.start(&database.url).await;
        assert!(!world.auth.has_administrator().await.expect("asks"));
        assert!(
            world
                .auth
                .bootstrap_admin(EMAIL, PASSWORD)
                .await
                .expect("makes")
        );
        assert!(world.auth.has_administrator().await.expect("asks"));
        let tokens = world.login(EMAIL, PASSWORD).await.expect("signs in");
        let claims = claims(&tokens.access_token);
        assert_eq!(claims["roles"], serde_json::json!(["admin", "user"]));
        assert!(tokens.scope.split(' ').any(|scope| scope == "users:write"));
        assert!(
            !world
                .auth
                .bootstrap_admin(EMAIL, "another password")
                .await
                .expect("asks")
        );
        world.stop().await;

        let world = setting.start(&database.url).await;
        assert!(world.auth.has_administrator().await.expect("asks"));
        let other = world.auth.bootstrap_admin("b@example.com", PASSWORD).await;
        assert!(!other.expect("asks"));
        assert_eq!(world.users.accounts(), 1);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_the_user_service() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        world.users.stop();
        assert!(world.auth.bootstrap_admin(EMAIL, PASSWORD).await.is_err());
        let making = world.auth.bootstrap_admin_patiently(EMAIL, PASSWORD);
        let arriving = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            world.users.start();
        };
        let (made, ()) = tokio::join!(making, arriving);
        assert!(made.expect("makes"));
        assert_eq!(world.users.accounts(), 1);
        world.login(EMAIL, PASSWORD).await.expect("signs in");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_signs_in_as_administrator_before_it_is_known_what_the_roles_allow() {
    for database in portico_testing::databases() {
        let setting = Setting::new();
        setting.users.hold_feed();
        let world = setting.start(&database.url).await;
        assert!(world.auth.bootstrap_admin(EMAIL, PASSWORD).await.is_err());
        assert_eq!(world.users.accounts(), 0);
        assert!(world.login(EMAIL, PASSWORD).await.is_err());
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_with_the_same_address_does_not_become_administrator() {
    for database in portico_testing::databases() {
        let setting = Setting::new();
        let world = setting.start(&database.url).await;
        // The administrator's account is made, and the answer is lost.
        world.users.lose_answers(true);
        assert!(world.auth.bootstrap_admin(EMAIL, PASSWORD).await.is_err());
        world.users.lose_answers(false);
        world
            .register(EMAIL, "a stranger's password")
            .await
            .expect("answers");
        assert!(world.login(EMAIL, "a stranger's password").await.is_err());
        // Nobody else finishes it, however long it takes.
        setting.hand.advance(Duration::from_mins(1));
        tokio::time::sleep(Duration::from_millis(2500)).await;
        assert!(world.login(EMAIL, PASSWORD).await.is_err());

        assert!(
            world
                .auth
                .bootstrap_admin(EMAIL, PASSWORD)
                .await
                .expect("makes")
        );
        world.login(EMAIL, PASSWORD).await.expect("signs in");
        assert!(world.login(EMAIL, "a stranger's password").await.is_err());
        assert_eq!(world.users.accounts(), 1);
        world.stop().await;
    }
}

#[tokio::test]
async fn a_common_password_is_refused() {
    let database = &portico_testing::databases()[0];
    let world = World::start(&database.url).await;
    let error = world
        .auth
        .bootstrap_admin(EMAIL, "password123")
        .await
        .expect_err("refused");
    assert!(error.to_string().contains("invalid"), "{error}");
    let status = world
        .register(EMAIL, "password123")
        .await
        .expect_err("refused");
    assert_eq!(Reason::of(&status), Some(Reason::InvalidArgument));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_being_told_so_nobody_has_an_account() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        for table in ["identities", "credentials", "oauth_clients", "api_keys"] {
            let count = format!("SELECT COUNT(*) FROM {table}");
            assert_eq!(world.number(&count).await, Some(0), "{table}");
        }
        for name in ["admin", "root", "admin@localhost", "portico"] {
            for password in ["", "admin", "password", "portico"] {
                world.login(name, password).await.expect_err("is nobody");
            }
        }
        world.stop().await;
    }
}
