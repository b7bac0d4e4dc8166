//! The user service's feed: in order, each event once, whoever restarts.

use portico_proto::user::v1::{User, UserChange, UserStatus};
use sea_orm::ConnectionTrait;

use crate::support::{EMAIL, PASSWORD, Setting, World};

const ID: &str = "0190a5f0-0000-7000-8000-000000000001";
const OTHER: &str = "0190a5f0-0000-7000-8000-000000000002";

async fn identities(world: &World) -> i64 {
    world
        .number("SELECT COUNT(*) FROM identities")
        .await
        .expect("a count")
}

/// Counts how often each event was applied: a trigger would, and so does the sum of the steps that the
/// cursor took.
async fn watch_cursor(world: &World) {
    let sql = match world.db.get_database_backend() {
        sea_orm::DbBackend::Sqlite => {
            "CREATE TABLE steps (old BIGINT, new BIGINT);
             CREATE TRIGGER step AFTER UPDATE ON feed_cursors BEGIN
             INSERT INTO steps VALUES (old.sequence, new.sequence); END"
        }
        _ => {
            "CREATE TABLE steps (old BIGINT, new BIGINT);
             CREATE FUNCTION step() RETURNS trigger AS $$ BEGIN
             INSERT INTO steps VALUES (OLD.sequence, NEW.sequence); RETURN NEW; END $$
             LANGUAGE plpgsql;
             CREATE TRIGGER step AFTER UPDATE ON feed_cursors
             FOR EACH ROW EXECUTE FUNCTION step()"
        }
    };
    world.db.execute_unprepared(sql).await.expect("watches");
}

/// The cursor only ever went on from where it stood, so no event was applied twice or left out.
async fn assert_no_step_back(world: &World) {
    let overlapping = "SELECT COUNT(*) FROM steps a JOIN steps b ON a.old < b.new \
                       AND b.old < a.new AND (a.old <> b.old OR a.new <> b.new)";
    assert_eq!(world.number(overlapping).await, Some(0));
    let repeated = "SELECT COUNT(*) - COUNT(DISTINCT old) FROM steps";
    assert_eq!(world.number(repeated).await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_is_applied_once_over_restarts_of_both_sides() {
    for database in portico_testing::databases() {
        let setting = Setting::new();
        let users = setting.users.clone();
        let world = setting.start(&database.url).await;
        world.caught_up().await;
        watch_cursor(&world).await;

        let id = |n: u32| format!("0190a5f0-0000-7000-8000-{n:012}");
        let create = |range: std::ops::Range<u32>| {
            for n in range {
                users.create(&id(n), &format!("user{n}@example.com"), &["user"]);
            }
        };
        create(0..40);
        users.stop();
        create(40..60);
        users.start();
        world.caught_up().await;
        create(60..80);
        world.stop().await;

        create(80..100);
        let world = setting.start(&database.url).await;
        users.stop();
        create(100..120);
        users.start();
        world.caught_up().await;
        assert_eq!(identities(&world).await, 120, "{}", database.name);
        assert_no_step_back(&world).await;
        assert!(users.watches() >= 3);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_apply_each_event_once() {
    for database in portico_testing::databases() {
        let setting = Setting::new();
        let one = setting.start(&database.url).await;
        let two = setting.start(&database.url).await;
        one.caught_up().await;
        watch_cursor(&one).await;
        for n in 0..60 {
            let id = format!("0190a5f0-0000-7000-8000-{n:012}");
            setting
                .users
                .create(&id, &format!("user{n}@example.com"), &["user"]);
        }
        one.caught_up().await;
        one.stop().await;
        setting.users.create(
            ID.replace("8000", "9000").as_str(),
            "late@example.com",
            &["user"],
        );
        two.caught_up().await;
        assert_eq!(identities(&two).await, 61, "{}", database.name);
        assert_no_step_back(&two).await;
        two.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_state_never_replaces_a_newer_one() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let change = |status: UserStatus, email: &str, revision| UserChange {
            user: Some(User {
                id: ID.to_owned(),
                email: email.to_owned(),
                status: status.into(),
                ..User::default()
            }),
            revision,
        };
        world
            .users
            .publish_raw(change(UserStatus::Suspended, "new@example.com", 5));
        world
            .users
            .publish_raw(change(UserStatus::Active, "old@example.com", 4));
        world.caught_up().await;
        let suspended = "SELECT COUNT(*) FROM identities WHERE status = 'suspended' \
                         AND email = 'new@example.com' AND revision = 5";
        assert_eq!(world.number(suspended).await, Some(1));
        world
            .users
            .publish_raw(change(UserStatus::Active, "new@example.com", 6));
        world.caught_up().await;
        assert_eq!(world.number(suspended).await, Some(0));
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_moves_to_another_account_signs_in_to_that_one() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        world.register(EMAIL, PASSWORD).await.expect("registers");
        let first = world.users.account(EMAIL).expect("exists").id;
        // The change of the first account comes after the other one took the address.
        world.users.publish_raw(UserChange {
            user: Some(User {
                id: OTHER.to_owned(),
                email: "Ada@Example.com".to_owned(),
                status: UserStatus::Active.into(),
                ..User::default()
            }),
            revision: 1,
        });
        world.caught_up().await;
        assert!(
            world.login(EMAIL, PASSWORD).await.is_err(),
            "the other one has no password"
        );
        world
            .users
            .change(&first, |user| user.email = "ada@example.org".to_owned());
        world.caught_up().await;
        assert!(world.login(EMAIL, PASSWORD).await.is_err());
        let tokens = world
            .login("ada@example.org", PASSWORD)
            .await
            .expect("signs in");
        assert_eq!(crate::support::claims(&tokens.access_token)["sub"], first);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_an_account_ends_its_sessions_and_its_sign_in() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let tokens = world.ada().await;
        let id = world.users.account(EMAIL).expect("exists").id;
        world.users.status(&id, UserStatus::Deleted);
        world
            .until("its session is denied", async || {
                world.denylist.is_denied(&tokens.session_id)
            })
            .await;
        assert!(world.login(EMAIL, PASSWORD).await.is_err());
        assert!(world.refresh(&tokens.refresh_token).await.is_err());
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn purging_an_account_erases_the_person() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        world.ada().await;
        let other = "other@example.com";
        world.register(other, PASSWORD).await.expect("registers");
        let id = world.users.account(EMAIL).expect("an account").id;
        world.users.change(&id, |user| {
            *user = User {
                id: user.id.clone(),
                status: UserStatus::Purged.into(),
                ..User::default()
            };
        });
        world.caught_up().await;
        let left = "SELECT (SELECT COUNT(*) FROM credentials WHERE user_id = i.id) \
             + (SELECT COUNT(*) FROM sessions WHERE user_id = i.id AND user_agent || ip_address <> '') \
             FROM identities i \
             WHERE i.email = '' AND i.email_key IS NULL AND i.status = 'deleted'";
        assert_eq!(world.number(left).await, Some(0), "{}", database.name);
        world.login(other, PASSWORD).await.expect("the other stays");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_role_counts_from_the_next_token_on() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let tokens = world.ada().await;
        let id = world.users.account(EMAIL).expect("exists").id;
        world.users.role("auditor", &["users:read"]);
        world
            .users
            .change(&id, |user| user.roles = vec!["auditor".to_owned()]);
        world.caught_up().await;
        let refreshed = world
            .refresh(&tokens.refresh_token)
            .await
            .expect("refreshes");
        assert_eq!(refreshed.scope, "users:read");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_process_heard_of_a_role_the_other_one_knows_at_once() {
    for database in portico_testing::databases() {
        if database.name == "sqlite" {
            continue;
        }
        let setting = Setting::new();
        let worlds = [
            setting.start(&database.url).await,
            setting.start(&database.url).await,
        ];
        worlds[0].ada().await;
        let id = setting.users.account(EMAIL).expect("exists").id;
        setting.users.role("late", &["orders:read"]);
        setting
            .users
            .change(&id, |user| user.roles.push("late".to_owned()));
        let copied = "SELECT COUNT(*) FROM identities WHERE roles LIKE '%late%'";
        let arrived = async || worlds[0].number(copied).await == Some(1);
        worlds[0].until("the copy has the role", arrived).await;
        for world in &worlds {
            let tokens = world.login(EMAIL, PASSWORD).await.expect("signs in");
            assert!(tokens.scope.contains("orders:read"), "{}", tokens.scope);
        }
        for world in worlds {
            world.stop().await;
        }
    }
}
