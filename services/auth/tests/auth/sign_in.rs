//! Sign-in.

use portico_proto::{
    auth::v1::{ListSessionsRequest, LoginRequest, LogoutRequest},
    error::Reason,
    user::v1::UserStatus,
};
use sea_orm::{ConnectionTrait, Statement};
use tonic::{Code, Request};
use tonic_types::StatusExt;

use crate::{
    registration::futures_join,
    support::{EMAIL, PASSWORD, Setting, World, bearing, claims, header},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_answers_tokens_as_rfc_9068_has_them() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        world.register(EMAIL, PASSWORD).await.expect("registers");
        world.hush().await;
        let tokens = world
            .login("Ada@Example.com", PASSWORD)
            .await
            .expect("signs in");
        let statements = world.statements.of_calls();
        assert!(statements.len() <= 2, "{statements:#?}");

        let account = world.users.account(EMAIL).expect("exists");
        assert_eq!(header(&tokens.access_token)["typ"], "at+jwt");
        assert_eq!(header(&tokens.access_token)["alg"], "ES256");
        let claims = claims(&tokens.access_token);
        assert_eq!(claims["iss"], "http://127.0.0.1:3000");
        assert_eq!(claims["aud"], "portico");
        assert_eq!(claims["sub"], account.id);
        assert_eq!(claims["sid"], tokens.session_id);
        assert_eq!(claims["client_id"], "portico");
        assert_eq!(claims["roles"], serde_json::json!(["user"]));
        assert!(claims["jti"].as_str().is_some_and(|jti| !jti.is_empty()));
        let now = world.now().timestamp();
        assert_eq!(claims["iat"], now);
        assert_eq!(claims["exp"], now + 600);
        assert_eq!(
            (tokens.token_type.as_str(), tokens.expires_in),
            ("Bearer", 600)
        );

        let logout = bearing(&tokens.access_token, LogoutRequest {});
        world
            .auth()
            .logout(logout)
            .await
            .expect("the token is good");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_the_answer_is_the_same() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        for email in [EMAIL, "sus@example.com", "del@example.com"] {
            world.register(email, PASSWORD).await.expect("registers");
        }
        let bare = "0190a5f0-0000-7000-8000-000000000001";
        world.users.create(bare, "bare@example.com", &["user"]);
        for (email, status) in [
            ("sus@example.com", UserStatus::Suspended),
            ("del@example.com", UserStatus::Deleted),
        ] {
            let id = world.users.account(email).expect("exists").id;
            world.users.status(&id, status);
            world
                .until("the change has arrived", async || {
                    world.login(email, PASSWORD).await.is_err()
                })
                .await;
        }
        world.hush().await;
        let wrong = world
            .login(EMAIL, "not the password")
            .await
            .expect_err("wrong");
        assert_eq!(Reason::of(&wrong), Some(Reason::InvalidCredentials));
        for email in [
            "nobody@example.com",
            "sus@example.com",
            "del@example.com",
            "bare@example.com",
            "no address at all",
        ] {
            world.statements.forget();
            let status = world.login(email, PASSWORD).await.expect_err("refused");
            assert_eq!(status.code(), wrong.code(), "{email}");
            assert_eq!(status.message(), wrong.message(), "{email}");
            assert_eq!(status.details(), wrong.details(), "{email}");
            assert_eq!(world.statements.of_calls().len(), 1, "{email}");
        }
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_database_stores_is_refused_with_its_field() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        world.register(EMAIL, PASSWORD).await.expect("registers");
        for (email, scope, field) in [
            ("ada\0@example.com", "", "email"),
            (EMAIL, "users:read\0", "scope"),
        ] {
            let request = LoginRequest {
                email: email.to_owned(),
                password: PASSWORD.to_owned(),
                scope: scope.to_owned(),
                ..LoginRequest::default()
            };
            let status = world.auth().login(request).await.expect_err("is refused");
            let reason = Reason::of(&status);
            let name = database.name;
            assert_eq!(reason, Some(Reason::InvalidArgument), "{name}: {field}");
            let faults = status.get_details_bad_request().expect("names fields");
            assert_eq!(faults.field_violations[0].field, field, "{name}");
        }
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_account_costs_a_hash_too() {
    let database = &portico_testing::databases()[0];
    let world = Setting::new()
        .with("AUTH__HASHING_THREADS", "1")
        .with("AUTH__HASHING_QUEUE", "1")
        .with("AUTH__ARGON2_MEMORY_KIB", "8192")
        .start(&database.url)
        .await;
    let calls = (0..24).map(|_| world.login("nobody@example.com", PASSWORD));
    let answers = futures_join(calls).await;
    let of = |reason| {
        let reasons = answers
            .iter()
            .filter_map(|it| Reason::of(it.as_ref().err()?));
        reasons.filter(|it| *it == reason).count()
    };
    assert_eq!(of(Reason::InvalidCredentials) + of(Reason::Overloaded), 24);
    assert!(of(Reason::Overloaded) > 0, "they queue for a hash");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_come_from_roles_and_are_narrowed_to_what_is_asked() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        world
            .users
            .role("admin", &["users:read", "users:write", "portico.internal"]);
        assert!(
            world
                .auth
                .bootstrap_admin(EMAIL, PASSWORD)
                .await
                .expect("made")
        );
        let scope_of = async |scope: &str| {
            let request = LoginRequest {
                email: EMAIL.to_owned(),
                password: PASSWORD.to_owned(),
                scope: scope.to_owned(),
                ..LoginRequest::default()
            };
            let tokens = world
                .auth()
                .login(request)
                .await
                .expect("signs in")
                .into_inner();
            let claim = claims(&tokens.access_token)["scope"].clone();
            assert_eq!(claim.as_str().unwrap_or_default(), tokens.scope);
            let refreshed = world
                .refresh(&tokens.refresh_token)
                .await
                .expect("refreshes");
            assert_eq!(refreshed.scope, tokens.scope);
            tokens.scope
        };
        world
            .until("the role has arrived", async || {
                scope_of("").await == "users:read users:write"
            })
            .await;
        assert_eq!(scope_of("users:read clients:read").await, "users:read");
        assert_eq!(scope_of("portico.internal").await, "");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_hashed_anew_when_the_cost_has_changed() {
    for database in portico_testing::databases() {
        let setting = Setting::new();
        let world = setting.start(&database.url).await;
        world.register(EMAIL, PASSWORD).await.expect("registers");
        world.stop().await;

        let setting = setting.with("AUTH__ARGON2_MEMORY_KIB", "128");
        let world = setting.start(&database.url).await;
        world.hush().await;
        world
            .login(EMAIL, "not the password")
            .await
            .expect_err("refused");
        assert!(
            stored(&world).await.contains("m=64,"),
            "a wrong one changes nothing"
        );
        world.statements.forget();
        world.login(EMAIL, PASSWORD).await.expect("signs in");
        assert_eq!(world.statements.of_calls().len(), 3);
        assert!(stored(&world).await.contains("m=128,"));
        world.statements.forget();
        world.login(EMAIL, PASSWORD).await.expect("signs in");
        assert_eq!(world.statements.of_calls().len(), 2);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_hash_is_verified_and_replaced_by_our_own() {
    // Made by libxcrypt and by Python's hashlib.
    for foreign in [
        "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
        "$scrypt$ln=10,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$6g3umF+uVrJsObaTZhIbbTlgrvOEFcCItdwSjtPF67M",
        "$pbkdf2-sha256$i=1000,l=32$MDEyMzQ1Njc4OWFiY2RlZg$cBg8D2DungRB9k76szThf5ehfyBz991ay6PT8Srwk4M",
    ] {
        for database in portico_testing::databases() {
            let world = World::start(&database.url).await;
            world.register(EMAIL, PASSWORD).await.expect("registers");
            let sql = format!("UPDATE credentials SET phc = '{foreign}'");
            world.db.execute_unprepared(&sql).await.expect("changes");
            world.login(EMAIL, PASSWORD).await.expect_err("is another");
            assert_eq!(stored(&world).await, foreign);
            let right = world.login(EMAIL, "correct horse").await;
            right.expect("signs in");
            assert!(stored(&world).await.starts_with("$argon2id$v=19$m=64,"));
            let right = world.login(EMAIL, "correct horse").await;
            right.expect("signs in");
            world.stop().await;
        }
    }
}

#[tokio::test]
async fn a_password_is_the_same_however_a_keyboard_spells_it() {
    let database = &portico_testing::databases()[0];
    let world = World::start(&database.url).await;
    let composed = "L\u{f6}wenz\u{e4}hnchen";
    let decomposed = "Lo\u{308}wenza\u{308}hnchen";
    world.register(EMAIL, composed).await.expect("registers");
    world.login(EMAIL, decomposed).await.expect("signs in");
    world
        .login(EMAIL, "Lowenzahnchen")
        .await
        .expect_err("is another");
    world.stop().await;
}

#[tokio::test]
async fn a_password_that_is_known_from_a_breach_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("breached");
    let list = format!("{}:7\n", sha1_hex(PASSWORD));
    let file = std::fs::File::create(&path).expect("a file");
    portico_auth::build_breached(list.as_bytes(), file, 8, 1).expect("is made");
    let database = &portico_testing::databases()[0];
    let world = Setting::new()
        .with("AUTH__BREACHED_PASSWORDS", path.display().to_string())
        .start(&database.url)
        .await;
    let status = world.register(EMAIL, PASSWORD).await.expect_err("is known");
    let faults = status.get_details_bad_request().expect("names fields");
    assert_eq!(faults.field_violations[0].field, "password");
    assert!(status.message().contains("breach"), "{status:?}");
    world
        .register(EMAIL, "a better password")
        .await
        .expect("registers");
    world.stop().await;

    std::fs::write(&path, "something else").expect("writes");
    let broken = Setting::new()
        .with("AUTH__BREACHED_PASSWORDS", path.display().to_string())
        .try_start(&database.url)
        .await;
    let error = broken.err().expect("does not start");
    assert!(
        format!("{error:#}").contains("portico-breached"),
        "{error:#}"
    );
}

fn sha1_hex(text: &str) -> String {
    use std::fmt::Write;
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    digest.as_ref().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02X}").expect("a text takes all");
        hex
    })
}

async fn stored(world: &World) -> String {
    let sql = "SELECT phc FROM credentials";
    let statement = Statement::from_string(world.db.get_database_backend(), sql);
    let row = world.db.query_one_raw(statement).await.expect("reads");
    row.expect("a row").try_get("", "phc").expect("a text")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_hashing_queue_is_told_with_a_time_to_come_back() {
    let database = &portico_testing::databases()[0];
    let world = Setting::new()
        .with("AUTH__HASHING_THREADS", "1")
        .with("AUTH__HASHING_QUEUE", "2")
        .with("AUTH__ARGON2_MEMORY_KIB", "8192")
        .start(&database.url)
        .await;
    world.register(EMAIL, PASSWORD).await.expect("registers");
    world.hush().await;
    let calls = (0..24).map(|_| world.login(EMAIL, PASSWORD));
    let answers = futures_join(calls).await;
    let statements = world.statements.of_calls().len();
    let accepted = answers.iter().filter(|answer| answer.is_ok()).count();
    let refused: Vec<_> = answers
        .iter()
        .filter_map(|answer| answer.as_ref().err())
        .collect();
    assert!(
        accepted >= 3,
        "those who hash and those who wait are served: {accepted}"
    );
    assert!(!refused.is_empty());
    assert_eq!(statements, 2 * accepted, "those who are refused cost none");
    for status in refused {
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(Reason::of(status), Some(Reason::Overloaded));
        let info = status.get_details_retry_info().expect("says when");
        assert!(info.retry_delay.is_some_and(|delay| !delay.is_zero()));
    }
    world
        .login(EMAIL, PASSWORD)
        .await
        .expect("there is room again");
    world.stop().await;
}

#[tokio::test]
async fn device_and_address_are_those_that_the_edge_reports() {
    let database = &portico_testing::databases()[0];
    let world = World::start(&database.url).await;
    world.register(EMAIL, PASSWORD).await.expect("registers");
    let mut request = Request::new(LoginRequest {
        email: EMAIL.to_owned(),
        password: PASSWORD.to_owned(),
        device_name: "Ada's phone".to_owned(),
        ..LoginRequest::default()
    });
    let metadata = request.metadata_mut();
    metadata.insert("x-forwarded-for", "203.0.113.7".parse().expect("metadata"));
    metadata.insert("user-agent", "Firefox/140".parse().expect("metadata"));
    let answer = world.auth().login(request).await.expect("signs in");
    let caching = answer.metadata().get("cache-control").expect("is told");
    assert_eq!(caching.to_str().ok(), Some("no-store"));
    let tokens = answer.into_inner();
    let list = bearing(&tokens.access_token, ListSessionsRequest::default());
    let sessions = world
        .sessions()
        .list_sessions(list)
        .await
        .expect("lists")
        .into_inner()
        .sessions;
    assert_eq!(sessions[0].ip_address, "203.0.113.7");
    assert!(sessions[0].user_agent.contains("Firefox/140"));
    assert_eq!(sessions[0].device_name, "Ada's phone");
    world.stop().await;
}

#[tokio::test]
async fn sign_in_and_refresh_work_while_the_user_service_is_away() {
    let database = &portico_testing::databases()[0];
    let setting = Setting::new();
    let world = setting.start(&database.url).await;
    world.register(EMAIL, PASSWORD).await.expect("registers");
    world.stop().await;
    setting.users.stop();
    let world = setting.start(&database.url).await;
    assert!(world.frame.readiness.is_ready());
    let tokens = world.login(EMAIL, PASSWORD).await.expect("signs in");
    world
        .refresh(&tokens.refresh_token)
        .await
        .expect("refreshes");
    assert!(world.frame.readiness.is_ready());
    world.stop().await;
}

#[tokio::test]
async fn a_password_stays_good_however_old_it_is() {
    let database = &portico_testing::databases()[0];
    let world = World::start(&database.url).await;
    world.register(EMAIL, PASSWORD).await.expect("registers");
    world
        .hand
        .advance(std::time::Duration::from_hours(10 * 365 * 24));
    world.login(EMAIL, PASSWORD).await.expect("signs in");
    world.stop().await;
}
