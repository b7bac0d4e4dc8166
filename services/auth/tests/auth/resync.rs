//! When the feed no longer has what is missing here.

use portico_proto::user::v1::UserStatus;

use crate::support::{EMAIL, PASSWORD, Setting, World};

const ID: &str = "0190a5f0-0000-7000-8000-000000000001";

async fn identities(world: &World) -> i64 {
    world
        .number("SELECT COUNT(*) FROM identities")
        .await
        .expect("a count")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_for_good_comes_by_a_snapshot() {
    for database in portico_testing::databases() {
        let setting = Setting::new();
        let users = setting.users.clone();
        let world = setting.start(&database.url).await;
        let tokens = world.ada().await;
        let ada = users.account(EMAIL).expect("exists").id;
        users.create(ID, "bob@example.com", &["user"]);
        users.role("old", &["a:b"]);
        world.caught_up().await;
        world.stop().await;

        // Meanwhile: Ada is suspended, Bob gets another address, a role goes and one comes, and all of it is
        // forgotten but the last event.
        users.status(&ada, UserStatus::Suspended);
        users.change(ID, |user| user.email = "robert@example.com".to_owned());
        users.delete_role("old");
        users.role("new", &["users:read"]);
        users.create(&ID.replace("8000", "9000"), "eve@example.com", &["new"]);
        users.forget_events();

        let world = setting.start(&database.url).await;
        world.caught_up().await;
        assert_eq!(users.snapshots(), 1, "{}", database.name);
        assert_eq!(identities(&world).await, 3);
        assert!(world.login(EMAIL, PASSWORD).await.is_err());
        assert!(world.refresh(&tokens.refresh_token).await.is_err());
        let renamed = "SELECT COUNT(*) FROM identities WHERE email_key = 'robert@example.com'";
        assert_eq!(world.number(renamed).await, Some(1));
        let forgotten = "SELECT COUNT(*) FROM roles WHERE name = 'old'";
        assert_eq!(world.number(forgotten).await, Some(0));

        // And the feed goes on behind it, event by event.
        users.status(&ada, UserStatus::Active);
        world.caught_up().await;
        world.login(EMAIL, PASSWORD).await.expect("signs in");
        assert_eq!(users.snapshots(), 1);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_was_deleted_gives_nothing_any_more() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let tokens = world.ada().await;
        let id = world.users.account(EMAIL).expect("exists").id;
        world.users.role("shipping", &["orders:read"]);
        world
            .users
            .change(&id, |user| user.roles = vec!["shipping".to_owned()]);
        world.caught_up().await;
        let with = world
            .refresh(&tokens.refresh_token)
            .await
            .expect("refreshes");
        assert_eq!(with.scope, "orders:read");
        world
            .users
            .role("shipping", &["orders:read", "orders:write"]);
        world.caught_up().await;
        let more = world.refresh(&with.refresh_token).await.expect("refreshes");
        assert_eq!(more.scope, "orders:read orders:write");
        world.users.delete_role("shipping");
        world.caught_up().await;
        let without = world.refresh(&more.refresh_token).await.expect("refreshes");
        assert_eq!(without.scope, "");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_service_is_told_how_far_the_feed_was_followed() {
    for database in portico_testing::databases() {
        let setting = Setting::new();
        let world = setting.start(&database.url).await;
        setting.users.create(ID, "bob@example.com", &["user"]);
        world.caught_up().await;
        world.stop().await;
        let world = setting.start(&database.url).await;
        let users = &setting.users;
        world
            .until("it is said on connecting", async || {
                users.acknowledged() == users.last()
            })
            .await;
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_accounts_at_once_are_stored_in_few_statements() {
    for database in portico_testing::databases() {
        let setting = Setting::new();
        for n in 0..70 {
            let id = format!("0190a5f0-0000-7000-8000-{n:012}");
            setting
                .users
                .create(&id, &format!("user{n}@example.com"), &["user"]);
        }
        // One address wanders from one account to another.
        let (one, two) = (
            "0190a5f0-0000-7000-8000-000000000001",
            ID.replace("8000", "a000"),
        );
        setting
            .users
            .change(one, |user| user.email = "moved@example.com".to_owned());
        setting.users.create(&two, "user1@example.com", &["user"]);
        let world = setting.start(&database.url).await;
        world.caught_up().await;
        assert_eq!(identities(&world).await, 71, "{}", database.name);
        let holder = format!(
            "SELECT COUNT(*) FROM identities WHERE email_key = 'user1@example.com' AND revision = 1 \
             AND id {}",
            if database.name == "postgres" {
                format!("= '{two}'")
            } else {
                "IS NOT NULL".into()
            }
        );
        assert_eq!(world.number(&holder).await, Some(1));
        let moved = "SELECT COUNT(*) FROM identities WHERE email_key = 'moved@example.com'";
        assert_eq!(world.number(moved).await, Some(1));
        world.stop().await;
    }
}
