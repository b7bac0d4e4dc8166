use futures_util::future::join_all;
use portico_proto::{error::Reason, user::v1 as pb};
use tonic::Status;

use crate::house::{House, answer, on_each, refused};

async fn create(house: &House, caller: &str, key: &str, email: &str) -> Result<pb::User, Status> {
    let message = pb::CreateUserRequest {
        user: Some(pb::User {
            email: email.into(),
            ..pb::User::default()
        }),
        request_id: key.into(),
    };
    let request = house.request(caller, "users:write", message);
    answer(house.users().create_user(request).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_again_answers_the_same_account() {
    on_each(async |house| {
        let first = create(house, "one", "key", "ada@example.org")
            .await
            .unwrap();
        assert_eq!(
            create(house, "one", "key", "ada@example.org")
                .await
                .unwrap(),
            first
        );
        assert_eq!(
            house.list(0, "").await.unwrap().users,
            std::slice::from_ref(&first)
        );
        // One account, and so one event behind those of the three roles.
        let bob = house.create("bob@example.org").await;
        let events = house.read(0, 5).await;
        let ids: Vec<&str> = events[3..]
            .iter()
            .filter_map(|event| match &event.change {
                Some(pb::user_event::Change::User(change)) => change.user.as_ref(),
                _ => None,
            })
            .map(|user| user.id.as_str())
            .collect();
        assert_eq!(ids, [first.id.as_str(), bob.id.as_str()]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_for_another_request_is_refused() {
    on_each(async |house| {
        create(house, "one", "key", "ada@example.org")
            .await
            .unwrap();
        let other = create(house, "one", "key", "bob@example.org").await;
        refused(other, Reason::IdempotencyKeyReused);
        let spelled = create(house, "one", "key", "Ada@example.org").await;
        refused(spelled, Reason::IdempotencyKeyReused);
        assert_eq!(house.list(0, "").await.unwrap().users.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_two_callers_have_nothing_to_do_with_each_other() {
    on_each(async |house| {
        let one = create(house, "one", "key", "ada@example.org")
            .await
            .unwrap();
        let two = create(house, "two", "key", "bob@example.org")
            .await
            .unwrap();
        assert_ne!(one.id, two.id);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_does_not_spend_its_key() {
    on_each(async |house| {
        let bob = house.create("bob@example.org").await;
        let taken = create(house, "one", "key", "bob@example.org").await;
        refused(taken, Reason::EmailTaken);
        let moved = pb::User {
            email: "b@example.org".into(),
            ..bob
        };
        house.update(moved, &["email"]).await.unwrap();
        create(house, "one", "key", "bob@example.org")
            .await
            .unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_answers_the_account_as_it_is_now() {
    on_each(async |house| {
        let first = create(house, "one", "key", "ada@example.org")
            .await
            .unwrap();
        let changed = house.suspend(&first.id, "").await.unwrap();
        assert_eq!(
            create(house, "one", "key", "ada@example.org")
                .await
                .unwrap(),
            changed
        );
        house.delete(&first.id, "").await.unwrap();
        let gone = create(house, "one", "key", "ada@example.org").await;
        refused(gone, Reason::UserNotFound);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_many_times_at_once_makes_one_account() {
    on_each(async |house| {
        for round in 0..5 {
            let email = format!("{round}@example.org");
            let key = format!("key-{round}");
            let tries = (0..12).map(|_| create(house, "one", &key, &email));
            let users: Vec<pb::User> = join_all(tries)
                .await
                .into_iter()
                .map(Result::unwrap)
                .collect();
            assert!(users.iter().all(|user| *user == users[0]));
        }
        assert_eq!(house.list(0, "").await.unwrap().users.len(), 5);
    })
    .await;
}
