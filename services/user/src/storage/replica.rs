//! A read replica: a copy of the database (streaming replication of PostgreSQL) that answers what may be some
//! seconds behind.
//!
//! # Which reads
//!
//! Lists, searches, counts, batches of accounts by id, and exports. Never the read of one account, which is what
//! people see of their own change, never what a change decides on, never the feed and never a snapshot.
//!
//! # How far behind
//!
//! Twice a second the database is asked how far its log has come, and the replica how far it has played that log
//! back. A place in the log that the replica has reached bounds its age, whatever the clocks of the two say, and
//! whether or not anything is written: a replica that lost its connection looks old soon. One that is older than
//! allowed, is away, or does not follow (any more), is not asked.
//!
//! # What happens without it
//!
//! The database answers itself. That goes for a single read too: one that fails on the replica, or is under way
//! when the replica is given up, is made again on the database. So the process stays ready, and says in a log
//! line and in `user_replica_usable` how it stands.
//!
//! # PostgreSQL-compatible engines
//!
//! What is asked for is `pg_current_wal_lsn`, `pg_last_wal_replay_lsn` and `pg_is_in_recovery`. Engines that
//! replicate otherwise need no replica URL, or another body of [`Watch::look`].

use std::{collections::VecDeque, time::Duration};

use metrics::{counter, gauge};
use portico_service::database;
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use sea_orm_migration::MigratorTrait;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Error, Result};

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a look may take. A read that waits for a replica which has gone waits for as long.
const LOOK: Duration = Duration::from_secs(1);

/// The replica, for readers. Clones share it.
#[derive(Clone)]
pub struct Replica {
    db: DatabaseConnection,
    usable: watch::Receiver<bool>,
}

impl Replica {
    /// A copy of `db` that is asked while it is at most `most` behind; and who finds that out, to be run.
    pub fn new(db: DatabaseConnection, copy: DatabaseConnection, most: Duration) -> (Self, Watch) {
        let (tell, usable) = watch::channel(false);
        let replica = Self {
            db: copy.clone(),
            usable,
        };
        let watch = Watch {
            db,
            copy,
            most,
            tell,
            places: Places::default(),
            migrated: false,
            said: false,
        };
        (replica, watch)
    }

    /// What a read gives here; `None` when the database has to be asked instead.
    pub async fn ask<T, F>(&self, read: impl FnOnce(DatabaseConnection) -> F) -> Option<T>
    where
        F: Future<Output = Result<T>>,
    {
        if !*self.usable.borrow() {
            return None;
        }
        tokio::select! {
            answer = read(self.db.clone()) => match answer {
                Ok(answer) => return Some(answer),
                Err(error) => tracing::debug!(%error, "the read replica failed"),
            },
            () = given_up(self.usable.clone()) => {}
        }
        counter!("user_replica_fallbacks_total").increment(1);
        None
    }
}

async fn given_up(mut usable: watch::Receiver<bool>) {
    // Nobody looks after it any more when that fails, and then it is given up as well.
    let _ = usable.wait_for(|usable| !usable).await;
}

/// Who looks after the replica.
pub struct Watch {
    db: DatabaseConnection,
    copy: DatabaseConnection,
    most: Duration,
    tell: watch::Sender<bool>,
    places: Places,
    /// The copy has had the schema of this release.
    migrated: bool,
    /// It was said once how it stands.
    said: bool,
}

impl Watch {
    /// Keeps an eye on the replica until `stop`.
    pub async fn run<M: MigratorTrait>(mut self, stop: CancellationToken) {
        let looking = async {
            loop {
                let fault = match timeout(LOOK, self.look::<M>()).await {
                    Ok(Ok(fault)) => fault,
                    Ok(Err(error)) => {
                        tracing::debug!(%error, "the read replica cannot be looked at");
                        Some("away")
                    }
                    Err(_elapsed) => Some("does not answer"),
                };
                self.say(fault);
                sleep(LOOK_EVERY).await;
            }
        };
        stop.run_until_cancelled(looking).await;
    }

    /// Why it cannot be used, when it cannot.
    async fn look<M: MigratorTrait>(&mut self) -> Result<Option<&'static str>> {
        let here = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint AS place";
        let place = one(&self.db, here).await?.try_get("", "place")?;
        self.places.note(Instant::now(), place, self.most);

        let there = "SELECT pg_is_in_recovery() AS follows, \
                     pg_wal_lsn_diff(COALESCE(pg_last_wal_replay_lsn(), '0/0'), '0/0')::bigint AS place";
        let row = one(&self.copy, there).await?;
        if !row.try_get::<bool>("", "follows")? {
            return Ok(Some("no replica"));
        }
        let age = self.places.age(row.try_get("", "place")?, Instant::now());
        gauge!("user_replica_lag_seconds").set(age.unwrap_or(self.most).as_secs_f64());
        if age.is_none_or(|age| age > self.most) {
            return Ok(Some("too far behind"));
        }
        if !self.migrated {
            if database::pending::<M>(&self.copy).await? {
                return Ok(Some("lacks the schema of this release"));
            }
            self.migrated = true;
        }
        Ok(None)
    }

    fn say(&mut self, fault: Option<&'static str>) {
        let usable = fault.is_none();
        gauge!("user_replica_usable").set(f64::from(u8::from(usable)));
        let turned = self
            .tell
            .send_if_modified(|was| std::mem::replace(was, usable) != usable);
        let turned = turned || !self.said;
        self.said = true;
        match fault {
            None if turned => tracing::info!("the read replica is used"),
            Some(reason) if turned => tracing::warn!(reason, "the read replica is not used"),
            _ => {}
        }
    }
}

async fn one(db: &DatabaseConnection, sql: &str) -> Result<sea_orm::QueryResult> {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let row = db.query_one_raw(statement).await?;
    row.ok_or(Error::Corrupt("no row where there is always one"))
}

/// How far the log had come, and when.
#[derive(Debug, Default)]
struct Places(VecDeque<(Instant, i64)>);

impl Places {
    /// Remembers a place, and forgets those that are too old to vouch for anything.
    fn note(&mut self, now: Instant, place: i64, most: Duration) {
        self.0.push_back((now, place));
        while self
            .0
            .front()
            .is_some_and(|(then, _)| now.duration_since(*then) > most + LOOK)
        {
            self.0.pop_front();
        }
    }

    /// How old, at most, is what a replica shows that has come to `place`. `None` when it is behind all places
    /// that are remembered.
    fn age(&self, place: i64, now: Instant) -> Option<Duration> {
        let reached = self.0.iter().rev().find(|(_, then)| *then <= place);
        reached.map(|(when, _)| now.duration_since(*when))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_replica_is_as_old_as_the_last_place_that_it_has_reached() {
        let most = Duration::from_secs(5);
        let mut places = Places::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(places.age(1_000, start), None);
        for (seconds, place) in [(0, 100), (1, 200), (2, 200), (3, 300)] {
            places.note(at(seconds), place, most);
        }
        assert_eq!(places.age(99, at(3)), None);
        assert_eq!(places.age(150, at(3)), Some(Duration::from_secs(3)));
        // Nothing was written between the two looks, so it has all that was there at the second one.
        assert_eq!(places.age(200, at(3)), Some(Duration::from_secs(1)));
        assert_eq!(places.age(999, at(4)), Some(Duration::from_secs(1)));
        // What is remembered stays bounded.
        for seconds in 4..100 {
            places.note(at(seconds), 400, most);
        }
        assert_eq!(places.age(300, at(99)), None);
        assert!(places.0.len() < 10);
    }
}
