//! Seeing and ending sessions.

use std::time::Duration;

use portico_proto::{
    auth::v1::{
        DeleteSessionRequest, ListSessionsRequest, LogoutRequest, RevokeAllSessionsRequest, Session,
    },
    error::Reason,
};
use tonic::{Code, Status};

use crate::{
    registration::futures_join,
    support::{EMAIL, PASSWORD, Setting, World, bearing},
};

async fn list(world: &World, token: &str, user_id: &str) -> Result<Vec<Session>, Status> {
    let user_id = user_id.to_owned();
    let request = bearing(token, ListSessionsRequest { user_id });
    let answer = world.sessions().list_sessions(request).await?;
    Ok(answer.into_inner().sessions)
}

fn reason(status: &Status) -> Option<Reason> {
    Reason::of(status)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_session_comes_first_and_the_own_one_is_marked() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let first = world.ada().await;
        world.hand.advance(Duration::from_secs(1));
        let second = world.login(EMAIL, PASSWORD).await.expect("signs in");
        world.hand.advance(Duration::from_mins(1));
        let first = world
            .refresh(&first.refresh_token)
            .await
            .expect("refreshes");

        let sessions = list(&world, &first.access_token, "me")
            .await
            .expect("lists");
        let ids: Vec<_> = sessions.iter().map(|session| session.id.as_str()).collect();
        assert_eq!(ids, [second.session_id.as_str(), first.session_id.as_str()]);
        let current: Vec<_> = sessions.iter().map(|session| session.current).collect();
        assert_eq!(current, [false, true]);
        let account = world.users.account(EMAIL).expect("exists");
        assert!(sessions.iter().all(|session| session.user_id == account.id));
        let used = sessions[1].last_used_time.expect("a time").seconds;
        assert_eq!(used, world.now().timestamp());
        assert_eq!(
            sessions[1].expire_time.expect("a time").seconds,
            used + 2_592_000
        );
        assert_eq!(
            list(&world, &first.access_token, "").await.expect("lists"),
            sessions
        );
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_holds_at_most_a_hundred() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let tokens = world.ada().await;
        for _ in 0..101 {
            world.login(EMAIL, PASSWORD).await.expect("signs in");
        }
        let sessions = list(&world, &tokens.access_token, "me")
            .await
            .expect("lists");
        assert_eq!(sessions.len(), 100);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logout_ends_the_session_at_once_and_tells_the_edge() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let tokens = world.ada().await;
        let logout = bearing(&tokens.access_token, LogoutRequest {});
        let answer = world.auth().logout(logout).await.expect("logs out");
        let told = answer
            .metadata()
            .get("portico-ended-session")
            .expect("tells");
        assert_eq!(told.to_str().ok(), Some(tokens.session_id.as_str()));

        let status = list(&world, &tokens.access_token, "me")
            .await
            .expect_err("ended");
        assert_eq!(reason(&status), Some(Reason::SessionRevoked));
        let status = world
            .refresh(&tokens.refresh_token)
            .await
            .expect_err("ended");
        assert_eq!(reason(&status), Some(Reason::InvalidGrant));
        assert!(world.denylist.is_denied(&tokens.session_id));
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_session_can_be_ended_and_only_once() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let kept = world.ada().await;
        let ended = world.login(EMAIL, PASSWORD).await.expect("signs in");
        let request = |id: &str| {
            let message = DeleteSessionRequest {
                id: id.to_owned(),
                user_id: String::new(),
            };
            bearing(&kept.access_token, message)
        };
        let mut sessions = world.sessions();
        sessions
            .delete_session(request(&ended.session_id))
            .await
            .expect("ends");
        let status = list(&world, &ended.access_token, "me")
            .await
            .expect_err("ended");
        assert_eq!(reason(&status), Some(Reason::SessionRevoked));
        for id in [
            ended.session_id.as_str(),
            "0190a5f0-0000-7000-8000-000000000001",
        ] {
            let status = sessions
                .delete_session(request(id))
                .await
                .expect_err("is gone");
            assert_eq!(reason(&status), Some(Reason::SessionNotFound));
        }
        let status = sessions
            .delete_session(request("x"))
            .await
            .expect_err("no id");
        assert_eq!(reason(&status), Some(Reason::InvalidArgument));
        assert_eq!(
            list(&world, &kept.access_token, "me")
                .await
                .expect("lists")
                .len(),
            1
        );
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_sessions_can_be_ended_and_nobody_elses() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let mine = world.ada().await;
        world.login(EMAIL, PASSWORD).await.expect("signs in");
        world
            .register("bob@example.com", PASSWORD)
            .await
            .expect("registers");
        let bob = world
            .login("bob@example.com", PASSWORD)
            .await
            .expect("signs in");
        let request = bearing(&mine.access_token, RevokeAllSessionsRequest::default());
        let answer = world
            .sessions()
            .revoke_all_sessions(request)
            .await
            .expect("ends");
        let told = answer
            .metadata()
            .get_all("portico-ended-session")
            .iter()
            .count();
        assert_eq!((answer.get_ref().revoked_count, told), (2, 2));
        let status = list(&world, &mine.access_token, "me")
            .await
            .expect_err("ended");
        assert_eq!(reason(&status), Some(Reason::SessionRevoked));
        assert_eq!(
            list(&world, &bob.access_token, "me")
                .await
                .expect("lists")
                .len(),
            1
        );
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_sessions_need_a_scope() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let ada = world.ada().await;
        assert!(
            world
                .auth
                .bootstrap_admin("root@example.com", PASSWORD)
                .await
                .expect("made")
        );
        let admin = world
            .login("root@example.com", PASSWORD)
            .await
            .expect("signs in");
        let ada_id = world.users.account(EMAIL).expect("exists").id;
        let admin_id = world.users.account("root@example.com").expect("exists").id;

        let status = list(&world, &ada.access_token, &admin_id)
            .await
            .expect_err("not hers");
        assert_eq!(status.code(), Code::PermissionDenied);
        let delete = |token: &str, id: &str, user_id: &str| {
            let (id, user_id) = (id.to_owned(), user_id.to_owned());
            bearing(token, DeleteSessionRequest { id, user_id })
        };
        let mut sessions = world.sessions();
        let theft = delete(&ada.access_token, &admin.session_id, &admin_id);
        let status = sessions.delete_session(theft).await.expect_err("not hers");
        assert_eq!(status.code(), Code::PermissionDenied);
        let theft = delete(&ada.access_token, &admin.session_id, "me");
        let status = sessions.delete_session(theft).await.expect_err("not hers");
        assert_eq!(reason(&status), Some(Reason::SessionNotFound));

        assert_eq!(
            list(&world, &admin.access_token, &ada_id)
                .await
                .expect("may")
                .len(),
            1
        );
        let ending = delete(&admin.access_token, &ada.session_id, &ada_id);
        sessions.delete_session(ending).await.expect("may");
        assert!(list(&world, &ada.access_token, "me").await.is_err());
        let status = world
            .sessions()
            .list_sessions(ListSessionsRequest::default())
            .await;
        assert_eq!(status.expect_err("no token").code(), Code::Unauthenticated);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_forgets_no_ended_session() {
    for database in portico_testing::databases() {
        let setting = Setting::new();
        let world = setting.start(&database.url).await;
        let tokens = world.ada().await;
        let logout = bearing(&tokens.access_token, LogoutRequest {});
        world.auth().logout(logout).await.expect("logs out");
        world.stop().await;

        // The new process has an empty cache.
        let world = setting.start(&database.url).await;
        assert!(world.denylist.is_denied(&tokens.session_id));
        let status = list(&world, &tokens.access_token, "me")
            .await
            .expect_err("ended");
        assert_eq!(reason(&status), Some(Reason::SessionRevoked));
        world.stop().await;

        setting.hand.advance(Duration::from_secs(700));
        let world = setting.start(&database.url).await;
        assert!(
            !world.denylist.is_denied(&tokens.session_id),
            "its tokens are dead"
        );
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_have_been_over_for_long_are_removed() {
    let databases = portico_testing::databases();
    let swept = databases.iter().map(async |database| {
        let world = Setting::new()
            .with("AUTH__REFRESH_TOKEN_TTL_SECONDS", "1000")
            .start(&database.url)
            .await;
        let over = world.ada().await;
        world.hand.advance(Duration::from_hours(30));
        let open = world.login(EMAIL, PASSWORD).await.expect("signs in");
        world
            .until("the one that is over is gone", async || {
                world.number("SELECT COUNT(*) FROM sessions").await == Some(1)
            })
            .await;
        let status = world.refresh(&over.refresh_token).await;
        let status = status.expect_err("it is over");
        assert_eq!(Reason::of(&status), Some(Reason::InvalidGrant));
        world
            .refresh(&open.refresh_token)
            .await
            .expect("the open one is untouched");
        world.stop().await;
    });
    futures_join(swept).await;
}
