//! A real standby beside the database.

use std::time::{Duration, Instant};

use portico_proto::user::v1::{
    self as pb, transfer_service_client::TransferServiceClient,
    user_events_client::UserEventsClient,
};
use portico_service::{Config, Secret, Shape, database};
use portico_testing::{Postgres, own_postgres};
use portico_user::Migrator;
use sea_orm::{ConnectionTrait, DatabaseConnection};

use crate::house::{House, answer};

/// How many statements the database itself gets for a call that finds one account.
async fn asked(house: &House, what: &str, call: impl Future<Output = usize>) -> usize {
    house.forget_statements();
    assert_eq!(call.await, 1, "{what}");
    house.statements().len()
}

struct Pair {
    house: House,
    copy: DatabaseConnection,
    /// Until all is over.
    _database: Postgres,
}

impl Pair {
    /// A database with a standby, and a service on both that asks it while it is two seconds behind at most.
    async fn open() -> Option<(Self, Postgres)> {
        let database = own_postgres()?;
        let url = database.database();
        let db = database::connect(&Secret::from(url.as_str()), 1)
            .await
            .unwrap();
        database::migrate::<Migrator>(&db).await.unwrap();
        db.close().await.unwrap();
        let replica = database.replica();
        let copy = replica.url(url.rsplit('/').next().unwrap());
        let settings = [
            ("USER__DATABASE_URL", url.as_str()),
            ("USER__REPLICA_URL", &copy),
            ("USER__REPLICA_MAX_LAG_SECONDS", "2"),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::from_pairs(Shape::User, settings).unwrap();
        let house = House::open_with("postgres", &url, &config).await;
        let copy = database::connect(&Secret::from(copy.as_str()), 1)
            .await
            .unwrap();
        let pair = Self {
            house,
            copy,
            _database: database,
        };
        Some((pair, replica))
    }

    async fn on_the_copy(&self, sql: &str) {
        // The connection may be one from before a restart, and says so once.
        if self.copy.execute_unprepared(sql).await.is_err() {
            self.copy.execute_unprepared(sql).await.unwrap();
        }
    }

    /// How many accounts a list has, and whether the database itself was asked for it.
    async fn list(&self) -> (usize, bool) {
        self.house.forget_statements();
        let page = self.house.list(0, "").await.unwrap();
        (page.users.len(), !self.house.statements().is_empty())
    }

    /// Waits until a list has so many accounts and comes from there.
    async fn until(&self, what: &str, wanted: (usize, bool)) {
        let patience = Instant::now() + Duration::from_secs(20);
        loop {
            let found = self.list().await;
            if found == wanted {
                return;
            }
            assert!(Instant::now() < patience, "{what}: {found:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn close(self) {
        self.house.close().await;
        self.copy.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_behind_is_asked_of_a_replica_and_the_rest_is_not() {
    let Some((pair, _replica)) = Pair::open().await else {
        return;
    };
    let house = &pair.house;
    let ada = house.create("ada@example.org").await;
    pair.until("the replica is used", (1, false)).await;

    let search = pb::ListUsersRequest {
        search: "ada".into(),
        show_total_size: true,
        ..pb::ListUsersRequest::default()
    };
    let search = async { house.query(search).await.unwrap().users.len() };
    assert_eq!(asked(house, "search", search).await, 0);
    let batch = pb::BatchGetUsersRequest {
        ids: vec![ada.id.clone()],
        ..pb::BatchGetUsersRequest::default()
    };
    let batch = async {
        let found = house.users().batch_get_users(house.admin(batch)).await;
        answer(found).unwrap().users.len()
    };
    assert_eq!(asked(house, "batch", batch).await, 0);
    let export = async {
        let mut client = TransferServiceClient::new(house.backend.clone());
        let request = house.admin(pb::ExportUsersRequest::default());
        let mut lines = client.export_users(request).await.unwrap().into_inner();
        let mut count = 0;
        while lines.message().await.unwrap().is_some() {
            count += 1;
        }
        count
    };
    assert_eq!(asked(house, "export", export).await, 0);

    // What a person reads of her own change, and what belongs to a place in the feed, is never behind.
    let get = async {
        house.get(&ada.id).await.unwrap();
        1
    };
    assert_eq!(asked(house, "get", get).await, 1);
    let snapshot = async {
        let mut client = UserEventsClient::new(house.backend.clone());
        let request = house.service(pb::SnapshotRequest::default());
        let mut parts = client.snapshot(request).await.unwrap().into_inner();
        let mut count = 0;
        while let Some(part) = parts.message().await.unwrap() {
            count += part.users.len();
        }
        count
    };
    assert!(asked(house, "snapshot", snapshot).await > 1);
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_behind_away_or_none_any_more_is_not_asked() {
    let Some((pair, mut replica)) = Pair::open().await else {
        return;
    };
    pair.house.create("1@example.org").await;
    pair.until("the replica is used", (1, false)).await;

    pair.on_the_copy("SELECT pg_wal_replay_pause()").await;
    pair.house.create("2@example.org").await;
    pair.until("one that does not keep up is left", (2, true))
        .await;
    pair.on_the_copy("SELECT pg_wal_replay_resume()").await;
    pair.until("one that keeps up is used again", (2, false))
        .await;

    // No list fails while it goes, nor afterwards, and the process stays ready.
    let going = tokio::task::spawn_blocking(move || {
        replica.stop();
        replica
    });
    while !going.is_finished() {
        assert_eq!(pair.list().await.0, 2);
    }
    let mut replica = going.await.unwrap();
    pair.until("one that is away is left", (2, true)).await;
    assert!(pair.house.frame.readiness.is_ready());
    pair.house.create("3@example.org").await;
    assert_eq!(pair.list().await, (3, true));

    replica.start();
    pair.until("one that is back is used", (3, false)).await;
    pair.on_the_copy("SELECT pg_promote()").await;
    pair.house.create("4@example.org").await;
    pair.until("one that follows no more is left", (4, true))
        .await;
    pair.close().await;
}
