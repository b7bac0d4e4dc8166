//! The cache of several processes.

mod counts;
mod fault;
mod health;
mod watch;

use std::time::Duration;

use bytes::Bytes;
use deadpool_redis::{
    Manager, Pool,
    redis::{self, AsyncConnectionConfig, Client, FromRedisValue, IntoConnectionInfo, Pipeline},
};
use futures_util::{FutureExt, future::BoxFuture, stream::BoxStream};
use tokio::time::timeout;

use self::{fault::Fault, health::Health};
use crate::{Cache, Error, Mark, Rate, Taken};

type Result<T, E = Error> = std::result::Result<T, E>;

/// How long any call may take, with getting a connection.
const PATIENCE: Duration = Duration::from_millis(250);
/// Connections of one process; each carries one call at a time.
const POOL_SIZE: usize = 16;
/// The longest time to live; keeps sums of times within what Redis reckons exactly. 100 years.
const MAX_MILLIS: u64 = 100 * 365 * 24 * 3_600_000;
/// Marks sent or read in one go.
const BATCH: usize = 500;

/// What `TIME` answers: seconds and microseconds.
type Time = (u64, u64);
/// What `ZSCAN` answers: where to go on, and members with their scores.
type Page = (u64, Vec<(String, f64)>);

/// Adds one mark and tells the watchers. Times are Redis's own, so that no two clocks have to agree,
/// and the set as a whole goes when its last member does.
const MARK: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], 'GT', string.format('%.0f', now + ARGV[2]), ARGV[1])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', tonumber(last[2])))
redis.call('PUBLISH', ARGV[3], ARGV[2] .. ' ' .. ARGV[1])
return 1";

/// Values, counts and marks in Redis (6.2 or later) or Valkey.
///
/// Each call ends within a quarter of a second. While Redis is away, calls fail at once but for one
/// every quarter of a second that looks whether it is back; the gauge `cache_fallback_active` is 1, and
/// one line in the log says so at either end.
pub struct Redis {
    pool: Pool,
    /// For the connections of watchers, which cannot be shared.
    client: Client,
    database: i64,
    health: Health,
}

impl Redis {
    /// A cache at an address (`redis://` or `rediss://`); connects when it is first used.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] when the address cannot be understood.
    pub fn new(url: &str) -> Result<Self> {
        // The message never holds the address, which may hold a password.
        let invalid = |error: redis::RedisError| Error::Address(error.category().to_owned());
        let info = url.into_connection_info().map_err(invalid)?;
        let database = info.redis_settings().db();
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let manager = Manager::new_with_config(info.clone(), config).map_err(invalid)?;
        let pool = Pool::builder(manager).max_size(POOL_SIZE).build();
        Ok(Self {
            pool: pool.map_err(|error| Error::Address(error.to_string()))?,
            client: Client::open(info).map_err(invalid)?,
            database,
            health: Health::new(),
        })
    }
}

impl Redis {
    /// Runs a pipeline, unless Redis was just found to be away.
    async fn run<T: FromRedisValue>(&self, operation: &'static str, pipe: &Pipeline) -> Result<T> {
        if !self.health.may_try() {
            return Err(Error::Away);
        }
        let outcome = match timeout(PATIENCE, self.run_untimed(pipe)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Fault::late()),
        };
        self.health.saw(operation, outcome.as_ref().err());
        outcome.map_err(|fault| fault.error)
    }

    async fn run_untimed<T: FromRedisValue>(&self, pipe: &Pipeline) -> Result<T, Fault> {
        let mut connection = self.pool.get().await?;
        Ok(pipe.query_async(&mut connection).await?)
    }
}

/// Where a value lies.
fn value_key(key: &str) -> String {
    format!("portico:{key}")
}

/// Where a set lies. It is one key, so a cluster keeps it in one place.
fn set_key(set: &str) -> String {
    format!("{{portico:{set}}}")
}

impl Redis {
    /// Where the marks of a set are told. Channels know no databases, so the name does.
    fn channel(&self, set: &str) -> String {
        format!("{}@{}", set_key(set), self.database)
    }
}

/// Redis takes whole milliseconds, at least one.
fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis())
        .unwrap_or(u64::MAX)
        .clamp(1, MAX_MILLIS)
}

impl Cache for Redis {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>>> {
        async move {
            let mut pipe = redis::pipe();
            pipe.cmd("GET").arg(value_key(key));
            let (value,): (Option<Bytes>,) = self.run("get", &pipe).await?;
            Ok(value)
        }
        .boxed()
    }

    fn put<'a>(&'a self, key: &'a str, value: Bytes, ttl: Duration) -> BoxFuture<'a, Result<()>> {
        async move {
            let mut pipe = redis::pipe();
            let set = pipe.cmd("SET").arg(value_key(key)).arg(value.as_ref());
            set.arg("PX").arg(millis(ttl)).ignore();
            self.run("put", &pipe).await
        }
        .boxed()
    }

    fn put_if_absent<'a>(
        &'a self,
        key: &'a str,
        value: Bytes,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<bool>> {
        async move {
            let mut pipe = redis::pipe();
            let set = pipe.cmd("SET").arg(value_key(key)).arg(value.as_ref());
            set.arg("NX").arg("PX").arg(millis(ttl));
            let (done,): (Option<String>,) = self.run("put_if_absent", &pipe).await?;
            Ok(done.is_some())
        }
        .boxed()
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<()>> {
        async move {
            let mut pipe = redis::pipe();
            pipe.cmd("DEL").arg(value_key(key)).ignore();
            self.run("remove", &pipe).await
        }
        .boxed()
    }

    fn take<'a>(
        &'a self,
        key: &'a str,
        rates: &'a [Rate],
        cost: u32,
    ) -> BoxFuture<'a, Result<Taken>> {
        async move {
            let pipe = counts::take(&value_key(key), rates, cost);
            let (answer,): (counts::Answer,) = self.run("take", &pipe).await?;
            Ok(counts::taken(answer))
        }
        .boxed()
    }

    fn settle<'a>(
        &'a self,
        key: &'a str,
        rates: &'a [Rate],
        spent: u32,
        debts: &'a [u64],
    ) -> BoxFuture<'a, Result<Taken>> {
        async move {
            let pipe = counts::settle(&value_key(key), rates, spent, debts);
            let (answer,): (counts::Answer,) = self.run("settle", &pipe).await?;
            Ok(counts::taken(answer))
        }
        .boxed()
    }

    fn put_back<'a>(
        &'a self,
        key: &'a str,
        rates: &'a [Rate],
        cost: u32,
    ) -> BoxFuture<'a, Result<()>> {
        async move {
            let pipe = counts::put_back(&value_key(key), rates, cost);
            self.run("put_back", &pipe).await
        }
        .boxed()
    }

    fn mark<'a>(&'a self, set: &'a str, marks: &'a [Mark]) -> BoxFuture<'a, Result<()>> {
        async move {
            let (key, channel) = (set_key(set), self.channel(set));
            for batch in marks.chunks(BATCH) {
                let mut pipe = redis::pipe();
                for mark in batch {
                    let script = pipe.cmd("EVAL").arg(MARK).arg(1).arg(&key);
                    script.arg(&mark.member).arg(millis(mark.remaining));
                    script.arg(&channel).ignore();
                }
                let () = self.run("mark", &pipe).await?;
            }
            Ok(())
        }
        .boxed()
    }

    fn marked<'a>(&'a self, set: &'a str) -> BoxFuture<'a, Result<Vec<Mark>>> {
        async move {
            let key = set_key(set);
            let mut marks = Vec::new();
            let mut cursor = 0_u64;
            loop {
                let mut pipe = redis::pipe();
                pipe.cmd("TIME");
                let scan = pipe.cmd("ZSCAN").arg(&key).arg(cursor);
                scan.arg("COUNT").arg(BATCH);
                let ((seconds, micros), (next, page)): (Time, Page) =
                    self.run("marked", &pipe).await?;
                let now = Duration::from_secs(seconds) + Duration::from_micros(micros);
                marks.extend(page.into_iter().filter_map(|(member, until)| {
                    let until = Duration::try_from_secs_f64(until / 1000.0).ok()?;
                    let remaining = until.checked_sub(now).filter(|left| !left.is_zero())?;
                    Some(Mark { member, remaining })
                }));
                if next == 0 {
                    return Ok(marks);
                }
                cursor = next;
            }
        }
        .boxed()
    }

    fn watch<'a>(&'a self, set: &'a str) -> BoxFuture<'a, Result<BoxStream<'static, Mark>>> {
        async move {
            let watching = watch::open(&self.client, &self.channel(set)).await;
            self.health.saw("watch", watching.as_ref().err());
            watching.map_err(|fault| fault.error)
        }
        .boxed()
    }
}
