use portico_proto::{error::Reason, user::v1 as pb};
use tonic::Status;

use crate::house::{House, answer, on_each, refused, refused_field};

async fn undelete(house: &House, id: &str, etag: &str) -> Result<pb::User, Status> {
    let (id, etag) = (id.into(), etag.into());
    let request = house.admin(pb::UndeleteUserRequest { id, etag });
    answer(house.users().undelete_user(request).await)
}

async fn purge(house: &House, id: &str, etag: &str) -> Result<(), Status> {
    let (id, etag) = (id.into(), etag.into());
    let request = house.admin(pb::PurgeUserRequest { id, etag });
    answer(house.users().purge_user(request).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_can_be_taken_back() {
    on_each(async |house| {
        let ada = house.create("ada@example.org").await;
        house.delete(&ada.id, "").await.unwrap();
        refused(house.get(&ada.id).await, Reason::UserNotFound);
        refused(undelete(house, &ada.id, "1").await, Reason::EtagMismatch);
        let back = undelete(house, &ada.id, "2").await.unwrap();
        let expected = pb::User {
            etag: "3".into(),
            ..ada.clone()
        };
        assert_eq!(back, expected);
        assert_eq!(house.get(&ada.id).await.unwrap(), expected);
        // Once more is no change.
        assert_eq!(undelete(house, &ada.id, "").await.unwrap(), expected);

        house.suspend(&ada.id, "").await.unwrap();
        house.delete(&ada.id, "").await.unwrap();
        let back = undelete(house, &ada.id, "").await.unwrap();
        assert_eq!(back.status(), pb::UserStatus::Suspended);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_purges_what_was_deleted_and_nothing_else() {
    on_each(async |house| {
        let ada = house.create("ada@example.org").await;
        refused(purge(house, &ada.id, "").await, Reason::StatusConflict);
        house.delete(&ada.id, "").await.unwrap();
        refused(purge(house, &ada.id, "1").await, Reason::EtagMismatch);
        purge(house, &ada.id, "2").await.unwrap();
        house.create("ada@example.org").await;
        refused_field(purge(house, "x", "").await, "id");
        let person = pb::PurgeUserRequest {
            id: ada.id.clone(),
            ..pb::PurgeUserRequest::default()
        };
        let person = house
            .users()
            .purge_user(house.person(&ada.id, person))
            .await;
        refused(answer(person), Reason::InsufficientScope);
    })
    .await;
}
