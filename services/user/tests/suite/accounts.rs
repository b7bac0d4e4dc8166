use portico_proto::{error::Reason, user::v1 as pb};

use crate::house::{House, answer, new_id, on_each, refused, refused_field};

fn account(email: &str) -> pb::User {
    pb::User {
        email: email.into(),
        ..pb::User::default()
    }
}

async fn create(house: &House, user: pb::User, key: &str) -> Result<pb::User, tonic::Status> {
    let request = pb::CreateUserRequest {
        user: Some(user),
        request_id: key.into(),
    };
    answer(house.users().create_user(house.admin(request)).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_created_account_can_be_read_back() {
    on_each(async |house| {
        let wanted = pb::User {
            email: "Ada.Lovelace@Example.org".into(),
            display_name: "Ada Łovelace 🎩".into(),
            locale: "en-GB".into(),
            time_zone: "Europe/London".into(),
            ..pb::User::default()
        };
        let created = create(house, wanted.clone(), "").await.unwrap();

        let now = house.frame.clock.now();
        let time = prost_types::Timestamp {
            seconds: now.timestamp(),
            nanos: now.timestamp_subsec_nanos().try_into().unwrap(),
        };
        assert_eq!(time.nanos, 123_456_000, "the clock has microseconds");
        let expected = pb::User {
            id: created.id.clone(),
            status: pb::UserStatus::Active.into(),
            roles: vec!["user".into()],
            create_time: Some(time),
            update_time: Some(time),
            etag: "1".into(),
            ..wanted
        };
        assert_eq!(created, expected);
        assert_eq!(
            uuid::Uuid::parse_str(&created.id)
                .unwrap()
                .get_version_num(),
            7
        );
        assert_eq!(house.get(&created.id).await.unwrap(), expected);
        assert_eq!(
            house.get(&created.id.to_uppercase()).await.unwrap(),
            expected
        );
        let me = pb::GetUserRequest {
            id: "me".into(),
            ..pb::GetUserRequest::default()
        };
        let own = house.users().get_user(house.person(&created.id, me)).await;
        assert_eq!(answer(own).unwrap(), expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_service_may_say_is_left_aside() {
    on_each(async |house| {
        let id = new_id();
        let user = pb::User {
            id: id.clone(),
            status: pb::UserStatus::Suspended.into(),
            roles: vec!["admin".into()],
            etag: "77".into(),
            create_time: Some(prost_types::Timestamp::default()),
            ..account("ada@example.org")
        };
        let created = create(house, user, "").await.unwrap();
        assert_ne!(created.id, id);
        assert_eq!(created.roles, ["user"]);
        assert_eq!(created.status(), pb::UserStatus::Active);
        assert_eq!(created.etag, "1");
        assert!(!created.email_verified);
        assert_ne!(created.create_time, Some(prost_types::Timestamp::default()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_address_is_refused_whatever_its_case() {
    on_each(async |house| {
        let first = house.create("ada@example.org").await;
        refused(
            house.try_create("ADA@example.ORG").await,
            Reason::EmailTaken,
        );
        house.delete(&first.id, "").await.unwrap();
        refused(
            house.try_create("ada@example.org").await,
            Reason::EmailTaken,
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_want_an_address_one_gets_it() {
    on_each(async |house| {
        let tries = (0..16).map(|_| house.try_create("ada@example.org"));
        let results = futures_util::future::join_all(tries).await;
        let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        for result in lost {
            refused(result, Reason::EmailTaken);
        }
        assert_eq!(house.list(0, "").await.unwrap().users.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_accounts_are_refused_by_field() {
    on_each(async |house| {
        let request = pb::CreateUserRequest::default();
        let none = house.users().create_user(house.admin(request)).await;
        refused_field(answer(none), "user");

        let long = format!("{}@example.org", "a".repeat(250));
        for email in [
            "",
            "ada",
            "ada@",
            "@example.org",
            "a da@example.org",
            "ada@exa_mple.org",
            &long,
        ] {
            refused_field(house.try_create(email).await, "user.email");
        }
        let good = || account("ada@example.org");
        let bad = [
            (
                "user.display_name",
                pb::User {
                    display_name: "a".repeat(201),
                    ..good()
                },
            ),
            (
                "user.display_name",
                pb::User {
                    display_name: "a\nb".into(),
                    ..good()
                },
            ),
            (
                "user.display_name",
                pb::User {
                    display_name: "a\u{7f}".into(),
                    ..good()
                },
            ),
            (
                "user.locale",
                pb::User {
                    locale: "de_AT".into(),
                    ..good()
                },
            ),
            (
                "user.locale",
                pb::User {
                    locale: "x".repeat(36),
                    ..good()
                },
            ),
            (
                "user.time_zone",
                pb::User {
                    time_zone: "Europe Vienna".into(),
                    ..good()
                },
            ),
            (
                "user.time_zone",
                pb::User {
                    time_zone: "a/".repeat(40) + "a",
                    ..good()
                },
            ),
            (
                "user.status",
                pb::User {
                    status: 77,
                    ..good()
                },
            ),
            (
                "user.etag",
                pb::User {
                    etag: "1".repeat(65),
                    ..good()
                },
            ),
        ];
        for (field, user) in bad {
            let result = create(house, user.clone(), "").await;
            assert!(result.is_err(), "{field}");
            let status = result.unwrap_err();
            let details = tonic_types::StatusExt::get_details_bad_request(&status).unwrap();
            assert!(!details.field_violations.is_empty());
            assert!(
                details.field_violations.iter().all(|v| v.field == field),
                "{status:?}"
            );
        }
        refused_field(create(house, good(), "two words").await, "request_id");
        refused_field(create(house, good(), &"k".repeat(129)).await, "request_id");
        assert!(house.list(0, "").await.unwrap().users.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_faults_are_told_together() {
    on_each(async |house| {
        let user = pb::User {
            display_name: "a\nb".into(),
            locale: "?".into(),
            ..account("none")
        };
        let status = create(house, user, "").await.unwrap_err();
        let details = tonic_types::StatusExt::get_details_bad_request(&status).unwrap();
        let mut fields: Vec<_> = details
            .field_violations
            .into_iter()
            .map(|v| v.field)
            .collect();
        fields.sort();
        assert_eq!(fields, ["user.display_name", "user.email", "user.locale"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_id_is_not_found_and_a_malformed_one_is_refused() {
    on_each(async |house| {
        refused(house.get(&new_id()).await, Reason::UserNotFound);
        refused(house.suspend(&new_id(), "").await, Reason::UserNotFound);
        refused(house.reactivate(&new_id(), "").await, Reason::UserNotFound);
        refused(house.delete(&new_id(), "").await, Reason::UserNotFound);
        for bad in ["x", "{0192f3a0-0000-7000-8000-000000000000}", "me2"] {
            refused_field(house.get(bad).await, "id");
            refused_field(house.suspend(bad, "").await, "id");
            refused_field(house.reactivate(bad, "").await, "id");
            refused_field(house.delete(bad, "").await, "id");
        }
        // Here nobody is `me`.
        refused_field(house.suspend("me", "").await, "id");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_keeps_the_order_and_names_what_is_missing() {
    on_each(async |house| {
        let (a, b) = (
            house.create("a@example.org").await,
            house.create("b@example.org").await,
        );
        let gone = house.create("c@example.org").await;
        house.delete(&gone.id, "").await.unwrap();
        let unknown = new_id();
        let batch = async |ids: Vec<String>| {
            let request = house.admin(pb::BatchGetUsersRequest {
                ids,
                read_mask: None,
            });
            answer(house.users().batch_get_users(request).await)
        };

        let ids = [&b.id, &unknown, &a.id, &gone.id, &b.id].map(Clone::clone);
        let answer = batch(ids.to_vec()).await.unwrap();
        assert_eq!(answer.users, [b.clone(), a, b]);
        assert_eq!(answer.missing_ids, [unknown, gone.id]);

        refused_field(batch(vec![]).await, "ids");
        refused_field(batch(vec![new_id(); 101]).await, "ids");
        refused_field(batch(vec![new_id(), "x".into()]).await, "ids[1]");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_is_one_statement() {
    on_each(async |house| {
        let a = house.create("a@example.org").await;
        house.forget_statements();
        house.get(&a.id).await.unwrap();
        assert_eq!(house.statements().len(), 1);
        house.list(10, "").await.unwrap();
        assert_eq!(house.statements().len(), 1);
        let request = house.admin(pb::BatchGetUsersRequest {
            ids: vec![a.id, new_id()],
            read_mask: None,
        });
        house.users().batch_get_users(request).await.unwrap();
        assert_eq!(house.statements().len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_account_is_gone() {
    on_each(async |house| {
        let user = house.create("ada@example.org").await;
        house.delete(&user.id, "").await.unwrap();
        refused(house.get(&user.id).await, Reason::UserNotFound);
        refused(house.delete(&user.id, "").await, Reason::UserNotFound);
        refused(house.suspend(&user.id, "").await, Reason::UserNotFound);
        refused(house.reactivate(&user.id, "").await, Reason::UserNotFound);
        refused(
            house.update(user.clone(), &["locale"]).await,
            Reason::UserNotFound,
        );
        assert!(house.list(0, "").await.unwrap().users.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn suspending_and_reactivating_may_be_repeated() {
    on_each(async |house| {
        let user = house.create("ada@example.org").await;
        let suspended = house.suspend(&user.id, &user.etag).await.unwrap();
        assert_eq!(suspended.status(), pb::UserStatus::Suspended);
        assert_eq!(suspended.etag, "2");
        assert_eq!(house.suspend(&user.id, "").await.unwrap(), suspended);
        assert_eq!(house.get(&user.id).await.unwrap(), suspended);
        let active = house.reactivate(&user.id, "2").await.unwrap();
        assert_eq!(active.status(), pb::UserStatus::Active);
        assert_eq!(active.etag, "3");
        assert_eq!(house.reactivate(&user.id, "").await.unwrap(), active);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_etag_changes_nothing() {
    on_each(async |house| {
        let user = house.create("ada@example.org").await;
        for etag in ["0", "2", "x", "01", "\"1\""] {
            refused(house.suspend(&user.id, etag).await, Reason::EtagMismatch);
            refused(house.reactivate(&user.id, etag).await, Reason::EtagMismatch);
            refused(house.delete(&user.id, etag).await, Reason::EtagMismatch);
            let change = pb::User {
                display_name: "Ada".into(),
                etag: etag.into(),
                ..user.clone()
            };
            refused(
                house.update(change, &["display_name"]).await,
                Reason::EtagMismatch,
            );
        }
        assert_eq!(house.get(&user.id).await.unwrap(), user);
        house.delete(&user.id, "1").await.unwrap();
    })
    .await;
}
