//! Who may give what to whom, and touch whose account.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn nobody_comes_by_more_than_they_had() {
    on_each(async |house| {
        let ada = house.create("ada@example.org").await;
        made(house, "shipping", &["orders:read", "orders:write"]).await;
        let mut client = roles(house);
        let mut denied = Vec::new();

        let by = |message| keeper(house, "orders:read", message);
        denied.push(
            client
                .create_role(by(create(role("mine", &["users:write"]))))
                .await
                .err(),
        );
        let by = |message| keeper(house, "orders:read", message);
        let more = update(role("shipping", &["orders:read"]), &["scopes"]);
        denied.push(client.update_role(by(more)).await.err());
        let by = |message| keeper(house, "orders:read", message);
        denied.push(
            client
                .grant_role(by(grant(&ada.id, "shipping")))
                .await
                .err(),
        );
        denied.push(client.grant_role(by(grant(&ada.id, "admin"))).await.err());
        denied.push(client.grant_role(by(grant(&ada.id, "auditor"))).await.err());
        let by = |message| keeper(house, "orders:read", message);
        denied.push(client.revoke_role(by(revoke(&ada.id, "admin"))).await.err());
        let by = |message| keeper(house, "orders:read", message);
        let name = "shipping".to_owned();
        let etag = String::new();
        denied.push(
            client
                .delete_role(by(pb::DeleteRoleRequest { name, etag }))
                .await
                .err(),
        );
        for status in denied {
            refused(status.map_or(Ok(()), Err), Reason::InsufficientScope);
        }
        assert_eq!(house.get(&ada.id).await.unwrap().roles, ["user"]);

        // With every one of the scopes it goes.
        let both = "orders:read orders:write";
        let request = keeper(house, both, grant(&ada.id, "shipping"));
        let user = answer(client.grant_role(request).await).unwrap();
        assert_eq!(user.roles, ["shipping", "user"]);
        let request = keeper(house, both, create(role("mine", &["orders:read"])));
        answer(client.create_role(request).await).unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_comes_by_the_account_of_somebody_who_may_more() {
    on_each(async |house| {
        made(house, "shipping", &["orders:write"]).await;
        let holder = async |email: &str, role: &str| {
            let account = house.provision(&new_id(), email, &[role, "user"]).await;
            account.unwrap().user.unwrap()
        };
        let root = holder("root@example.org", "admin").await;
        let clerk = holder("clerk@example.org", "shipping").await;
        let moved = |user: &pb::User| pb::User {
            email: format!("moved-{}", user.email),
            email_verified: true,
            display_name: "Moved".into(),
            ..user.clone()
        };
        for mask in [
            &["email"][..],
            &["email_verified"],
            &["email", "display_name"],
        ] {
            let denied = house.update(moved(&root), mask).await;
            refused(denied, Reason::InsufficientScope);
        }
        assert_eq!(house.get(&root.id).await.unwrap(), root);
        // All else goes, and so does an address of those who may nothing more here.
        house.update(moved(&root), &["display_name"]).await.unwrap();
        house.update(moved(&clerk), &["email"]).await.unwrap();
        let change = pb::UpdateUserRequest {
            user: Some(pb::User {
                etag: String::new(),
                ..moved(&root)
            }),
            update_mask: Some(prost_types::FieldMask {
                paths: vec!["email".into()],
            }),
        };
        let changed = answer(house.users().update_user(admin(house, change)).await);
        assert_eq!(changed.unwrap().email, "moved-root@example.org");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_keeps_roles_sees_of_an_account_what_the_person_sees() {
    on_each(async |house| {
        let secret = prost_types::Value {
            kind: Some(prost_types::value::Kind::StringValue("gold".into())),
        };
        let metadata = prost_types::Struct {
            fields: [("plan".to_owned(), secret)].into(),
        };
        let ada = house.create("ada@example.org").await;
        let change = pb::User {
            private_metadata: Some(metadata),
            ..ada
        };
        let ada = house.update(change, &["private_metadata"]).await.unwrap();
        assert!(ada.private_metadata.is_some());
        made(house, "shipping", &[]).await;
        let mut client = roles(house);
        for (scopes, seen) in [("", None), ("users:read", ada.private_metadata)] {
            let granted = keeper(house, scopes, grant(&ada.id, "shipping"));
            let granted = answer(client.grant_role(granted).await).unwrap();
            assert_eq!(granted.private_metadata, seen);
            let revoked = keeper(house, scopes, revoke(&ada.id, "shipping"));
            let revoked = answer(client.revoke_role(revoked).await).unwrap();
            assert_eq!(revoked.private_metadata, seen);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrowed_token_of_an_administrator_stays_narrow() {
    on_each(async |house| {
        let ada = house.create("ada@example.org").await;
        let request = admin_with(house, "roles:write", grant(&ada.id, "admin"));
        let denied = answer(roles(house).grant_role(request).await);
        refused(denied, Reason::InsufficientScope);
        // What no part of Portico knows is the administrator's to give all the same.
        let request = admin_with(
            house,
            "roles:write",
            create(role("shipping", &["orders:read"])),
        );
        answer(roles(house).create_role(request).await).unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_and_writing_roles_need_their_scopes() {
    on_each(async |house| {
        let ada = house.create("ada@example.org").await;
        let request = house.request(&ada.id, "users:write roles:read", grant(&ada.id, "user"));
        let denied = answer(roles(house).grant_role(request).await);
        refused(denied, Reason::InsufficientScope);
        let request = house.request(&ada.id, "users:read", pb::ListRolesRequest::default());
        let denied = answer(roles(house).list_roles(request).await);
        refused(denied, Reason::InsufficientScope);
    })
    .await;
}
