use futures_util::future::join_all;
use portico_proto::{error::Reason, user::v1 as pb};
use sea_orm::ConnectionTrait;

use crate::house::{House, answer, on_each, refused, refused_field};

async fn ada(house: &House) -> pb::User {
    let request = pb::CreateUserRequest {
        user: Some(pb::User {
            email: "ada@example.org".into(),
            display_name: "Ada".into(),
            locale: "en".into(),
            time_zone: "Europe/London".into(),
            ..pb::User::default()
        }),
        ..pb::CreateUserRequest::default()
    };
    answer(house.users().create_user(house.admin(request)).await).unwrap()
}

/// The account with nothing but its id and the name.
fn named(user: &pb::User, name: &str) -> pb::User {
    pb::User {
        id: user.id.clone(),
        display_name: name.into(),
        ..pb::User::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mask_names_what_changes() {
    on_each(async |house| {
        let user = ada(house).await;
        house.clock.advance(std::time::Duration::from_secs(1));
        let wanted = pb::User {
            locale: "de".into(),
            ..named(&user, "Augusta")
        };
        let changed = house.update(wanted, &["display_name"]).await.unwrap();
        assert_eq!(changed.display_name, "Augusta");
        assert_eq!(changed.locale, "en");
        assert_eq!(changed.etag, "2");
        assert_eq!(changed.create_time, user.create_time);
        let (before, after) = (user.update_time.unwrap(), changed.update_time.unwrap());
        assert_eq!(after.seconds, before.seconds + 1);
        assert_eq!(house.get(&user.id).await.unwrap(), changed);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_field_without_a_value_is_cleared() {
    on_each(async |house| {
        let user = ada(house).await;
        let cleared = house
            .update(named(&user, ""), &["display_name", "locale", "time_zone"])
            .await
            .unwrap();
        assert_eq!(
            (
                &*cleared.display_name,
                &*cleared.locale,
                &*cleared.time_zone
            ),
            ("", "", "")
        );
        assert_eq!(cleared.email, user.email);
        refused_field(
            house.update(named(&user, ""), &["email"]).await,
            "user.email",
        );
        // What administrators alone set is no part of everything while it has no value.
        let all = house.update(named(&user, ""), &["*"]).await.unwrap();
        assert_eq!(all.email, user.email);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_star_changes_everything_that_may_be() {
    on_each(async |house| {
        let user = ada(house).await;
        let wanted = pb::User {
            email: "augusta@example.org".into(),
            status: pb::UserStatus::Suspended.into(),
            roles: vec!["admin".into()],
            ..named(&user, "Augusta")
        };
        let changed = house.update(wanted, &["*"]).await.unwrap();
        let expected = pb::User {
            email: "augusta@example.org".into(),
            display_name: "Augusta".into(),
            locale: String::new(),
            time_zone: String::new(),
            etag: "2".into(),
            ..user
        };
        assert_eq!(changed, expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_mask_what_has_a_value_changes() {
    on_each(async |house| {
        let user = ada(house).await;
        let request = pb::UpdateUserRequest {
            user: Some(named(&user, "Augusta")),
            update_mask: None,
        };
        let changed = answer(house.users().update_user(house.admin(request)).await).unwrap();
        assert_eq!(changed.display_name, "Augusta");
        assert_eq!(changed.locale, "en");
        let changed = house.update(named(&user, "Ada"), &[]).await.unwrap();
        assert_eq!(changed.display_name, "Ada");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mask_with_anything_else_is_refused() {
    on_each(async |house| {
        let user = ada(house).await;
        for path in [
            "id",
            "status",
            "roles",
            "create_time",
            "update_time",
            "public_metadata.",
            "private_metadata.a b",
            "delete_time",
            "purge_time",
            "displayName",
            "user.email",
            "email.x",
            "",
            "nothing",
            "**",
        ] {
            let result = house
                .update(named(&user, "Augusta"), &["display_name", path])
                .await;
            refused_field(result, "update_mask");
        }
        assert_eq!(house.get(&user.id).await.unwrap(), user);
        // The etag is a condition; a client that sends it back names it.
        let changed = house
            .update(named(&user, "Augusta"), &["display_name", "etag"])
            .await;
        assert_eq!(changed.unwrap().etag, "2");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_values_are_refused_by_field() {
    on_each(async |house| {
        let user = ada(house).await;
        let bad = [
            (
                "user.email",
                pb::User {
                    email: "x".into(),
                    ..named(&user, "")
                },
            ),
            ("user.display_name", named(&user, "a\tb")),
            (
                "user.locale",
                pb::User {
                    locale: "1".into(),
                    ..named(&user, "")
                },
            ),
            (
                "user.time_zone",
                pb::User {
                    time_zone: " ".into(),
                    ..named(&user, "")
                },
            ),
        ];
        for (field, change) in bad {
            refused_field(house.update(change, &["*", "email"]).await, field);
        }
        let request = pb::UpdateUserRequest::default();
        refused_field(
            answer(house.users().update_user(house.admin(request)).await),
            "user",
        );
        let malformed = pb::User {
            id: "x".into(),
            ..user.clone()
        };
        refused_field(house.update(malformed, &["locale"]).await, "user.id");
        assert_eq!(house.get(&user.id).await.unwrap(), user);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_address_has_to_be_verified_again() {
    on_each(async |house| {
        let user = ada(house).await;
        house
            .db
            .execute_unprepared("UPDATE users SET email_verified = TRUE")
            .await
            .unwrap();
        let with = |email: &str| pb::User {
            email: email.into(),
            ..named(&user, "")
        };
        let spelled = house
            .update(with("Ada@example.org"), &["email"])
            .await
            .unwrap();
        assert!(spelled.email_verified);
        assert_eq!(spelled.email, "Ada@example.org");
        let moved = house
            .update(with("ada@example.com"), &["email"])
            .await
            .unwrap();
        assert!(!moved.email_verified);
        // The old address is free, the new one is not.
        house.create("ada@example.org").await;
        refused(
            house.try_create("ada@example.com").await,
            Reason::EmailTaken,
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_accounts_address_is_refused() {
    on_each(async |house| {
        let (user, _other) = (ada(house).await, house.create("bob@example.org").await);
        let change = pb::User {
            email: "BOB@example.org".into(),
            ..named(&user, "")
        };
        refused(house.update(change, &["email"]).await, Reason::EmailTaken);
        assert_eq!(house.get(&user.id).await.unwrap(), user);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_changes_herself_as_me_and_nobody_else() {
    on_each(async |house| {
        let (user, other) = (ada(house).await, house.create("bob@example.org").await);
        let update = async |id: &str| {
            let request = pb::UpdateUserRequest {
                user: Some(pb::User {
                    id: id.into(),
                    display_name: "Countess".into(),
                    ..pb::User::default()
                }),
                update_mask: None,
            };
            answer(
                house
                    .users()
                    .update_user(house.person(&user.id, request))
                    .await,
            )
        };
        assert_eq!(update("me").await.unwrap().display_name, "Countess");
        assert_eq!(update(&user.id).await.unwrap().id, user.id);
        refused(update(&other.id).await, Reason::InsufficientScope);
    })
    .await;
}

/// Whoever holds a session for a moment must not come by the account for good: links to new passwords go to
/// its address.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_changes_her_own_address_without_proving_the_new_one() {
    on_each(async |house| {
        let user = ada(house).await;
        let try_as = async |scope: &str, paths: &[&str]| {
            let request = pb::UpdateUserRequest {
                user: Some(pb::User {
                    id: "me".into(),
                    email: "mallory@example.com".into(),
                    display_name: "Ada".into(),
                    ..pb::User::default()
                }),
                update_mask: Some(prost_types::FieldMask {
                    paths: paths.iter().map(ToString::to_string).collect(),
                }),
            };
            let request = house.request(&user.id, scope, request);
            answer(house.users().update_user(request).await)
        };
        for paths in [&["email"][..], &["display_name", "email"], &["*"], &[]] {
            refused(try_as("", paths).await, Reason::InsufficientScope);
            refused(
                try_as("users:read roles:write", paths).await,
                Reason::InsufficientScope,
            );
        }
        assert_eq!(house.get(&user.id).await.unwrap(), user);
        // Who may write every account may write her own.
        let moved = try_as("users:write", &["email"]).await.unwrap();
        assert_eq!(
            (moved.email.as_str(), moved.email_verified),
            ("mallory@example.com", false)
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_values_again_are_no_change() {
    on_each(async |house| {
        let user = ada(house).await;
        assert_eq!(house.update(user.clone(), &["*"]).await.unwrap(), user);
        let events = house.read(0, 4).await;
        house.create("bob@example.org").await;
        let later = house.read(events[3].sequence, 1).await;
        assert!(
            matches!(&later[0].change, Some(pb::user_event::Change::User(change))
            if change.user.as_ref().is_some_and(|user| user.email == "bob@example.org"))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_writers_with_one_etag_one_wins() {
    on_each(async |house| {
        let mut user = ada(house).await;
        for round in 0..1000 {
            let write = |name: &str| {
                let change = pb::User {
                    etag: user.etag.clone(),
                    ..named(&user, &format!("{name} {round}"))
                };
                async move { house.update(change, &["display_name"]).await }
            };
            let (a, b) = tokio::join!(write("a"), write("b"));
            let (won, lost) = if a.is_ok() { (a, b) } else { (b, a) };
            refused(lost, Reason::EtagMismatch);
            let won = won.unwrap();
            assert_eq!(house.get(&user.id).await.unwrap(), won);
            user = won;
        }
        assert_eq!(user.etag, "1001");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_etag_every_writer_wins_in_turn() {
    on_each(async |house| {
        let user = ada(house).await;
        let writes = (0..32).map(|n| {
            let change = named(&user, &format!("name {n}"));
            async move { house.update(change, &["display_name"]).await.unwrap().etag }
        });
        let mut etags: Vec<i64> = join_all(writes)
            .await
            .iter()
            .map(|etag| etag.parse().unwrap())
            .collect();
        etags.sort_unstable();
        assert_eq!(etags, (2..=33).collect::<Vec<i64>>());
    })
    .await;
}
