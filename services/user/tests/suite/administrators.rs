use portico_proto::{error::Reason, user::v1 as pb};

use crate::house::{House, answer, new_id, on_each, refused};

async fn administrator(house: &House, email: &str) -> pb::User {
    house
        .provision(&new_id(), email, &["admin"])
        .await
        .unwrap()
        .user
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_administrator_stays() {
    on_each(async |house| {
        let admin = administrator(house, "ada@example.org").await;
        house.create("bob@example.org").await;
        refused(house.delete(&admin.id, "").await, Reason::LastAdministrator);
        refused(
            house.suspend(&admin.id, "").await,
            Reason::LastAdministrator,
        );
        let me = house.person(
            &admin.id,
            pb::DeleteUserRequest {
                id: "me".into(),
                etag: admin.etag.clone(),
            },
        );
        refused(
            answer(house.users().delete_user(me).await),
            Reason::LastAdministrator,
        );
        assert_eq!(house.get(&admin.id).await.unwrap(), admin);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_who_is_kept_out_does_not_count() {
    on_each(async |house| {
        let a = administrator(house, "a@example.org").await;
        let b = administrator(house, "b@example.org").await;
        house.suspend(&a.id, "").await.unwrap();
        refused(house.suspend(&b.id, "").await, Reason::LastAdministrator);
        refused(house.delete(&b.id, "").await, Reason::LastAdministrator);
        // Who is out already takes nothing away.
        house.delete(&a.id, "").await.unwrap();
        refused(house.delete(&b.id, "").await, Reason::LastAdministrator);
        let c = administrator(house, "c@example.org").await;
        house.delete(&b.id, "").await.unwrap();
        refused(house.delete(&c.id, "").await, Reason::LastAdministrator);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_who_remove_each_other_at_once_leave_one() {
    on_each(async |house| {
        let mut last = administrator(house, "0@example.org").await;
        for round in 1..=30 {
            let other = administrator(house, &format!("{round}@example.org")).await;
            let (a, b) = if round % 2 == 0 {
                tokio::join!(house.delete(&last.id, ""), house.delete(&other.id, ""))
            } else {
                let suspend = async |id: &str| house.suspend(id, "").await.map(|_| ());
                tokio::join!(suspend(&last.id), house.delete(&other.id, ""))
            };
            assert!(a.is_ok() != b.is_ok(), "one of them: {a:?} {b:?}");
            if a.is_ok() {
                refused(b, Reason::LastAdministrator);
                last = other;
            } else {
                refused(a, Reason::LastAdministrator);
            }
            let left = house.get(&last.id).await.unwrap();
            assert_eq!(left.status(), pb::UserStatus::Active);
        }
    })
    .await;
}
