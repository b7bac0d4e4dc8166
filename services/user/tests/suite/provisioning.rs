use futures_util::future::join_all;
use portico_proto::{error::Reason, user::v1 as pb};
use portico_service::{Secret, database};
use portico_testing::databases;
use sea_orm::{ConnectionTrait, Statement};

use crate::house::{House, answer, new_id, on_each, refused, refused_field};

#[tokio::test(flavor = "multi_thread")]
async fn an_account_gets_the_id_and_the_roles_that_were_chosen() {
    on_each(async |house| {
        let id = new_id();
        let change = house
            .provision(&id, "ada@example.org", &["auditor", "admin"])
            .await
            .unwrap();
        assert_eq!(change.revision, 1);
        let user = change.user.unwrap();
        assert_eq!(user.id, id);
        assert_eq!(user.roles, ["admin", "auditor"]);
        assert_eq!(house.get(&id).await.unwrap(), user);
        let plain = house
            .provision(&new_id(), "bob@example.org", &[])
            .await
            .unwrap();
        assert_eq!(plain.user.unwrap().roles, ["user"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_may_be_repeated() {
    on_each(async |house| {
        let id = new_id();
        let first = house.provision(&id, "ada@example.org", &[]).await.unwrap();
        assert_eq!(
            house.provision(&id, "ADA@example.org", &[]).await.unwrap(),
            first
        );
        let suspended = house.suspend(&id, "").await.unwrap();
        let again = house.provision(&id, "ada@example.org", &[]).await.unwrap();
        assert_eq!(again.user, Some(suspended));
        assert_eq!(again.revision, 2);
        house.delete(&id, "").await.unwrap();
        let gone = house.provision(&id, "ada@example.org", &[]).await.unwrap();
        assert_eq!(gone.user.unwrap().status(), pb::UserStatus::Deleted);
        assert_eq!(gone.revision, 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_or_an_id_of_somebody_else_is_refused() {
    on_each(async |house| {
        let id = new_id();
        house.provision(&id, "ada@example.org", &[]).await.unwrap();
        house.create("bob@example.org").await;
        let taken = house.provision(&new_id(), "ADA@example.org", &[]).await;
        refused(taken, Reason::EmailTaken);
        for email in ["bob@example.org", "new@example.org"] {
            let other = house.provision(&id, email, &[]).await;
            refused(other, Reason::IdempotencyKeyReused);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_refused_by_field() {
    on_each(async |house| {
        let id = new_id();
        refused_field(house.provision("me", "ada@example.org", &[]).await, "id");
        refused_field(house.provision(&id, "ada", &[]).await, "user.email");
        refused_field(house.provision(&id, "", &[]).await, "user.email");
        refused_field(
            house.provision(&id, "ada@example.org", &["nobody"]).await,
            "user.roles",
        );
        refused_field(
            house.provision(&id, "ada@example.org", &["Bad"]).await,
            "user.roles[0]",
        );
        let none = pb::ProvisionUserRequest {
            id: id.clone(),
            user: None,
        };
        let none = house
            .provisioning()
            .provision_user(house.service(none))
            .await;
        refused_field(answer(none), "user");
        refused(house.get(&id).await, Reason::UserNotFound);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_make_one_account() {
    on_each(async |house| {
        let id = new_id();
        let tries = (0..16).map(|_| house.provision(&id, "ada@example.org", &[]));
        let changes: Vec<pb::UserChange> = join_all(tries)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert!(changes.iter().all(|change| *change == changes[0]));
        assert_eq!(house.list(0, "").await.unwrap().users.len(), 1);
    })
    .await;
}

/// Registration answers alike for both, and a commit takes longer than anything else that it waits for.
#[tokio::test(flavor = "multi_thread")]
async fn a_taken_address_costs_a_commit_as_a_free_one_does() {
    for database in databases() {
        let (name, url) = (database.name, database.url.clone());
        let house = House::open(database).await;
        let email = "ada@example.org";
        let account = house.create(email).await;
        let statements = async |email: &str| {
            house.forget_statements();
            let answer = house.provision(&new_id(), email, &[]).await;
            (answer, house.statements().len())
        };
        // What tells one commit from the next.
        let sql = match name {
            "sqlite" => "PRAGMA data_version",
            _ => "SELECT COALESCE(MAX(xmin::text::bigint), 0) FROM idempotency",
        };
        let watcher = database::connect(&Secret::from(url), 1).await.unwrap();
        let version = async || {
            let statement = Statement::from_string(watcher.get_database_backend(), sql);
            let row = watcher.query_one_raw(statement).await.unwrap().unwrap();
            row.try_get_by_index::<i64>(0).unwrap()
        };

        let mut before = version().await;
        let mut for_taken = 0;
        for _ in 0..3 {
            let taken;
            (taken, for_taken) = statements(email).await;
            refused(taken, Reason::EmailTaken);
            let after = version().await;
            assert_ne!(after, before, "{name}");
            before = after;
        }
        let (free, for_free) = statements("bob@example.org").await;
        free.unwrap();
        assert!(for_taken.abs_diff(for_free) <= 1, "{for_taken} {for_free}");
        assert_eq!(house.get(&account.id).await.unwrap(), account);
        watcher.close().await.unwrap();
        house.close().await;
    }
}

fn confirm(id: &str, email: &str, previous: &str) -> pb::ConfirmEmailRequest {
    pb::ConfirmEmailRequest {
        id: id.into(),
        email: email.into(),
        previous_email: previous.into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proved_address_is_verified_and_may_be_another_one() {
    on_each(async |house| {
        let user = house.create("ada@example.org").await;
        house.create("bob@example.org").await;
        let ask = async |email: &str, previous: &str| {
            let request = house.service(confirm(&user.id, email, previous));
            let answered = answer(house.provisioning().confirm_email(request).await);
            answered.map(|answer| answer.change.unwrap())
        };
        let verified = ask("ADA@example.org", "ada@example.org").await.unwrap();
        assert_eq!(verified.revision, 2);
        assert!(verified.user.as_ref().unwrap().email_verified);
        assert_eq!(verified.user.as_ref().unwrap().email, "ada@example.org");
        assert_eq!(
            ask("ada@example.org", "ada@example.org").await.unwrap(),
            verified,
            "repeating it changes nothing"
        );

        refused(
            ask("bob@example.org", "ada@example.org").await,
            Reason::EmailTaken,
        );
        let moved = ask("new@example.org", "ada@example.org").await.unwrap();
        assert_eq!(moved.revision, 3);
        assert_eq!(moved.user.as_ref().unwrap().email, "new@example.org");
        assert_eq!(
            ask("new@example.org", "ada@example.org").await.unwrap(),
            moved
        );
        refused(
            ask("third@example.org", "ada@example.org").await,
            Reason::StatusConflict,
        );

        let request = house.service(confirm(&new_id(), "x@example.org", "x@example.org"));
        let unknown = house.provisioning().confirm_email(request).await;
        refused(answer(unknown), Reason::UserNotFound);
        let mistyped = house.service(confirm(&user.id, "no address", "new@example.org"));
        let mistyped = house.provisioning().confirm_email(mistyped).await;
        refused_field(answer(mistyped), "email");
        let person = house.person(
            &user.id,
            confirm(&user.id, "mine@example.org", "new@example.org"),
        );
        let person = house.provisioning().confirm_email(person).await;
        refused(answer(person), Reason::InternalOnly);
    })
    .await;
}
