//! How long events are kept, and what becomes of those who come too late.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, TimeDelta};
use portico_proto::{
    error::Reason,
    user::v1::{self as pb, user_event::Change},
};
use portico_testing::databases;
use tonic::Status;

use crate::house::{House, answer, on_each, refused};

/// Runs a test on each database, with a service that starts afresh whenever the test likes: it removes old
/// events when it starts.
async fn with_restarts(test: impl AsyncFn(House, &str)) {
    for database in databases() {
        let url = database.url.clone();
        let house = House::open(database).await;
        test(house, &url).await;
    }
}

/// The first event behind a place, or why there is none.
async fn first(house: &House, after: i64) -> Result<pb::UserEvent, Status> {
    let request = house.service(pb::WatchRequest { after });
    let mut stream = house.events().watch(request).await?.into_inner();
    let next = tokio::time::timeout(Duration::from_secs(10), stream.message());
    let batch = next.await.expect("in time")?.expect("the stream goes on");
    Ok(batch.events[0].clone())
}

async fn acknowledge(house: &House, sequence: i64) {
    let request = house.service(pb::AcknowledgeRequest {
        consumer: "copy".into(),
        sequence,
    });
    answer(house.events().acknowledge(request).await).unwrap();
}

/// A service over the same database, some days after the migration.
async fn later(house: &House, url: &str, days: i64) -> House {
    // The built-in roles came with the migration, at the time of the machine.
    let newest = house.read(0, 3).await[0].time.map(|time| time.seconds);
    let newest = newest.and_then(|seconds| DateTime::from_timestamp(seconds + 1, 0));
    let then = newest.expect("a time") + TimeDelta::days(days);
    House::open_at_time(house.database, url, then).await
}

/// A service over the same database, some days after another one.
async fn after(house: &House, url: &str, days: i64) -> House {
    let then = house.frame.clock.now() + TimeDelta::days(days);
    House::open_at_time(house.database, url, then).await
}

/// Waits until events up to a place are gone, and answers what a reader from the beginning is told.
async fn removed(house: &House) -> Status {
    for _ in 0..200 {
        if let Err(status) = first(house, 0).await {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nothing was removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn old_events_go_and_who_wants_them_is_told() {
    with_restarts(async |house, url| {
        for n in 0..5 {
            house.create(&format!("{n}@example.org")).await;
        }
        let all = house.read(0, 8).await;
        let later = later(&house, url, 8).await;
        let status = removed(&later).await;
        refused(Err::<(), _>(status.clone()), Reason::EventsExpired);
        // The newest is kept, and the place behind which to go on is named.
        let through = all[6].sequence;
        assert!(
            status.message().contains(&format!("up to {through} ")),
            "{status:?}"
        );
        assert_eq!(first(&later, through).await.unwrap(), all[7]);
        refused(first(&later, through - 1).await, Reason::EventsExpired);
        later.close().await;
        house.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_the_feed_never_reached_is_another_feeds() {
    with_restarts(async |house, _| {
        house.create("ada@example.org").await;
        // Three roles came before her.
        let last = house.read(0, 4).await[3].sequence;
        for ahead in [last + 1, i64::MAX] {
            refused(first(&house, ahead).await, Reason::EventsExpired);
        }
        let waiting = first(&house, last);
        let (next, _) = tokio::join!(waiting, house.create("bob@example.org"));
        assert!(next.unwrap().sequence > last);
        house.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_wait_for_a_consumer_up_to_the_limit() {
    with_restarts(async |house, url| {
        let today = later(&house, url, 0).await;
        for n in 0..5 {
            today.create(&format!("{n}@example.org")).await;
        }
        let all = today.read(0, 8).await;
        acknowledge(&today, all[3].sequence).await;
        // Going back changes nothing.
        acknowledge(&today, all[1].sequence).await;
        let week = after(&today, url, 8).await;
        removed(&week).await;
        assert_eq!(first(&week, all[3].sequence).await.unwrap(), all[4]);
        let month = after(&today, url, 31).await;
        let mut gone = first(&month, all[3].sequence).await;
        for _ in 0..200 {
            if gone.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            gone = first(&month, all[3].sequence).await;
        }
        refused(gone, Reason::EventsExpired);
        for house in [month, week, today, house] {
            house.close().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn young_events_stay() {
    with_restarts(async |house, url| {
        house.create("ada@example.org").await;
        let all = house.read(0, 4).await;
        let later = later(&house, url, 6).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(later.read(0, 4).await, all);
        later.close().await;
        house.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_has_everything_and_says_where_to_go_on() {
    on_each(async |house| {
        let mut expected = BTreeSet::new();
        for n in 0..600 {
            expected.insert(house.create(&format!("{n}@example.org")).await.id);
        }
        let gone = house.create("gone@example.org").await;
        house.delete(&gone.id, "").await.unwrap();
        expected.insert(gone.id.clone());
        let last = house.read(0, 605).await[604].sequence;

        let request = house.service(pb::SnapshotRequest {});
        let mut stream = house.events().snapshot(request).await.unwrap().into_inner();
        let head = stream.message().await.unwrap().unwrap();
        assert_eq!(head.sequence, last);
        let names: Vec<&str> = head.roles.iter().map(|role| role.name.as_str()).collect();
        assert_eq!(names, ["admin", "auditor", "user"]);
        let mut found = BTreeSet::new();
        while let Some(page) = stream.message().await.unwrap() {
            for change in page.users {
                let user = change.user.unwrap();
                let deleted = user.status() == pb::UserStatus::Deleted;
                assert_eq!(deleted, user.id == gone.id);
                assert!(found.insert(user.id), "twice");
            }
        }
        assert_eq!(found, expected);

        let next = house.create("next@example.org").await;
        let Some(Change::User(change)) = first(house, head.sequence).await.unwrap().change else {
            panic!("not of an account");
        };
        assert_eq!(change.user, Some(next));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_for_services_needs_a_service() {
    on_each(async |house| {
        let request = house.admin(pb::SnapshotRequest {});
        let denied = answer(house.events().snapshot(request).await).map(|_| ());
        refused(denied, Reason::InternalOnly);
        let request = house.admin(pb::AcknowledgeRequest {
            consumer: "copy".into(),
            sequence: i64::MAX,
        });
        refused(
            answer(house.events().acknowledge(request).await),
            Reason::InternalOnly,
        );
    })
    .await;
}
