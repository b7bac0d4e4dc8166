use chrono::DateTime;
use portico_proto::user::v1::{User, UserEvent, UserStatus, user_event::Change as Told};
use portico_service::{Clock, ClockHand, Secret, database};
use portico_testing::databases;
use prost::Message;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use super::*;
use crate::{
    Migrator,
    domain::{Authority, Change, DisplayName, Email, NewAccount, Username},
    storage::{Repeat, Storage},
};

const KEEP: TimeDelta = TimeDelta::days(30);
const DAY: Duration = Duration::from_hours(24);

struct World {
    users: Users,
    clock: ClockHand,
    db: DatabaseConnection,
}

async fn on_each(test: impl AsyncFn(World)) {
    for each in databases() {
        let url = Secret::from(each.url.clone());
        let db = database::connect(&url, 8).await.unwrap();
        database::migrate::<Migrator>(&db).await.unwrap();
        let start = DateTime::from_timestamp_micros(1_780_000_000_123_456).unwrap();
        let (clock, hand) = Clock::fixed(start);
        test(World {
            users: Users::new(Storage::new(db.clone(), None), clock, KEEP),
            clock: hand,
            db,
        })
        .await;
    }
}

impl World {
    async fn create(&self, email: &str, key: Option<&str>) -> Result<Account> {
        let repeat = key.map(|key| Repeat {
            caller: "somebody".into(),
            key: key.into(),
        });
        let email = Email::parse(email).unwrap();
        self.users.create(NewAccount::of(email), repeat).await
    }

    async fn last_told(&self) -> User {
        let mut feed = self.users.storage.feed(0);
        let mut last = None;
        loop {
            let events = feed.next(256).await.unwrap();
            let Some(event) = events.last() else { break };
            last = Some(UserEvent::decode(event.payload.as_slice()).unwrap());
        }
        match last.and_then(|event| event.change) {
            Some(Told::User(change)) => change.user.unwrap(),
            other => panic!("not of an account: {other:?}"),
        }
    }

    /// The revisions that the feed tells of a purged account, and nothing else of it.
    async fn told_of(&self, id: UserId) -> Vec<i64> {
        let events = self.users.storage.feed(0).next(256).await.unwrap();
        let mut revisions = Vec::new();
        for event in events {
            let event = UserEvent::decode(event.payload.as_slice()).unwrap();
            let Some(Told::User(change)) = event.change else {
                continue;
            };
            let user = change.user.unwrap();
            if user.id == id.to_string() {
                assert!(
                    user.email.is_empty() && user.display_name.is_empty(),
                    "{user:?}"
                );
                assert_eq!(user.status(), UserStatus::Purged);
                revisions.push(change.revision);
            }
        }
        revisions
    }

    /// All rows of a table as text.
    async fn rows(&self, table: &str) -> String {
        let sql = match self.db.get_database_backend() {
            DbBackend::Postgres => format!("SELECT t::text AS line FROM {table} t"),
            _ => format!(
                "SELECT email || email_key || coalesce(username, '') || display_name || locale \
                 || public_metadata || private_metadata || hex(id) AS line FROM {table}"
            ),
        };
        let rows = Statement::from_string(self.db.get_database_backend(), sql);
        let rows = self.db.query_all_raw(rows).await.unwrap();
        let lines = rows.iter().map(|row| row.try_get("", "line").unwrap());
        lines.collect::<Vec<String>>().join("\n")
    }
}

async fn named(world: &World, email: &str) -> Account {
    let ada = world.create(email, None).await.unwrap();
    let change = Change {
        username: Some(Username::parse("Lovelace").unwrap()),
        display_name: Some(DisplayName::parse("Ada Lovelace").unwrap()),
        ..Change::default()
    };
    let by = Authority::default();
    world.users.update(ada.id, change, None, &by).await.unwrap()
}

#[tokio::test]
async fn a_deleted_account_is_purged_when_its_time_has_come() {
    on_each(async |world| {
        let ada = named(&world, "ada@example.org").await;
        world.users.delete(ada.id, None).await.unwrap();
        world.clock.advance(29 * DAY);
        assert!(!world.users.purge_due().await.unwrap());
        let taken = world.create("ada@example.org", None).await;
        assert!(matches!(taken, Err(Error::EmailTaken)));
        world.users.undelete(ada.id, None).await.unwrap();
        world.users.delete(ada.id, None).await.unwrap();

        world.clock.advance(30 * DAY);
        assert!(!world.users.purge_due().await.unwrap());
        let told = world.last_told().await;
        let expected = User {
            id: ada.id.to_string(),
            status: UserStatus::Purged.into(),
            create_time: told.create_time,
            update_time: told.update_time,
            delete_time: told.delete_time,
            purge_time: told.update_time,
            etag: "6".into(),
            ..User::default()
        };
        assert_eq!(told, expected);
        let seconds =
            [told.create_time, told.delete_time, told.purge_time].map(|time| time.unwrap().seconds);
        assert!(seconds.is_sorted(), "{seconds:?}");

        let left = world.rows("users").await.to_lowercase();
        let id = ada.id.to_string();
        assert!(left.contains(&id) || left.contains(&id.replace('-', "")));
        assert!(
            !left.contains("ada@") && !left.contains("lovelace"),
            "{left}"
        );
        // Nor do earlier events tell more; each is at its place and tells its revision.
        assert_eq!(world.told_of(ada.id).await, [1, 2, 3, 4, 5, 6]);
        let again = world.users.undelete(ada.id, None).await;
        assert!(matches!(again, Err(Error::UserNotFound)));
        // The address and the name are free.
        assert_ne!(named(&world, "ada@example.org").await.id, ada.id);
    })
    .await;
}

#[tokio::test]
async fn a_purge_by_request_erases_what_was_told_as_well() {
    on_each(async |world| {
        let ada = named(&world, "ada@example.org").await;
        world.users.delete(ada.id, None).await.unwrap();
        // Long after, others have changed, and nothing of theirs is erased.
        world.clock.advance(2 * DAY);
        world.create("kept@example.org", None).await.unwrap();
        world.users.purge(ada.id, None).await.unwrap();
        assert_eq!(world.told_of(ada.id).await, [1, 2, 3, 4]);
        let told = world.users.storage.feed(0).next(256).await.unwrap();
        let told = told.iter().map(|event| event.payload.as_slice());
        let of_kept = told.filter(|it| it.windows(4).any(|part| part == b"kept"));
        assert_eq!(of_kept.count(), 1);
    })
    .await;
}

#[tokio::test]
async fn accounts_are_purged_in_batches_and_the_others_stay() {
    on_each(async |world| {
        let kept = named(&world, "kept@example.org").await;
        for n in 0..BATCH + 3 {
            let gone = world
                .create(&format!("{n}@example.org"), None)
                .await
                .unwrap();
            world.users.delete(gone.id, None).await.unwrap();
        }
        // As the release before deletes, which knows of no purge.
        let sql = "UPDATE users SET purge_time = NULL WHERE email_key = '7@example.org'";
        world.db.execute_unprepared(sql).await.unwrap();
        world.clock.advance(30 * DAY);
        assert!(world.users.purge_due().await.unwrap());
        assert!(!world.users.purge_due().await.unwrap());
        assert!(!world.users.purge_due().await.unwrap());
        let left = world.rows("users").await;
        assert_eq!(left.matches("purged@").count() as u64 / 2, BATCH + 3);
        assert_eq!(world.users.get(kept.id).await.unwrap(), kept);
    })
    .await;
}

#[tokio::test]
async fn idempotency_keys_are_forgotten_after_a_day() {
    on_each(async |world| {
        let first = world.create("ada@example.org", Some("key")).await.unwrap();
        for n in 0..BATCH {
            let (email, key) = (format!("{n}@example.org"), format!("key {n}"));
            world.create(&email, Some(&key)).await.unwrap();
        }
        world.clock.advance(DAY);
        assert!(!world.users.forget_old_keys().await.unwrap());
        let again = world.create("ada@example.org", Some("key")).await.unwrap();
        assert_eq!(again.id, first.id);
        world.clock.advance(Duration::from_secs(1));
        assert!(world.users.forget_old_keys().await.unwrap());
        assert!(!world.users.forget_old_keys().await.unwrap());
        let again = world.create("ada@example.org", Some("key")).await;
        assert!(matches!(again, Err(Error::EmailTaken)));
    })
    .await;
}
