//! Registration, and what a crash leaves of it.

use std::time::Duration;

use portico_proto::{auth::v1::RegisterRequest, error::Reason, user::v1::UserStatus};
use tonic_types::StatusExt;

use crate::support::{EMAIL, PASSWORD, Setting, World};

async fn rows(world: &World, table: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) FROM {table}");
    world.number(&sql).await.expect("a count")
}

/// Waits until nothing is under way. Nobody tries to sign in meanwhile, since who fails often has to wait.
async fn finished(world: &World) {
    let none = async || rows(world, "registrations").await == 0;
    world.until("the registrations are finished", none).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_registers_can_sign_in_at_once() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let tokens = world.ada().await;
        let account = world.users.account(EMAIL).expect("the account exists");
        assert_eq!(account.display_name, "Ada");
        assert_eq!(account.roles, ["user"]);
        assert_eq!(
            crate::support::claims(&tokens.access_token)["sub"],
            account.id
        );
        assert_eq!(rows(&world, "registrations").await, 0, "{}", database.name);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_address_is_answered_alike_and_keeps_its_password() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        world.users.create(
            "0190a5f0-0000-7000-8000-000000000001",
            "bob@example.com",
            &["user"],
        );
        let request = |email: &str| RegisterRequest {
            email: email.to_owned(),
            password: "another good password".to_owned(),
            display_name: String::new(),
        };
        world.register(EMAIL, PASSWORD).await.expect("registers");
        world.hush().await;
        let free = world
            .auth()
            .register(request("new@example.com"))
            .await
            .expect("answers");
        let free_statements = world.statements.of_calls().len();
        for email in [EMAIL, "ADA@EXAMPLE.COM", "bob@example.com"] {
            world.statements.forget();
            let taken = world
                .auth()
                .register(request(email))
                .await
                .expect("answers");
            assert_eq!(taken.get_ref(), free.get_ref(), "{email}");
            let names = |response: &tonic::Response<_>| {
                let keys = response.metadata().keys();
                keys.map(|key| format!("{key:?}")).collect::<Vec<_>>()
            };
            assert_eq!(names(&taken), names(&free), "{email}");
            let statements = world.statements.of_calls();
            assert_eq!(
                statements.len(),
                free_statements,
                "{email}: {statements:#?}"
            );
            let other = world.login(email, "another good password").await;
            assert!(other.is_err(), "{email}");
        }
        world
            .login(EMAIL, PASSWORD)
            .await
            .expect("the password is the old one");
        assert_eq!(world.users.accounts(), 3);
        assert_eq!(rows(&world, "registrations").await, 0);
        world.stop().await;
    }
}

#[tokio::test]
async fn bad_fields_are_named() {
    let database = &portico_testing::databases()[0];
    let world = World::start(&database.url).await;
    for (email, password, field) in [
        ("no address", PASSWORD, "email"),
        (EMAIL, "short", "password"),
        (EMAIL, "Password123", "password"),
        (EMAIL, "QWERTYUIOP", "password"),
        (EMAIL, "Ada-1815-12-10", "password"),
    ] {
        let status = world
            .register(email, password)
            .await
            .expect_err("is refused");
        assert_eq!(Reason::of(&status), Some(Reason::InvalidArgument));
        let faults = status.get_details_bad_request().expect("names fields");
        assert_eq!(faults.field_violations[0].field, field, "{password}");
        assert!(!status.message().contains(password));
    }
    assert_eq!(world.users.provisions(), 0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_user_service_a_registration_fails_and_is_finished_later() {
    for database in portico_testing::databases() {
        let setting = Setting::new();
        let world = setting.start(&database.url).await;
        world.users.stop();
        let status = world
            .register(EMAIL, PASSWORD)
            .await
            .expect_err("nobody there");
        assert_eq!(Reason::of(&status), Some(Reason::Unavailable));
        assert!(status.get_details_retry_info().is_some());
        assert!(world.login(EMAIL, PASSWORD).await.is_err());

        // The person tries again with another password, which is then the one that counts.
        world
            .register(EMAIL, "a second password")
            .await
            .expect_err("nobody there");
        world.users.start();
        setting.hand.advance(Duration::from_secs(6));
        finished(&world).await;
        let second = world.login(EMAIL, "a second password").await;
        second.expect("signs in");
        assert!(world.login(EMAIL, PASSWORD).await.is_err());
        assert_eq!(world.users.accounts(), 1);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_after_the_account_was_made_is_repaired_after_the_restart() {
    for database in portico_testing::databases() {
        let setting = Setting::new();
        let world = setting.start(&database.url).await;
        world.users.lose_answers(true);
        world
            .register(EMAIL, PASSWORD)
            .await
            .expect_err("the answer was lost");
        assert_eq!(world.users.accounts(), 1);
        world.stop().await;

        setting.users.lose_answers(false);
        setting.hand.advance(Duration::from_secs(6));
        let world = setting.start(&database.url).await;
        finished(&world).await;
        world.login(EMAIL, PASSWORD).await.expect("signs in");
        assert_eq!(world.users.accounts(), 1);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_whose_account_has_moved_on_is_given_up_and_holds_up_nobody() {
    for database in portico_testing::databases() {
        let setting = Setting::new();
        let world = setting.start(&database.url).await;
        world.users.lose_answers(true);
        let lost = world.register(EMAIL, PASSWORD).await;
        lost.expect_err("the answer was lost");
        world.users.lose_answers(false);
        let id = world.users.account(EMAIL).expect("exists").id;
        let moved = "moved@example.com";
        world
            .users
            .change(&id, |user| user.email = moved.to_owned());
        world.users.stop();
        let later = world.register("bob@example.com", PASSWORD).await;
        later.expect_err("nobody there");
        world.users.start();
        setting.hand.advance(Duration::from_secs(6));
        finished(&world).await;
        let later = world.login("bob@example.com", PASSWORD).await;
        later.expect("signs in");
        for email in [EMAIL, moved] {
            assert!(world.login(email, PASSWORD).await.is_err(), "{email}");
        }
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trying_again_after_a_lost_answer_makes_no_second_account() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        world.users.lose_answers(true);
        world
            .register(EMAIL, PASSWORD)
            .await
            .expect_err("the answer was lost");
        world.users.lose_answers(false);
        world.register(EMAIL, PASSWORD).await.expect("registers");
        world.login(EMAIL, PASSWORD).await.expect("signs in");
        assert_eq!(world.users.accounts(), 1);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_answer_of_the_user_service_does_not_undo_a_newer_event() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        world.register(EMAIL, PASSWORD).await.expect("registers");
        let id = world.users.account(EMAIL).expect("exists").id;
        world.users.status(&id, UserStatus::Suspended);
        world
            .until("the suspension has arrived", async || {
                world.login(EMAIL, PASSWORD).await.is_err()
            })
            .await;
        // Registering again answers alike and opens nothing.
        world.register(EMAIL, PASSWORD).await.expect("answers");
        assert!(world.login(EMAIL, PASSWORD).await.is_err());
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_for_one_address_make_one_account() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let calls = (0..16).map(|_| world.register(EMAIL, PASSWORD));
        for answer in futures_join(calls).await {
            answer.expect("answers");
        }
        world.login(EMAIL, PASSWORD).await.expect("signs in");
        assert_eq!(world.users.accounts(), 1);
        assert_eq!(rows(&world, "credentials").await, 1);
        assert_eq!(rows(&world, "registrations").await, 0);
        world.stop().await;
    }
}

/// Runs futures side by side on this task.
pub async fn futures_join<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|cx| {
        let mut pending = false;
        for (future, answer) in &mut waiting {
            if answer.is_none() {
                match future.as_mut().poll(cx) {
                    std::task::Poll::Ready(value) => *answer = Some(value),
                    std::task::Poll::Pending => pending = true,
                }
            }
        }
        if pending {
            std::task::Poll::Pending
        } else {
            std::task::Poll::Ready(())
        }
    })
    .await;
    waiting
        .into_iter()
        .filter_map(|(_, answer)| answer)
        .collect()
}
