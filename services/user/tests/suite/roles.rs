//! Roles: what they are, and who holds them.

mod reach;

use portico_proto::{
    error::Reason,
    user::v1::{self as pb, role_service_client::RoleServiceClient, user_event::Change},
};
use portico_service::Backend;
use tonic::{Request, Status};

use crate::house::{House, answer, new_id, on_each, refused, refused_field, with_token};

/// What an administrator's token holds.
const ALL: &str = "clients:read clients:write roles:read roles:write service-accounts:read \
                   service-accounts:write sessions:read sessions:write users:read users:write";

fn roles(house: &House) -> RoleServiceClient<Backend> {
    RoleServiceClient::new(house.backend.clone())
}

/// A request of somebody who holds the role `admin`, with a token of those scopes.
fn admin_with<T>(house: &House, scope: &str, message: T) -> Request<T> {
    let mut claims = house.claims("01900000-0000-7000-8000-00000000ad00", scope);
    claims["roles"] = serde_json::json!(["admin"]);
    with_token(message, &house.sign(&claims))
}

fn admin<T>(house: &House, message: T) -> Request<T> {
    admin_with(house, ALL, message)
}

/// A request of somebody who may change roles and holds those other scopes.
fn keeper<T>(house: &House, scopes: &str, message: T) -> Request<T> {
    house.request(
        &new_id(),
        &format!("roles:read roles:write {scopes}"),
        message,
    )
}

fn role(name: &str, scopes: &[&str]) -> pb::Role {
    pb::Role {
        name: name.into(),
        scopes: scopes.iter().map(ToString::to_string).collect(),
        ..pb::Role::default()
    }
}

fn create(role: pb::Role) -> pb::CreateRoleRequest {
    pb::CreateRoleRequest {
        role: Some(role),
        request_id: String::new(),
    }
}

fn update(role: pb::Role, mask: &[&str]) -> pb::UpdateRoleRequest {
    pb::UpdateRoleRequest {
        role: Some(role),
        update_mask: Some(prost_types::FieldMask {
            paths: mask.iter().map(ToString::to_string).collect(),
        }),
    }
}

fn grant(user_id: &str, role: &str) -> pb::GrantRoleRequest {
    pb::GrantRoleRequest {
        user_id: user_id.into(),
        role: role.into(),
        etag: String::new(),
    }
}

fn revoke(user_id: &str, role: &str) -> pb::RevokeRoleRequest {
    pb::RevokeRoleRequest {
        user_id: user_id.into(),
        role: role.into(),
        etag: String::new(),
    }
}

async fn made(house: &House, name: &str, scopes: &[&str]) -> pb::Role {
    let request = admin(house, create(role(name, scopes)));
    answer(roles(house).create_role(request).await).unwrap()
}

async fn granted(house: &House, id: &str, role: &str) -> Result<pb::User, Status> {
    answer(roles(house).grant_role(admin(house, grant(id, role))).await)
}

async fn revoked(house: &House, id: &str, role: &str) -> Result<pb::User, Status> {
    answer(
        roles(house)
            .revoke_role(admin(house, revoke(id, role)))
            .await,
    )
}

async fn delete(house: &House, name: &str) -> Result<(), Status> {
    let request = pb::DeleteRoleRequest {
        name: name.into(),
        etag: String::new(),
    };
    answer(roles(house).delete_role(admin(house, request)).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_made_read_changed_and_deleted() {
    on_each(async |house| {
        let made = made(house, "shipping", &["orders:read", "orders:write"]).await;
        assert!(!made.built_in && made.create_time.is_some());
        let get = async || {
            let name = "shipping".into();
            let request = admin(house, pb::GetRoleRequest { name });
            answer(roles(house).get_role(request).await)
        };
        assert_eq!(get().await.unwrap(), made);

        let mut wanted = role("shipping", &["orders:read"]);
        wanted.description = "May look at orders.".into();
        wanted.etag = made.etag.clone();
        let request = admin(house, update(wanted.clone(), &["scopes", "description"]));
        let changed = answer(roles(house).update_role(request).await).unwrap();
        assert_eq!(changed.scopes, ["orders:read"]);
        assert_eq!(changed.description, "May look at orders.");
        let request = admin(house, update(wanted, &["scopes"]));
        refused(
            answer(roles(house).update_role(request).await),
            Reason::EtagMismatch,
        );

        delete(house, "shipping").await.unwrap();
        refused(get().await, Reason::RoleNotFound);
        refused(delete(house, "shipping").await, Reason::RoleNotFound);

        // Each change is an event, and so is the end.
        let told: Vec<Change> = house
            .read(0, 6)
            .await
            .into_iter()
            .filter_map(|e| e.change)
            .collect();
        assert_eq!(told[3], Change::Role(made));
        assert_eq!(told[4], Change::Role(changed));
        let name = "shipping".into();
        assert_eq!(told[5], Change::DeletedRole(pb::RoleDeletion { name }));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_listed_by_name_page_by_page() {
    on_each(async |house| {
        for name in ["b", "z", "m"] {
            made(house, name, &[]).await;
        }
        let (mut names, mut token) = (Vec::new(), String::new());
        loop {
            let request = pb::ListRolesRequest {
                page_size: 2,
                page_token: token,
            };
            let page = answer(roles(house).list_roles(admin(house, request)).await).unwrap();
            names.extend(page.roles.into_iter().map(|role| role.name));
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(names, ["admin", "auditor", "b", "m", "user", "z"]);
        for page_token in ["x", "cm9sZXM6", "!"] {
            let request = pb::ListRolesRequest {
                page_size: 2,
                page_token: page_token.into(),
            };
            let answer = answer(roles(house).list_roles(admin(house, request)).await);
            refused_field(answer, "page_token");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_given_once_and_a_key_makes_one_role() {
    on_each(async |house| {
        made(house, "shipping", &["orders:read"]).await;
        let again = admin(house, create(role("shipping", &["orders:read"])));
        refused(
            answer(roles(house).create_role(again).await),
            Reason::RoleExists,
        );
        let with_key = |role: pb::Role| {
            let mut request = create(role);
            request.request_id = "key-1".into();
            admin(house, request)
        };
        let first = answer(
            roles(house)
                .create_role(with_key(role("packing", &["a:b"])))
                .await,
        );
        let second = answer(
            roles(house)
                .create_role(with_key(role("packing", &["a:b"])))
                .await,
        );
        assert_eq!(first.unwrap(), second.unwrap());
        let other = answer(
            roles(house)
                .create_role(with_key(role("packing", &["a:c"])))
                .await,
        );
        refused(other, Reason::IdempotencyKeyReused);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_built_in_stays_as_it_is() {
    on_each(async |house| {
        for name in ["admin", "auditor", "user"] {
            let request = admin(house, update(role(name, &["users:read"]), &["scopes"]));
            refused(
                answer(roles(house).update_role(request).await),
                Reason::RoleBuiltIn,
            );
            refused(delete(house, name).await, Reason::RoleBuiltIn);
            let name = name.to_owned();
            let request = admin(house, pb::GetRoleRequest { name });
            assert!(
                answer(roles(house).get_role(request).await)
                    .unwrap()
                    .built_in
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_of_services_are_in_no_role() {
    on_each(async |house| {
        for reserved in ["portico.internal", "portico:anything", "portico.a.b"] {
            let request = admin(house, create(role("sneaky", &["a:b", reserved])));
            let answer = answer(roles(house).create_role(request).await);
            refused_field(answer, "role.scopes[1]");
        }
        made(house, "sneaky", &["a:b"]).await;
        let request = admin(
            house,
            update(role("sneaky", &["portico.internal"]), &["scopes"]),
        );
        let answer = answer(roles(house).update_role(request).await);
        refused_field(answer, "role.scopes[0]");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_scope_no_name_or_no_mask_is_named() {
    on_each(async |house| {
        for scope in ["Orders:read", "orders read", "orders:", "", "öl:read"] {
            let request = admin(house, create(role("x", &[scope])));
            let answer = answer(roles(house).create_role(request).await);
            refused_field(answer, "role.scopes[0]");
        }
        for name in ["", "Admin", "a b", "9"] {
            let request = admin(house, create(role(name, &[])));
            refused_field(answer(roles(house).create_role(request).await), "role.name");
        }
        made(house, "x", &[]).await;
        let request = admin(house, update(role("x", &[]), &["built_in"]));
        refused_field(
            answer(roles(house).update_role(request).await),
            "update_mask",
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_holds_so_many_roles_and_no_more() {
    on_each(async |house| {
        let ada = house.create("ada@example.org").await;
        for n in 1..32 {
            made(house, &format!("r{n}"), &[]).await;
            granted(house, &ada.id, &format!("r{n}")).await.unwrap();
        }
        made(house, "more", &[]).await;
        refused_field(granted(house, &ada.id, "more").await, "role");
        granted(house, &ada.id, "r1").await.unwrap();
        assert_eq!(house.get(&ada.id).await.unwrap().roles.len(), 32);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_an_event_and_the_same_again_is_none() {
    on_each(async |house| {
        let ada = house.create("ada@example.org").await;
        let auditor = granted(house, &ada.id, "auditor").await.unwrap();
        assert_eq!(auditor.roles, ["auditor", "user"]);
        assert_eq!(granted(house, &ada.id, "auditor").await.unwrap(), auditor);
        let plain = revoked(house, &ada.id, "auditor").await.unwrap();
        assert_eq!(plain.roles, ["user"]);
        assert_eq!(revoked(house, &ada.id, "auditor").await.unwrap(), plain);
        let stale = pb::GrantRoleRequest {
            etag: ada.etag.clone(),
            ..grant(&ada.id, "auditor")
        };
        let stale = answer(roles(house).grant_role(admin(house, stale)).await);
        refused(stale, Reason::EtagMismatch);

        let told: Vec<pb::User> = house.read(0, 6).await[3..]
            .iter()
            .filter_map(|event| match &event.change {
                Some(Change::User(change)) => change.user.clone(),
                _ => None,
            })
            .collect();
        assert_eq!(told, [ada.clone(), auditor, plain]);
        refused(
            granted(house, &ada.id, "nobody").await,
            Reason::RoleNotFound,
        );
        refused(
            granted(house, &new_id(), "user").await,
            Reason::UserNotFound,
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_administrator_keeps_the_role() {
    on_each(async |house| {
        let provisioned = house
            .provision(&new_id(), "root@example.org", &["admin"])
            .await;
        let root = provisioned.unwrap().user.unwrap();
        refused(
            revoked(house, &root.id, "admin").await,
            Reason::LastAdministrator,
        );
        let ada = house.create("ada@example.org").await;
        granted(house, &ada.id, "admin").await.unwrap();
        let (one, two) = tokio::join!(
            revoked(house, &root.id, "admin"),
            revoked(house, &ada.id, "admin")
        );
        assert!(one.is_ok() != two.is_ok(), "one of them: {one:?} {two:?}");
        let failed = if one.is_err() { one } else { two };
        refused(failed, Reason::LastAdministrator);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_somebody_holds_is_not_deleted() {
    on_each(async |house| {
        let ada = house.create("ada@example.org").await;
        made(house, "shipping", &["orders:read"]).await;
        granted(house, &ada.id, "shipping").await.unwrap();
        refused(delete(house, "shipping").await, Reason::RoleInUse);
        // A role whose name is a part of another's is another role.
        made(house, "ship", &[]).await;
        delete(house, "ship").await.unwrap();
        revoked(house, &ada.id, "shipping").await.unwrap();
        delete(house, "shipping").await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_never_granted_while_it_is_deleted() {
    on_each(async |house| {
        for round in 0..20 {
            let ada = house.create(&format!("{round}@example.org")).await;
            made(house, "fleeting", &[]).await;
            let (granting, deleting) = tokio::join!(
                granted(house, &ada.id, "fleeting"),
                delete(house, "fleeting")
            );
            match granting {
                Ok(_) => {
                    refused(deleting, Reason::RoleInUse);
                    revoked(house, &ada.id, "fleeting").await.unwrap();
                    delete(house, "fleeting").await.unwrap();
                }
                Err(status) => {
                    refused(Err::<(), _>(status), Reason::RoleNotFound);
                    deleting.unwrap();
                }
            }
        }
    })
    .await;
}
