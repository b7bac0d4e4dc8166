//! What administrators see happen.

use std::time::Duration;

use portico_proto::{
    error::Reason,
    user::v1::{self as pb, user_event::Change, user_watch_service_client::UserWatchServiceClient},
};
use tonic::Streaming;

use crate::house::{House, answer, on_each, refused, refused_field};

async fn watch(house: &House, after: Option<i64>) -> Streaming<pb::UserEvent> {
    let request = house.admin(pb::WatchUsersRequest { after });
    let mut client = UserWatchServiceClient::new(house.backend.clone());
    client.watch_users(request).await.unwrap().into_inner()
}

async fn next(stream: &mut Streaming<pb::UserEvent>) -> pb::UserEvent {
    let next = tokio::time::timeout(Duration::from_secs(10), stream.message());
    next.await.expect("in time").unwrap().expect("it goes on")
}

fn email(event: &pb::UserEvent) -> &str {
    match &event.change {
        Some(Change::User(change)) => &change.user.as_ref().unwrap().email,
        other => panic!("{other:?} is not of an account"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_begins_now_or_behind_any_event() {
    on_each(async |house| {
        house.create("before@example.org").await;
        let mut from_now = watch(house, None).await;
        house.create("a@example.org").await;
        house.create("b@example.org").await;
        let first = next(&mut from_now).await;
        assert_eq!(email(&first), "a@example.org");
        // Behind it again, as `Last-Event-ID` does.
        let mut again = watch(house, Some(first.sequence)).await;
        assert_eq!(email(&next(&mut again).await), "b@example.org");
        // From the very beginning, without the roles that come first in the feed.
        let mut all = watch(house, Some(0)).await;
        assert_eq!(email(&next(&mut all).await), "before@example.org");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_needs_its_scope_and_a_place() {
    on_each(async |house| {
        let mut client = UserWatchServiceClient::new(house.backend.clone());
        let plain = house.person("p", pb::WatchUsersRequest::default());
        let denied = answer(client.watch_users(plain).await).map(|_| ());
        refused(denied, Reason::InsufficientScope);
        let before = house.admin(pb::WatchUsersRequest { after: Some(-1) });
        let denied = answer(client.watch_users(before).await).map(|_| ());
        refused_field(denied, "after");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_ends_when_the_service_stops() {
    on_each(async |house| {
        let mut stream = watch(house, None).await;
        house.frame.stop.cancel();
        let end = tokio::time::timeout(Duration::from_secs(5), stream.message());
        assert_eq!(end.await.expect("in time").unwrap(), None);
    })
    .await;
}
