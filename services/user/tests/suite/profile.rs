use portico_proto::{error::Reason, user::v1 as pb};
use prost_types::{FieldMask, Struct, Value, value::Kind};
use tonic::Status;

use crate::house::{House, answer, on_each, refused, refused_field};

/// An object of texts, where an empty one is `null`.
fn object(members: &[(&str, &str)]) -> Struct {
    let value = |text: &str| match text {
        "" => Kind::NullValue(0),
        text => Kind::StringValue(text.into()),
    };
    let fields = members.iter().map(|(name, text)| {
        let kind = Some(value(text));
        (ToString::to_string(name), Value { kind })
    });
    Struct {
        fields: fields.collect(),
    }
}

fn whole() -> pb::User {
    pb::User {
        email: "ada@example.org".into(),
        email_verified: true,
        username: "Ada.L".into(),
        display_name: "Ada Lovelace".into(),
        given_name: "Ada".into(),
        family_name: "Lovelace".into(),
        picture: "https://example.org/ada.png".into(),
        phone: "+436601234567".into(),
        locale: "en".into(),
        time_zone: "Europe/London".into(),
        public_metadata: Some(object(&[("theme", "dark")])),
        private_metadata: Some(object(&[("plan", "gold")])),
        ..pb::User::default()
    }
}

async fn create(house: &House, user: pb::User) -> Result<pb::User, Status> {
    let request = house.admin(pb::CreateUserRequest {
        user: Some(user),
        ..pb::CreateUserRequest::default()
    });
    answer(house.users().create_user(request).await)
}

async fn patch(
    house: &House,
    scope: &str,
    user: &pb::User,
    mask: &[&str],
) -> Result<pb::User, Status> {
    let message = pb::UpdateUserRequest {
        user: Some(user.clone()),
        update_mask: Some(FieldMask {
            paths: mask.iter().map(ToString::to_string).collect(),
        }),
    };
    let request = house.request(&user.id, scope, message);
    answer(house.users().update_user(request).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_said_is_kept() {
    on_each(async |house| {
        let created = create(house, whole()).await.unwrap();
        let expected = pb::User {
            id: created.id.clone(),
            status: pb::UserStatus::Active.into(),
            roles: vec!["user".into()],
            create_time: created.create_time,
            update_time: created.update_time,
            etag: "1".into(),
            ..whole()
        };
        assert_eq!(created, expected);
        assert_eq!(house.get(&created.id).await.unwrap(), expected);
        let event = house.read(3, 1).await.remove(0);
        let Some(pb::user_event::Change::User(change)) = event.change else {
            panic!("an account was created");
        };
        assert_eq!(change.user, Some(expected));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_username_is_unique_whatever_its_case() {
    on_each(async |house| {
        let ada = create(house, whole()).await.unwrap();
        let bob = pb::User {
            email: "bob@example.org".into(),
            username: "aDA.l".into(),
            ..pb::User::default()
        };
        refused(create(house, bob.clone()).await, Reason::UsernameTaken);
        let other = house.create("bob@example.org").await;
        let change = pb::User {
            id: other.id.clone(),
            ..bob
        };
        refused(
            house.update(change.clone(), &["username"]).await,
            Reason::UsernameTaken,
        );
        // Both are taken: the address is told.
        let both = pb::User {
            email: "ADA@example.org".into(),
            ..change.clone()
        };
        refused(create(house, both).await, Reason::EmailTaken);
        let freed = pb::User {
            username: String::new(),
            ..ada
        };
        house.update(freed, &["username"]).await.unwrap();
        let taken = house.update(change, &["username"]).await.unwrap();
        assert_eq!(taken.username, "aDA.l");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_is_patched_by_member() {
    on_each(async |house| {
        let ada = create(house, whole()).await.unwrap();
        let change = async |members: &[(&str, &str)], mask: &[&str]| {
            let user = pb::User {
                id: ada.id.clone(),
                public_metadata: (!members.is_empty()).then(|| object(members)),
                ..pb::User::default()
            };
            let changed = house.update(user, mask).await.unwrap();
            assert_eq!(changed.private_metadata, whole().private_metadata);
            assert_eq!(house.get(&ada.id).await.unwrap(), changed);
            changed.public_metadata
        };
        let all = change(&[("size", "3"), ("gone", "")], &["public_metadata"]).await;
        assert_eq!(all, Some(object(&[("theme", "dark"), ("size", "3")])));
        let one = change(
            &[("theme", "light"), ("size", "9")],
            &["public_metadata.theme"],
        )
        .await;
        assert_eq!(one, Some(object(&[("theme", "light"), ("size", "3")])));
        let without = change(&[("size", "")], &["public_metadata"]).await;
        assert_eq!(without, Some(object(&[("theme", "light")])));
        let quoted = change(&[("a.b", "c")], &["public_metadata.`a.b`"]).await;
        assert_eq!(quoted, Some(object(&[("theme", "light"), ("a.b", "c")])));
        assert_eq!(change(&[], &["public_metadata"]).await, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_is_written_by_administrators_and_the_private_one_seen_by_them_alone() {
    on_each(async |house| {
        let ada = create(house, whole()).await.unwrap();
        for field in ["public_metadata", "private_metadata.plan", "email_verified"] {
            let change = pb::User {
                email_verified: false,
                public_metadata: Some(object(&[("theme", "light")])),
                private_metadata: Some(object(&[("plan", "silver")])),
                ..ada.clone()
            };
            refused(
                patch(house, "", &change, &[field]).await,
                Reason::InsufficientScope,
            );
        }
        // What one has already may be sent along.
        let whole = patch(house, "", &ada, &["*"]).await.unwrap();
        assert_eq!(
            (whole.etag, whole.private_metadata),
            (ada.etag.clone(), None)
        );
        let seen = patch(house, "", &ada, &["display_name"]).await.unwrap();
        assert_eq!(seen.private_metadata, None);
        assert_eq!(seen.public_metadata, ada.public_metadata);
        let me = house.person(
            &ada.id,
            pb::GetUserRequest {
                id: "me".into(),
                ..pb::GetUserRequest::default()
            },
        );
        let me = answer(house.users().get_user(me).await).unwrap();
        assert_eq!(me, seen);
        // Writing is not reading.
        let written = patch(house, "users:write", &ada, &["private_metadata"])
            .await
            .unwrap();
        assert_eq!(written.private_metadata, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_out_of_bounds_are_named() {
    on_each(async |house| {
        let ada = create(house, whole()).await.unwrap();
        let large = "x".repeat(16 * 1024);
        let deep = (0..9).fold(object(&[("a", "b")]), |inner, _| Struct {
            fields: [(
                "a".to_owned(),
                Value {
                    kind: Some(Kind::StructValue(inner)),
                },
            )]
            .into(),
        });
        let number = Value {
            kind: Some(Kind::NumberValue(f64::NAN)),
        };
        let base = || pb::User {
            id: ada.id.clone(),
            ..pb::User::default()
        };
        for (field, user) in [
            (
                "username",
                pb::User {
                    username: "a b".into(),
                    ..base()
                },
            ),
            (
                "picture",
                pb::User {
                    picture: "javascript:alert(1)".into(),
                    ..base()
                },
            ),
            (
                "phone",
                pb::User {
                    phone: "0660".into(),
                    ..base()
                },
            ),
            (
                "family_name",
                pb::User {
                    family_name: "a\0".into(),
                    ..base()
                },
            ),
            (
                "public_metadata",
                pb::User {
                    public_metadata: Some(object(&[("a", &large)])),
                    ..base()
                },
            ),
            (
                "private_metadata",
                pb::User {
                    private_metadata: Some(deep),
                    ..base()
                },
            ),
            (
                "public_metadata",
                pb::User {
                    public_metadata: Some(Struct {
                        fields: [("a".to_owned(), number)].into(),
                    }),
                    ..base()
                },
            ),
        ] {
            let path = format!("user.{field}");
            refused_field(house.update(user.clone(), &[field]).await, &path);
            let new = pb::User {
                email: "new@example.org".into(),
                ..user
            };
            refused_field(create(house, new).await, &path);
        }
        // Two halves that fit make a whole that does not.
        let half = |name: &str| pb::User {
            public_metadata: Some(object(&[(name, &large[..9000])])),
            ..base()
        };
        house.update(half("a"), &["public_metadata"]).await.unwrap();
        refused_field(
            house.update(half("b"), &["public_metadata"]).await,
            "user.public_metadata",
        );
    })
    .await;
}
