use portico_proto::{error::Reason, user::v1 as pb};
use serde_json::json;
use tonic::{Request, Status};

use crate::house::{House, answer, new_id, on_each, refused, with_token};

/// Every method, called for `id` with whatever `dress` puts on the request.
async fn call_all(house: &House, id: &str, dress: impl Fn(&mut Request<()>)) -> Vec<Call> {
    macro_rules! call {
        ($client:ident, $method:ident, $message:expr) => {{
            let mut clothes = Request::new(());
            dress(&mut clothes);
            let (metadata, extensions, ()) = clothes.into_parts();
            let request = Request::from_parts(metadata, extensions, $message);
            let result = answer(house.$client().$method(request).await).map(|_| ());
            Call {
                method: stringify!($method),
                result,
            }
        }};
    }
    let id = id.to_owned();
    let etag = "stale".to_owned();
    let user = pb::User {
        id: id.clone(),
        email: format!("{id}@example.org"),
        etag: etag.clone(),
        ..pb::User::default()
    };
    vec![
        call!(
            users,
            create_user,
            pb::CreateUserRequest {
                user: Some(user.clone()),
                ..pb::CreateUserRequest::default()
            }
        ),
        call!(
            users,
            get_user,
            pb::GetUserRequest {
                id: id.clone(),
                ..pb::GetUserRequest::default()
            }
        ),
        call!(
            users,
            batch_get_users,
            pb::BatchGetUsersRequest {
                ids: vec![id.clone()],
                read_mask: None,
            }
        ),
        call!(users, list_users, pb::ListUsersRequest::default()),
        call!(
            users,
            update_user,
            pb::UpdateUserRequest {
                user: Some(pb::User {
                    email: String::new(),
                    display_name: "Ada".into(),
                    ..user.clone()
                }),
                update_mask: None,
            }
        ),
        call!(
            users,
            delete_user,
            pb::DeleteUserRequest {
                id: id.clone(),
                etag: etag.clone()
            }
        ),
        call!(
            users,
            suspend_user,
            pb::SuspendUserRequest {
                id: id.clone(),
                etag: etag.clone()
            }
        ),
        call!(
            users,
            reactivate_user,
            pb::ReactivateUserRequest {
                id: id.clone(),
                etag
            }
        ),
        call!(
            provisioning,
            provision_user,
            pb::ProvisionUserRequest {
                id,
                user: Some(user)
            }
        ),
        call!(events, watch, pb::WatchRequest { after: 0 }),
    ]
}

struct Call {
    method: &'static str,
    result: Result<(), Status>,
}

/// Which methods let the call in, whatever became of it there.
fn let_in(calls: &[Call]) -> Vec<&'static str> {
    let kept_out = |call: &&Call| {
        let reason = call.result.as_ref().err().and_then(Reason::of);
        !matches!(
            reason,
            Some(Reason::InsufficientScope | Reason::InternalOnly)
        )
    };
    calls
        .iter()
        .filter(kept_out)
        .map(|call| call.method)
        .collect()
}

fn bearer(token: String) -> impl Fn(&mut Request<()>) {
    move |request| *request = with_token((), &token)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_nothing_is_answered() {
    on_each(async |house| {
        let user = house.create("ada@example.org").await;
        let calls = call_all(house, &user.id, |_| {}).await;
        assert_eq!(calls.len(), 10);
        for call in calls {
            refused(call.result, Reason::TokenMissing);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_token_is_as_good_as_none() {
    on_each(async |house| {
        let user = house.create("ada@example.org").await;
        let mut expired = house.claims(&user.id, "users:read users:write");
        expired["exp"] = json!(house.frame.clock.now().timestamp() - 3600);
        let mut elsewhere = house.claims(&user.id, "users:read users:write");
        elsewhere["aud"] = json!("another");
        let good = house.sign(&house.claims(&user.id, "users:read users:write"));
        let forged = format!("{}AAAA", &good[..good.len() - 4]);
        for (token, reason) in [
            (house.sign(&expired), Reason::TokenExpired),
            (house.sign(&elsewhere), Reason::TokenInvalid),
            (forged, Reason::TokenInvalid),
            ("x".into(), Reason::TokenInvalid),
        ] {
            for call in call_all(house, &user.id, bearer(token)).await {
                refused(call.result, reason);
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_let_in_to_herself_alone() {
    on_each(async |house| {
        let (ada, bob) = (
            house.create("ada@example.org").await,
            house.create("bob@example.org").await,
        );
        let token = house.sign(&house.claims(&ada.id, ""));
        for own in [ada.id.as_str(), &ada.id.to_uppercase()] {
            let calls = call_all(house, own, bearer(token.clone())).await;
            assert_eq!(let_in(&calls), ["get_user", "update_user", "delete_user"]);
        }
        let unknown = new_id();
        for other in [bob.id.as_str(), &unknown, "x"] {
            let calls = call_all(house, other, bearer(token.clone())).await;
            assert!(let_in(&calls).is_empty(), "{other}: {:?}", let_in(&calls));
        }
        assert_eq!(house.get(&bob.id).await.unwrap(), bob);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_scope_opens_its_own_methods() {
    on_each(async |house| {
        let user = house.create("ada@example.org").await;
        let open = async |scope: &str| {
            let token = house.sign(&house.claims(&new_id(), scope));
            let_in(&call_all(house, &user.id, bearer(token)).await)
        };
        assert_eq!(
            open("users:read").await,
            ["get_user", "batch_get_users", "list_users"]
        );
        assert_eq!(
            open("users:write").await,
            [
                "create_user",
                "update_user",
                "delete_user",
                "suspend_user",
                "reactivate_user"
            ]
        );
        assert!(open("roles:read sessions:write users").await.is_empty());
        // The mark of a service counts on a service's token alone.
        assert!(open(portico_caller::INTERNAL_SCOPE).await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_service_is_let_in_to_its_methods() {
    on_each(async |house| {
        let claims = house.claims("service:auth", portico_caller::INTERNAL_SCOPE);
        let calls = call_all(house, &new_id(), bearer(house.sign(&claims))).await;
        assert_eq!(let_in(&calls), ["provision_user", "watch"]);
        assert!(calls.iter().all(|call| {
            call.result.is_ok() == ["provision_user", "watch"].contains(&call.method)
        }));
    })
    .await;
}
