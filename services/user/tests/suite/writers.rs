//! Many writers at once, and what readers of the feed see of it.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use futures_util::future::{join, join_all};
use portico_proto::user::v1::{self as pb, user_event::Change};

use crate::house::{House, on_each};

const WRITERS: usize = 64;
const READERS: usize = 3;

/// What a reader was told of each account: its revisions, as they came.
type Told = BTreeMap<String, Vec<i64>>;

#[tokio::test(flavor = "multi_thread")]
async fn no_event_is_lost_doubled_or_out_of_order() {
    on_each(async |house| write_and_read(house, Duration::from_secs(2)).await).await;
}

/// The same for a minute: `cargo nextest run -p portico-user --run-ignored only a_minute`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute for each database"]
async fn no_event_is_lost_doubled_or_out_of_order_for_a_minute() {
    on_each(async |house| write_and_read(house, Duration::from_mins(1)).await).await;
}

async fn write_and_read(house: &House, during: Duration) {
    let end = Instant::now() + during;
    let shared = join_all((0..4).map(|n| {
        let email = format!("shared{n}@example.org");
        async move { house.create(&email).await }
    }))
    .await;
    let events = AtomicUsize::new(3 + shared.len());
    let writing = AtomicUsize::new(WRITERS);
    let writers = join_all((0..WRITERS).map(|writer| {
        let (shared, events, writing) = (&shared, &events, &writing);
        async move {
            write(house, writer, shared, events, end).await;
            writing.fetch_sub(1, Ordering::SeqCst);
        }
    }));
    let readers = join_all((0..READERS).map(|_| read(house, &events, &writing)));
    let ((), told) = join(async { drop(writers.await) }, readers).await;

    let first = &told[0];
    assert!(told.iter().all(|other| other == first));
    assert!(first.len() > shared.len());
    for (id, revisions) in first {
        let expected: Vec<i64> = (1..=i64::try_from(revisions.len()).unwrap()).collect();
        assert_eq!(*revisions, expected, "{id} on {}", house.database);
    }
    for user in &shared {
        let now = house.get(&user.id).await.unwrap();
        assert_eq!(now.etag, first[&user.id].len().to_string());
    }
    println!(
        "{}: {} events of {} accounts, each seen once by {READERS} readers",
        house.database,
        events.load(Ordering::SeqCst),
        first.len()
    );
}

/// Creates accounts, changes them, and changes what all writers change.
async fn write(
    house: &House,
    writer: usize,
    shared: &[pb::User],
    events: &AtomicUsize,
    end: Instant,
) {
    for n in 0.. {
        if Instant::now() > end {
            return;
        }
        let name = format!("{writer} {n}");
        let mine = house.create(&format!("{writer}-{n}@example.org")).await;
        events.fetch_add(1, Ordering::SeqCst);
        for user in [&mine, &shared[(writer + n) % shared.len()]] {
            let change = pb::User {
                id: user.id.clone(),
                display_name: name.clone(),
                ..pb::User::default()
            };
            // Ten in each other's way is as many as one call waits for.
            if house.update(change, &["display_name"]).await.is_ok() {
                events.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
}

/// Reads from the beginning until the last writer has ended and everything was seen.
async fn read(house: &House, events: &AtomicUsize, writing: &AtomicUsize) -> Told {
    let request = house.service(pb::WatchRequest { after: 0 });
    let mut stream = house.events().watch(request).await.unwrap().into_inner();
    let (mut told, mut seen, mut last) = (Told::new(), 0, 0);
    while writing.load(Ordering::SeqCst) > 0 || seen < events.load(Ordering::SeqCst) {
        let next = tokio::time::timeout(Duration::from_secs(1), stream.message()).await;
        let Ok(batch) = next else {
            let all = events.load(Ordering::SeqCst);
            assert!(
                writing.load(Ordering::SeqCst) > 0 || seen == all,
                "{seen} of {all} events came"
            );
            continue;
        };
        for event in batch.unwrap().expect("the stream goes on").events {
            assert!(event.sequence > last, "none comes twice");
            (seen, last) = (seen + 1, event.sequence);
            if let Some(Change::User(change)) = event.change {
                let id = change.user.unwrap().id;
                told.entry(id).or_default().push(change.revision);
            }
        }
    }
    told
}
