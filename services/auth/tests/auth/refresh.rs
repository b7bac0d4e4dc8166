//! Refresh tokens: rotation, races, and what happens to whoever presents an old one.

use std::{collections::BTreeSet, time::Duration};

use portico_proto::{auth::v1::ListSessionsRequest, error::Reason, user::v1::UserStatus};
use tonic::Status;

use crate::{
    registration::futures_join,
    support::{EMAIL, MASTER_KEY, OTHER_MASTER_KEY, PASSWORD, Setting, World, bearing, claims},
};

fn is_invalid_grant<T: std::fmt::Debug>(answer: Result<T, Status>) {
    let status = answer.expect_err("the grant is refused");
    assert_eq!(Reason::of(&status), Some(Reason::InvalidGrant));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refresh_gives_new_tokens_of_the_same_session_in_two_statements() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let first = world.ada().await;
        world.hand.advance(Duration::from_mins(1));
        world.hush().await;
        let second = world
            .refresh(&first.refresh_token)
            .await
            .expect("refreshes");
        let statements = world.statements.of_calls();
        assert!(statements.len() <= 2, "{statements:#?}");
        assert_ne!(second.refresh_token, first.refresh_token);
        assert_ne!(second.access_token, first.access_token);
        assert_eq!(second.session_id, first.session_id);
        assert_eq!(claims(&second.access_token)["iat"], world.now().timestamp());
        let third = world
            .refresh(&second.refresh_token)
            .await
            .expect("refreshes");
        assert_ne!(third.refresh_token, second.refresh_token);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_token_after_the_grace_ends_the_session() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let first = world.ada().await;
        let other = world
            .login(EMAIL, PASSWORD)
            .await
            .expect("signs in elsewhere");
        let second = world
            .refresh(&first.refresh_token)
            .await
            .expect("refreshes");
        world.hand.advance(Duration::from_secs(11));
        is_invalid_grant(world.refresh(&first.refresh_token).await);

        is_invalid_grant(world.refresh(&second.refresh_token).await);
        let list = bearing(&second.access_token, ListSessionsRequest::default());
        let status = world
            .sessions()
            .list_sessions(list)
            .await
            .expect_err("ended");
        assert_eq!(Reason::of(&status), Some(Reason::SessionRevoked));
        world
            .refresh(&other.refresh_token)
            .await
            .expect("the other session is untouched");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_two_steps_back_ends_the_session_even_after_a_recent_rotation() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let first = world.ada().await;
        let second = world
            .refresh(&first.refresh_token)
            .await
            .expect("refreshes");
        world.hand.advance(Duration::from_mins(1));
        let third = world
            .refresh(&second.refresh_token)
            .await
            .expect("refreshes");
        is_invalid_grant(world.refresh(&first.refresh_token).await);
        is_invalid_grant(world.refresh(&third.refresh_token).await);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn within_the_grace_a_used_token_answers_the_same_successor() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let first = world.ada().await;
        let second = world
            .refresh(&first.refresh_token)
            .await
            .expect("refreshes");
        world.hand.advance(Duration::from_secs(10));
        let again = world
            .refresh(&first.refresh_token)
            .await
            .expect("is forgiven");
        assert_eq!(again.refresh_token, second.refresh_token);
        assert_eq!(again.session_id, second.session_id);
        world
            .refresh(&second.refresh_token)
            .await
            .expect("the successor is good");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_two_who_race_get_one_successor() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let mut current = world.ada().await.refresh_token;
        for _ in 0..5 {
            let calls = (0..32).map(|_| world.refresh(&current));
            let answers = futures_join(calls).await;
            let tokens: BTreeSet<String> = answers
                .into_iter()
                .map(|answer| answer.expect("is answered").refresh_token)
                .collect();
            assert_eq!(tokens.len(), 1, "{}", database.name);
            current = tokens.into_iter().next().expect("one");
        }
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_two_who_go_on_racing_lose_nothing_and_end_with_one_token() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let first = world.ada().await.refresh_token;
        let racing = (0..32).map(async |_| {
            let mut token = first.clone();
            for _ in 0..10 {
                token = world
                    .refresh(&token)
                    .await
                    .expect("is answered")
                    .refresh_token;
            }
            token
        });
        let held: BTreeSet<String> = futures_join(racing).await.into_iter().collect();
        let calls = held.iter().map(|token| world.refresh(token));
        let answers = futures_join(calls).await;
        let mut last: Vec<String> = Vec::new();
        for answer in answers {
            last.push(answer.expect("is answered").refresh_token);
        }
        let again = (0..last.len()).map(|place| world.refresh(&last[place]));
        for answer in futures_join(again).await {
            answer.expect("the session lives");
        }
        let sessions = world.number("SELECT COUNT(*) FROM sessions WHERE revoke_time IS NULL");
        assert_eq!(sessions.await, Some(1));
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_racer_is_led_to_the_current_token() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let first = world.ada().await;
        let mut current = first.refresh_token.clone();
        for _ in 0..20 {
            current = world
                .refresh(&current)
                .await
                .expect("refreshes")
                .refresh_token;
        }
        let slow = world
            .refresh(&first.refresh_token)
            .await
            .expect("is forgiven");
        assert_eq!(slow.refresh_token, current);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_survives_a_new_master_key_in_front() {
    for database in portico_testing::databases() {
        let setting = Setting::new();
        let world = setting.start(&database.url).await;
        let first = world.ada().await;
        let second = world
            .refresh(&first.refresh_token)
            .await
            .expect("refreshes");
        world.stop().await;
        let both = format!("{OTHER_MASTER_KEY},{MASTER_KEY}");
        let world = setting
            .with("AUTH__MASTER_KEY", both)
            .start(&database.url)
            .await;
        let again = world
            .refresh(&first.refresh_token)
            .await
            .expect("is forgiven");
        assert_eq!(again.refresh_token, second.refresh_token);
        world.refresh(&second.refresh_token).await.expect("goes on");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_token_or_nobodys_is_refused() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let tokens = world.ada().await;
        let stranger = "A".repeat(86);
        for token in ["x", "not!base64", &stranger, &tokens.access_token[..100]] {
            is_invalid_grant(world.refresh(token).await);
        }
        let status = world.refresh("").await.expect_err("is refused");
        assert_eq!(Reason::of(&status), Some(Reason::InvalidArgument));
        world
            .refresh(&tokens.refresh_token)
            .await
            .expect("the real one is untouched");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_it_is_idle_and_at_its_absolute_end() {
    for database in portico_testing::databases() {
        let world = Setting::new()
            .with("AUTH__REFRESH_TOKEN_TTL_SECONDS", "1000")
            .with("AUTH__SESSION_TTL_SECONDS", "2500")
            .start(&database.url)
            .await;
        let idle = world.ada().await;
        let used = world.login(EMAIL, PASSWORD).await.expect("signs in");
        world.hand.advance(Duration::from_mins(15));
        let used = world.refresh(&used.refresh_token).await.expect("refreshes");
        world.hand.advance(Duration::from_mins(15));
        is_invalid_grant(world.refresh(&idle.refresh_token).await);
        let used = world.refresh(&used.refresh_token).await.expect("refreshes");
        world.hand.advance(Duration::from_mins(10));
        let last = world.refresh(&used.refresh_token).await.expect("refreshes");
        assert_eq!(last.expires_in, 100, "no token outlives its session");
        world.hand.advance(Duration::from_secs(101));
        is_invalid_grant(world.refresh(&last.refresh_token).await);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_account_gets_no_more_tokens() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let tokens = world.ada().await;
        let id = world.users.account(EMAIL).expect("exists").id;
        world.users.status(&id, UserStatus::Suspended);
        world
            .until("the session is refused", async || {
                let list = bearing(&tokens.access_token, ListSessionsRequest::default());
                world.sessions().list_sessions(list).await.is_err()
            })
            .await;
        is_invalid_grant(world.refresh(&tokens.refresh_token).await);
        world.users.status(&id, UserStatus::Active);
        world
            .until("the account may sign in again", async || {
                world.login(EMAIL, PASSWORD).await.is_ok()
            })
            .await;
        is_invalid_grant(world.refresh(&tokens.refresh_token).await);
        world.stop().await;
    }
}
