use std::{collections::HashMap, time::Duration};

use futures_util::future::join_all;
use portico_proto::{
    error::Reason,
    user::v1::{self as pb, user_event::Change},
};

use crate::house::{answer, new_id, on_each, refused, refused_field};

fn user(event: &pb::UserEvent) -> &pb::UserChange {
    match &event.change {
        Some(Change::User(change)) => change,
        other => panic!("{other:?} is not of an account"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_begins_with_the_built_in_roles() {
    on_each(async |house| {
        let events = house.read(0, 3).await;
        let roles: HashMap<String, Vec<String>> = events
            .into_iter()
            .map(|event| match event.change {
                Some(Change::Role(role)) => (role.name, role.scopes),
                other => panic!("{other:?} is not of a role"),
            })
            .collect();
        let admin = "clients:read clients:write roles:read roles:write service-accounts:read \
                     service-accounts:write sessions:read sessions:write users:read users:write";
        let auditor = "clients:read roles:read service-accounts:read sessions:read users:read";
        assert_eq!(roles["admin"].join(" "), admin);
        assert_eq!(roles["auditor"].join(" "), auditor);
        assert_eq!(roles["user"].join(" "), "");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_told_once_and_whole() {
    on_each(async |house| {
        let created = house.create("ada@example.org").await;
        house.clock.advance(Duration::from_secs(1));
        let wanted = pb::User {
            display_name: "Ada".into(),
            ..created.clone()
        };
        let changed = house.update(wanted, &["display_name"]).await.unwrap();
        let suspended = house.suspend(&created.id, "").await.unwrap();
        let active = house.reactivate(&created.id, "").await.unwrap();
        house.delete(&created.id, "").await.unwrap();
        let other = house
            .provision(&new_id(), "bob@example.org", &[])
            .await
            .unwrap();

        let events = house.read(0, 9).await;
        let sequences: Vec<i64> = events.iter().map(|event| event.sequence).collect();
        assert!(sequences.is_sorted_by(|a, b| a < b), "{sequences:?}");
        let told: Vec<&pb::UserChange> = events[3..].iter().map(user).collect();
        for (change, expected) in told.iter().zip([&created, &changed, &suspended, &active]) {
            assert_eq!(change.user.as_ref(), Some(expected));
        }
        let deleted = told[4].user.as_ref().unwrap();
        assert_eq!(deleted.status(), pb::UserStatus::Deleted);
        assert_eq!(told[5], &other);
        let revisions: Vec<i64> = told[..5].iter().map(|change| change.revision).collect();
        assert_eq!(revisions, [1, 2, 3, 4, 5]);
        assert_eq!(events[4].time, changed.update_time);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_goes_on_where_it_stopped() {
    on_each(async |house| {
        for n in 0..5 {
            house.create(&format!("{n}@example.org")).await;
        }
        let all = house.read(0, 8).await;
        for stop in 0..8 {
            let after = if stop == 0 { 0 } else { all[stop - 1].sequence };
            assert_eq!(house.read(after, 8 - stop).await, all[stop..]);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_change_is_not_told() {
    on_each(async |house| {
        let ada = house.create("ada@example.org").await;
        refused(
            house.try_create("ada@example.org").await,
            Reason::EmailTaken,
        );
        refused(house.suspend(&ada.id, "9").await, Reason::EtagMismatch);
        let bob = house.create("bob@example.org").await;
        let events = house.read(0, 5).await;
        assert_eq!(user(&events[3]).user, Some(ada));
        assert_eq!(user(&events[4]).user, Some(bob));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_hears_of_a_change_at_once() {
    on_each(async |house| {
        let last = house.read(0, 3).await[2].sequence;
        let request = house.service(pb::WatchRequest { after: last });
        let mut stream = house.events().watch(request).await.unwrap().into_inner();
        for n in 0..3 {
            let created = house.create(&format!("{n}@example.org")).await;
            let next = tokio::time::timeout(Duration::from_secs(5), stream.message());
            let batch = next.await.expect("in time").unwrap().unwrap();
            assert_eq!(batch.events.len(), 1);
            assert_eq!(user(&batch.events[0]).user, Some(created));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_when_the_service_stops() {
    on_each(async |house| {
        let request = house.service(pb::WatchRequest { after: 1_000 });
        let mut stream = house.events().watch(request).await.unwrap().into_inner();
        house.frame.stop.cancel();
        let end = tokio::time::timeout(Duration::from_secs(5), stream.message());
        assert_eq!(end.await.expect("in time").unwrap(), None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_before_the_beginning_is_refused() {
    on_each(async |house| {
        let request = house.service(pb::WatchRequest { after: -1 });
        refused_field(
            answer(house.events().watch(request).await).map(|_| ()),
            "after",
        );
    })
    .await;
}

/// Writers of a few accounts at once, and readers meanwhile: nothing lost, nothing twice, and each
/// account's changes in their order.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_among_many_writers_miss_nothing() {
    const ACCOUNTS: usize = 6;
    const WRITERS: usize = 16;
    const WRITES: usize = 20;
    on_each(async |house| {
        let emails: Vec<String> = (0..ACCOUNTS).map(|n| format!("{n}@example.org")).collect();
        let users = join_all(emails.iter().map(|email| house.create(email))).await;
        let total = 3 + ACCOUNTS + WRITERS * WRITES;
        let writers = (0..WRITERS).map(|writer| {
            let users = &users;
            async move {
                for n in 0..WRITES {
                    let change = pb::User {
                        id: users[(writer + n) % ACCOUNTS].id.clone(),
                        display_name: format!("{writer} {n}"),
                        ..pb::User::default()
                    };
                    house.update(change, &["display_name"]).await.unwrap();
                    // Refused, and so no event.
                    house.try_create("0@example.org").await.unwrap_err();
                }
            }
        });
        let readers = (0..3).map(|_| house.read(0, total));
        let (read, _) = tokio::join!(join_all(readers), join_all(writers));
        for events in &read {
            assert_eq!(events, &read[0]);
            assert_eq!(events.len(), total);
            assert!(events.is_sorted_by(|a, b| a.sequence < b.sequence));
            let mut revisions: HashMap<&str, i64> = HashMap::new();
            for change in events[3..].iter().map(user) {
                let id = change.user.as_ref().unwrap().id.as_str();
                let last = revisions.insert(id, change.revision).unwrap_or(0);
                assert_eq!(change.revision, last + 1);
            }
        }
    })
    .await;
}
