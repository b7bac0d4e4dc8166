//! Accounts that come in with their passwords.

use std::time::Duration;

use portico_proto::{
    auth::v1::{
        ImportUsersRequest, ImportUsersResponse, UserRecord,
        import_service_client::ImportServiceClient,
    },
    error::Reason,
    user::v1::{ImportOutcome, User},
};
use sea_orm::{ConnectionTrait, Statement};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status};

use crate::support::{EMAIL, PASSWORD, World, bearing};

/// A token of somebody who may write accounts.
async fn admin(world: &World) -> String {
    world.ada().await;
    let id = world.users.account(EMAIL).expect("exists").id;
    world
        .users
        .change(&id, |user| user.roles = vec!["admin".to_owned()]);
    world.caught_up().await;
    let tokens = world.login(EMAIL, PASSWORD).await.expect("signs in");
    tokens.access_token
}

/// The hash of Ada's password.
async fn hash(world: &World) -> String {
    let backend = world.db.get_database_backend();
    let statement = Statement::from_string(backend, "SELECT phc FROM credentials");
    let row = world.db.query_one_raw(statement).await.expect("reads");
    row.expect("a row").try_get_by_index(0).expect("a text")
}

fn line(email: &str, password_hash: &str) -> ImportUsersRequest {
    ImportUsersRequest {
        record: Some(UserRecord {
            user: Some(User {
                email: email.to_owned(),
                ..User::default()
            }),
            password_hash: password_hash.to_owned(),
        }),
        ..ImportUsersRequest::default()
    }
}

async fn import(
    world: &World,
    token: &str,
    lines: Vec<ImportUsersRequest>,
) -> Result<Vec<ImportUsersResponse>, Status> {
    let mut client = ImportServiceClient::new(world.auth.backend.clone());
    let request = bearing(token, tokio_stream::iter(lines));
    let mut answers = client.import_users(request).await?.into_inner();
    let mut all = Vec::new();
    while let Some(answer) = answers.message().await? {
        all.push(answer);
    }
    Ok(all)
}

fn outcomes(answers: &[ImportUsersResponse]) -> Vec<ImportOutcome> {
    answers.iter().map(ImportUsersResponse::outcome).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn imported_people_sign_in_with_the_password_they_had() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let token = admin(&world).await;
        let hash = hash(&world).await;
        let lines = vec![
            line("bob@example.com", &hash),
            line("eve@example.com", ""),
            line("", &hash),
            line("mallory@example.com", "not a hash"),
        ];
        let answers = import(&world, &token, lines.clone())
            .await
            .expect("imports");
        let expected = [
            ImportOutcome::Created,
            ImportOutcome::Created,
            ImportOutcome::Refused,
            ImportOutcome::Refused,
        ];
        assert_eq!(outcomes(&answers), expected, "{}", database.name);
        assert_eq!(
            answers.iter().map(|it| it.line).collect::<Vec<_>>(),
            [1, 2, 3, 4]
        );
        assert_eq!(answers[3].errors[0].field, "password_hash");
        assert!(!answers[3].detail.contains("not a hash"));
        assert!(world.users.account("mallory@example.com").is_none());
        world.caught_up().await;
        world
            .login("bob@example.com", PASSWORD)
            .await
            .expect("signs in");
        assert!(world.login("eve@example.com", PASSWORD).await.is_err());

        // The same again is skipped, and no password is replaced.
        let again = import(&world, &token, lines).await.expect("imports");
        assert_eq!(again[0].outcome(), ImportOutcome::Skipped);
        let other = vec![line(EMAIL, &hash.replace("argon2id", "argon2i"))];
        import(&world, &token, other).await.expect("imports");
        world.login(EMAIL, PASSWORD).await.expect("signs in");
        // The hash never left.
        let sent = format!("{:?}", world.users.batches());
        assert!(sent.contains("bob@example.com") && !sent.contains("argon2"));
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_a_crash_left_behind_comes_with_the_next_try() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let token = admin(&world).await;
        let hash = hash(&world).await;
        // The account was made, and nobody heard of it.
        world.users.create(
            "0190a5f0-0000-7000-8000-000000000009",
            "bob@example.com",
            &["user"],
        );
        let lines = vec![line("bob@example.com", &hash)];
        let answers = import(&world, &token, lines).await.expect("imports");
        assert_eq!(outcomes(&answers), [ImportOutcome::Skipped]);
        world.caught_up().await;
        world
            .login("bob@example.com", PASSWORD)
            .await
            .expect("signs in");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_chooses_the_first_password_of_somebody_who_may_do_more() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let scopes = ["users:read", "users:write"];
        world.users.role("support", &scopes);
        let support = world.somebody("support@example.com", "support").await;
        let hash = hash(&world).await;
        let people = [("boss", "admin"), ("helper", "support"), ("bob", "user")];
        for (n, (name, role)) in people.into_iter().enumerate() {
            let id = format!("0190a5f0-0000-7000-8000-00000000010{n}");
            let email = format!("{name}@example.com");
            world.users.create(&id, &email, &[role]);
        }
        world.caught_up().await;
        let lines = people.map(|(name, _)| line(&format!("{name}@example.com"), &hash));
        let answers = import(&world, &support, lines.to_vec()).await;
        let answers = answers.expect("imports");
        let (refused, skipped) = (ImportOutcome::Refused, ImportOutcome::Skipped);
        assert_eq!(outcomes(&answers), [refused, skipped, skipped]);
        assert_eq!(answers[0].reason, Reason::InsufficientScope.as_str());
        assert!(world.login("boss@example.com", PASSWORD).await.is_err());
        for name in ["helper", "bob"] {
            let email = format!("{name}@example.com");
            world.login(&email, PASSWORD).await.expect("signs in");
        }
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_answer_is_lost_is_sent_again() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let token = admin(&world).await;
        world.users.fail_batches(2);
        let lines = vec![line("bob@example.com", "")];
        let answers = import(&world, &token, lines).await.expect("imports");
        // It was created by the call whose answer was lost.
        assert_eq!(outcomes(&answers), [ImportOutcome::Skipped]);
        assert_eq!(world.users.batches().len(), 3);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_stores_nothing_and_lines_are_counted_from_where_they_are() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let token = admin(&world).await;
        let hash = hash(&world).await;
        let before = world.number("SELECT COUNT(*) FROM credentials").await;
        let mut lines: Vec<_> = (0..700)
            .map(|n| line(&format!("u{n}@example.com"), &hash))
            .collect();
        lines[0].validate_only = true;
        lines[0].first_line = 1001;
        let answers = import(&world, &token, lines).await.expect("imports");
        assert_eq!(answers.len(), 700);
        assert_eq!((answers[0].line, answers[699].line), (1001, 1700));
        assert!(
            world
                .users
                .batches()
                .iter()
                .all(|batch| batch.validate_only)
        );
        assert_eq!(
            world.number("SELECT COUNT(*) FROM credentials").await,
            before
        );
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_write_accounts_imports_none() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let tokens = world.ada().await;
        let lines = vec![line("bob@example.com", "")];
        let denied = import(&world, &tokens.access_token, lines)
            .await
            .expect_err("refused");
        assert_eq!(Reason::of(&denied), Some(Reason::InsufficientScope));
        assert!(world.users.batches().is_empty());
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_importer_may_give_goes_along() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let token = admin(&world).await;
        let lines = vec![line("bob@example.com", "")];
        import(&world, &token, lines).await.expect("imports");
        let batches = world.users.batches();
        assert!(batches[0].administrator);
        assert!(batches[0].scopes.iter().any(|scope| scope == "users:write"));
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_is_answered_without_waiting_for_the_next() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let token = admin(&world).await;
        let (lines, body) = mpsc::channel(1);
        let mut client = ImportServiceClient::new(world.auth.backend.clone());
        let request: Request<_> = bearing(&token, ReceiverStream::new(body));
        let mut answers = client
            .import_users(request)
            .await
            .expect("begins")
            .into_inner();
        for n in 0..3 {
            lines
                .send(line(&format!("u{n}@example.com"), ""))
                .await
                .expect("takes it");
            let answer = tokio::time::timeout(Duration::from_secs(5), answers.message());
            let answer = answer
                .await
                .expect("in time")
                .expect("goes on")
                .expect("an answer");
            assert_eq!(answer.line, n + 1);
        }
        drop(lines);
        assert!(answers.message().await.expect("ends well").is_none());
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_ends_when_the_service_stops() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let token = admin(&world).await;
        let (lines, body) = mpsc::channel(1);
        let mut client = ImportServiceClient::new(world.auth.backend.clone());
        let request = bearing(&token, ReceiverStream::new(body));
        let mut answers = client
            .import_users(request)
            .await
            .expect("begins")
            .into_inner();
        world.frame.stop.cancel();
        let end = tokio::time::timeout(Duration::from_secs(5), answers.message());
        let status = end.await.expect("in time").expect_err("is cut off");
        assert_eq!(Reason::of(&status), Some(Reason::Unavailable));
        drop(lines);
        world.stop().await;
    }
}
