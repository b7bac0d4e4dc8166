//! What the use cases rely on, with transactions that stay open as long as the test likes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use portico_proto::user::v1::{UserEvent, user_event::Change};
use portico_service::Secret;
use portico_testing::{Database, databases};
use prost::Message;
use tokio::time::sleep;

use super::*;
use crate::{
    Migrator,
    domain::{Account, Email, NewAccount, Published, Roles, Status, UserId},
};

struct Store {
    storage: Storage,
    name: &'static str,
    _database: Database,
}

async fn open(database: Database) -> Store {
    let db = database::connect(&Secret::from(database.url.clone()), 40)
        .await
        .unwrap();
    database::migrate::<Migrator>(&db).await.unwrap();
    Store {
        storage: Storage::new(db, None),
        name: database.name,
        _database: database,
    }
}

async fn on_each(test: impl AsyncFn(&Storage)) {
    for database in databases() {
        let store = open(database).await;
        test(&store.storage).await;
    }
}

async fn on_postgres(test: impl AsyncFn(&Storage)) {
    for database in databases() {
        let store = open(database).await;
        if store.name == "postgres" {
            test(&store.storage).await;
        }
    }
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_780_000_000_123_456).unwrap()
}

fn account(email: &str) -> Account {
    let new = NewAccount::of(Email::parse(email).unwrap());
    Account::open(UserId::new(now()), new, Roles::initial(), now())
}

/// Writes an account and its event, and leaves the transaction open.
async fn insert(storage: &Storage, account: &Account) -> Transaction {
    let tx = storage.begin().await.unwrap();
    assert!(tx.insert(account).await.unwrap());
    tx.publish(account, now()).await.unwrap();
    tx
}

async fn create(storage: &Storage, email: &str) -> Account {
    let account = account(email);
    insert(storage, &account).await.commit().await.unwrap();
    account
}

/// The account and its revision, when the event is of an account.
fn told(event: &Published) -> Option<(String, i64)> {
    match UserEvent::decode(event.payload.as_slice())
        .unwrap()
        .change
        .unwrap()
    {
        Change::User(change) => Some((change.user.unwrap().id, change.revision)),
        Change::Role(_) | Change::DeletedRole(_) => None,
    }
}

/// Past the events of the built-in roles.
async fn feed(storage: &Storage) -> Feed {
    let mut feed = storage.feed(0);
    let roles = feed.next(3).await.unwrap();
    assert_eq!(roles.iter().filter_map(told).count(), 0);
    feed
}

#[tokio::test]
async fn an_account_comes_back_as_it_went() {
    on_each(async |storage| {
        let mut account = create(storage, "Ada@example.org").await;
        assert_eq!(
            storage.find(account.id).await.unwrap(),
            Some(account.clone())
        );
        let loaded = account.revision;
        account.delete(now() + TimeDelta::microseconds(7), TimeDelta::days(30));
        let tx = storage.begin().await.unwrap();
        assert_eq!(tx.save(&account, loaded).await.unwrap(), Saved::Yes);
        tx.commit().await.unwrap();
        assert_eq!(storage.find(account.id).await.unwrap(), None);
        let tx = storage.begin().await.unwrap();
        assert_eq!(tx.load(account.id).await.unwrap(), Some(account));
    })
    .await;
}

#[tokio::test]
async fn what_is_not_committed_never_was() {
    on_each(async |storage| {
        let account = account("ada@example.org");
        drop(insert(storage, &account).await);
        assert_eq!(storage.find(account.id).await.unwrap(), None);
        let after = create(storage, "ada@example.org").await;
        let mut feed = feed(storage).await;
        let mut events = Vec::new();
        while events.is_empty() {
            events = feed.next(10).await.unwrap();
        }
        assert_eq!(events.len(), 1);
        assert_eq!(told(&events[0]), Some((after.id.to_string(), 1)));
    })
    .await;
}

#[tokio::test]
async fn a_row_of_another_revision_is_not_overwritten() {
    on_each(async |storage| {
        let mut account = create(storage, "ada@example.org").await;
        let loaded = account.revision;
        account.set_suspended(true, now());
        let tx = storage.begin().await.unwrap();
        let stale = tx.save(&account, loaded.next()).await;
        assert!(matches!(stale, Err(Error::Contended)), "{stale:?}");
        assert_eq!(tx.save(&account, loaded).await.unwrap(), Saved::Yes);
    })
    .await;
}

#[tokio::test]
async fn a_serialization_failure_is_contention() {
    on_postgres(async |storage| {
        let (a, b) = (
            create(storage, "a@example.org").await,
            create(storage, "b@example.org").await,
        );
        // A deadlock: each holds one account and wants the other.
        let (first, second) = (
            storage.begin().await.unwrap(),
            storage.begin().await.unwrap(),
        );
        first.load(a.id).await.unwrap();
        second.load(b.id).await.unwrap();
        let (one, two) = tokio::join!(first.load(b.id), async {
            let result = second.load(a.id).await;
            drop(second);
            result
        });
        let errors = [one.err(), two.err()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>();
        assert!(
            matches!(errors.as_slice(), [Error::Contended]),
            "{errors:?}"
        );
    })
    .await;
}

/// The higher number commits first, while the transaction of the lower one is open. That one's
/// transaction id is the newest of all, which `pg_snapshot_xmax` does not cover.
#[tokio::test(flavor = "multi_thread")]
async fn a_lower_number_that_commits_later_is_waited_for() {
    on_postgres(async |storage| {
        let mut feed = feed(storage).await;
        let (early, late) = (account("early@example.org"), account("late@example.org"));
        let committer = storage.begin().await.unwrap();
        assert!(committer.insert(&early).await.unwrap());
        let straggler = insert(storage, &late).await;
        committer.publish(&early, now()).await.unwrap();
        committer.commit().await.unwrap();

        for _ in 0..20 {
            assert!(
                feed.next(10).await.unwrap().is_empty(),
                "the gap is not settled"
            );
            assert!(feed.is_held_up());
        }
        straggler.commit().await.unwrap();
        let events = feed.next(10).await.unwrap();
        let ids: Vec<_> = events.iter().filter_map(told).map(|(id, _)| id).collect();
        assert_eq!(ids, [late.id.to_string(), early.id.to_string()]);
        assert!(!feed.is_held_up());
        assert!(feed.next(10).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_was_rolled_back_is_passed() {
    on_postgres(async |storage| {
        let mut feed = feed(storage).await;
        let lost = insert(storage, &account("lost@example.org")).await;
        let kept = create(storage, "kept@example.org").await;
        assert!(feed.next(10).await.unwrap().is_empty());
        drop(lost);
        let mut events = Vec::new();
        for _ in 0..500 {
            events = feed.next(10).await.unwrap();
            if !events.is_empty() {
                break;
            }
            sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(
            events.iter().filter_map(told).collect::<Vec<_>>(),
            [(kept.id.to_string(), 1)]
        );
        // A reader that starts in the middle meets the same gap.
        let mut other = storage.feed(events[0].sequence - 1);
        assert_eq!(other.next(10).await.unwrap(), events);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_gap_waits_for_does_not_recede() {
    on_postgres(async |storage| {
        let mut feed = feed(storage).await;
        let open = insert(storage, &account("open@example.org")).await;
        create(storage, "a@example.org").await;
        feed.next(10).await.unwrap();
        let horizon = format!("{feed:?}");
        // Later reads, and events that come behind the gap meanwhile, do not move the horizon.
        create(storage, "b@example.org").await;
        feed.next(10).await.unwrap();
        assert_eq!(format!("{feed:?}"), horizon);
        open.commit().await.unwrap();
        assert_eq!(feed.next(10).await.unwrap().len(), 3);
    })
    .await;
}

/// A small generator, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Writers of shared accounts and of new ones, three in ten rolled back after they drew a number, all
/// of them slow between drawing and ending; readers of several batch sizes meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_or_doubled_however_writers_end() {
    const WRITERS: u64 = 20;
    const WRITES: usize = 40;
    on_each(async |storage| {
        let mut shared = Vec::new();
        for n in 0..5 {
            shared.push(create(storage, &format!("shared{n}@example.org")).await.id);
        }
        let done = Arc::new(AtomicBool::new(false));
        let writers = (0..WRITERS).map(|writer| {
            let shared = &shared;
            async move {
                let mut dice = Dice(writer + 1);
                let mut committed = Vec::new();
                for n in 0..WRITES {
                    let tx = storage.begin().await.unwrap();
                    let account = if dice.roll(2) == 0 {
                        let account = account(&format!("{writer}-{n}@example.org"));
                        assert!(tx.insert(&account).await.unwrap());
                        account
                    } else {
                        let id = shared[usize::try_from(dice.roll(5)).unwrap()];
                        let mut account = tx.load(id).await.unwrap().unwrap();
                        let loaded = account.revision;
                        let active = account.status == Status::Active;
                        assert!(account.set_suspended(active, now()));
                        assert_eq!(tx.save(&account, loaded).await.unwrap(), Saved::Yes);
                        account
                    };
                    tx.publish(&account, now()).await.unwrap();
                    sleep(Duration::from_micros(dice.roll(4_000))).await;
                    if dice.roll(10) < 3 {
                        drop(tx);
                    } else {
                        tx.commit().await.unwrap();
                        committed.push((account.id.to_string(), account.revision.get()));
                    }
                }
                committed
            }
        });
        let readers = [1_u32, 7, 256].map(|limit| {
            let done = Arc::clone(&done);
            async move {
                let mut feed = feed(storage).await;
                let mut events = Vec::new();
                loop {
                    let last_look = done.load(Ordering::SeqCst);
                    let batch = feed.next(limit).await.unwrap();
                    if batch.is_empty() && last_look && !feed.is_held_up() {
                        return events;
                    }
                    if batch.is_empty() {
                        sleep(Duration::from_millis(1)).await;
                    }
                    events.extend(batch);
                }
            }
        });
        let write = async {
            let committed = join_all(writers).await.concat();
            done.store(true, Ordering::SeqCst);
            committed
        };
        let (committed, read) = tokio::join!(write, join_all(readers));

        let mut expected: BTreeSet<(String, i64)> = committed.into_iter().collect();
        expected.extend(shared.iter().map(|id| (id.to_string(), 1)));
        for events in &read {
            assert_eq!(events, &read[0]);
            assert!(events.is_sorted_by(|a, b| a.sequence < b.sequence));
            let told: Vec<(String, i64)> = events.iter().filter_map(told).collect();
            assert_eq!(told.len(), expected.len(), "none twice");
            assert_eq!(
                told.iter().cloned().collect::<BTreeSet<_>>(),
                expected,
                "none lost"
            );
            let mut last: BTreeMap<&str, i64> = BTreeMap::new();
            for (id, revision) in &told {
                let before = last.insert(id, *revision).unwrap_or(0);
                assert_eq!(
                    *revision,
                    before + 1,
                    "in the order of the account's changes"
                );
            }
        }
    })
    .await;
}

#[tokio::test]
async fn the_database_knows_about_how_many_accounts_there_are() {
    on_each(async |storage| {
        for n in 0..10 {
            create(storage, &format!("{n}@example.org")).await;
        }
        storage.db.execute_unprepared("ANALYZE").await.unwrap();
        assert_eq!(storage.estimate().await.unwrap(), 10);
    })
    .await;
}
