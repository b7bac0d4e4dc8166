//! The issuer's public keys, fetched when they are needed and kept when the issuer is away.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use futures_util::{FutureExt, future::BoxFuture};
use portico_proto::{
    auth::v1::{GetJsonWebKeySetRequest, JsonWebKeySet, key_service_client::KeyServiceClient},
    error::Reason,
};
use portico_service::Backend;
use tokio::{
    sync::{Mutex, MutexGuard},
    time::{Instant, timeout},
};
use tonic::Status;
use tracing::{info, warn};

use crate::{Refusal, jws::Key};

/// Keys older than this are fetched again when one of them is used.
const REFRESH_AFTER: Duration = Duration::from_mins(5);
/// Unknown key ids, which anybody can invent, cause at most one fetch in this time.
const FETCH_AT_MOST_EVERY: Duration = Duration::from_secs(2);
/// How long to keep to old keys after a refresh failed.
const RETRY_REFRESH_AFTER: Duration = Duration::from_secs(15);
/// How long a fetch may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where keys come from.
pub trait KeySource: Send + Sync + 'static {
    /// The issuer's key set as it is now.
    fn fetch(&self) -> BoxFuture<'_, Result<JsonWebKeySet, Status>>;
}

impl KeySource for Backend {
    fn fetch(&self) -> BoxFuture<'_, Result<JsonWebKeySet, Status>> {
        let mut client = KeyServiceClient::new(self.clone());
        async move {
            let answer = client.get_json_web_key_set(GetJsonWebKeySetRequest {});
            Ok(answer.await?.into_inner())
        }
        .boxed()
    }
}

/// The keys that verify tokens. Clones share them.
#[derive(Clone)]
pub struct Keys {
    inner: Arc<Inner>,
}

struct Inner {
    source: Arc<dyn KeySource>,
    known: ArcSwap<Known>,
    /// Grows when a key that verified tokens is not among the keys any more.
    withdrawals: AtomicU64,
    /// Held while fetching, so that one fetch serves all who wait.
    fetching: Mutex<Option<Attempt>>,
}

#[derive(Default)]
struct Known {
    keys: HashMap<String, Arc<Key>>,
    /// None before the first fetch; moves on when a refresh fails, so that it is not tried at each use.
    refresh_at: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Attempt {
    at: Instant,
    failed: bool,
}

impl Keys {
    /// Keys from a source. Nothing is fetched before the first token.
    pub fn new(source: Arc<dyn KeySource>) -> Self {
        Self {
            inner: Arc::new(Inner {
                source,
                known: ArcSwap::default(),
                withdrawals: AtomicU64::new(0),
                fetching: Mutex::new(None),
            }),
        }
    }

    /// Keys from the auth service's `KeyService`.
    pub fn from_backend(auth: Backend) -> Self {
        Self::new(Arc::new(auth))
    }

    /// Fetches now, unless that was just tried. Says whether there are keys afterwards; a process may
    /// call it at its start so that the first token does not wait.
    pub async fn warm_up(&self) -> bool {
        let attempt = self.inner.fetching.lock().await;
        if !attempt.is_some_and(Attempt::is_recent) {
            self.inner.fetch(attempt).await;
        }
        !self.inner.known.load().keys.is_empty()
    }

    /// Changes whenever tokens that were verified before have to be looked at again.
    pub(crate) fn withdrawals(&self) -> u64 {
        self.inner.withdrawals.load(Ordering::Acquire)
    }

    /// The key of that id.
    pub(crate) async fn find(&self, kid: &str) -> Result<Arc<Key>, Refusal> {
        let inner = &self.inner;
        let (found, stale) = inner.look_up(kid);
        if let Some(key) = found {
            if stale && let Ok(attempt) = inner.fetching.try_lock() {
                inner.fetch(attempt).await;
                return inner.look_up(kid).0.ok_or(UNKNOWN_KEY);
            }
            return Ok(key);
        }

        let attempt = inner.fetching.lock().await;
        // Whoever held the lock before may have brought it.
        if let (Some(key), _) = inner.look_up(kid) {
            return Ok(key);
        }
        let failed = match *attempt {
            Some(last) if last.is_recent() => last.failed,
            _ => inner.fetch(attempt).await.failed,
        };
        match inner.look_up(kid).0 {
            Some(key) => Ok(key),
            None if failed => Err(Refusal::KeysUnavailable),
            None => Err(UNKNOWN_KEY),
        }
    }
}

const UNKNOWN_KEY: Refusal = Refusal::Forged("its key is not one of the issuer's");

impl Attempt {
    fn is_recent(self) -> bool {
        self.at.elapsed() < FETCH_AT_MOST_EVERY
    }
}

impl Inner {
    /// The key, and whether it is time to fetch again.
    fn look_up(&self, kid: &str) -> (Option<Arc<Key>>, bool) {
        let known = self.known.load();
        let stale = known.refresh_at.is_some_and(|at| at <= Instant::now());
        (known.keys.get(kid).cloned(), stale)
    }

    async fn fetch(&self, mut last: MutexGuard<'_, Option<Attempt>>) -> Attempt {
        let answer = match timeout(PATIENCE, self.source.fetch()).await {
            Ok(answer) => answer.and_then(|set| match usable(&set) {
                keys if keys.is_empty() => Err(Reason::Internal.status("no key can be used")),
                keys => Ok(keys),
            }),
            Err(_) => Err(Reason::DeadlineExceeded.status("no answer in time")),
        };
        let (at, failed) = (Instant::now(), answer.is_err());
        match answer {
            Ok(keys) => self.replace(keys, at),
            Err(status) => {
                warn!(code = ?status.code(), reason = status.message(), "cannot fetch the keys for tokens");
                self.postpone_refresh(at);
            }
        }
        let attempt = Attempt { at, failed };
        *last = Some(attempt);
        attempt
    }

    fn replace(&self, keys: HashMap<String, Arc<Key>>, now: Instant) {
        let before = self.known.load();
        let withdrawn = before
            .keys
            .iter()
            .any(|(kid, key)| keys.get(kid).is_none_or(|new| new != key));
        if keys.len() != before.keys.len() || withdrawn {
            info!(keys = keys.len(), "the keys for tokens changed");
        }
        self.known.store(Arc::new(Known {
            keys,
            refresh_at: Some(now + REFRESH_AFTER),
        }));
        // After the new keys stand, so that nobody verifies by an old one and counts as new.
        if withdrawn {
            self.withdrawals.fetch_add(1, Ordering::Release);
        }
    }

    fn postpone_refresh(&self, now: Instant) {
        let before = self.known.load();
        if before.refresh_at.is_some_and(|at| at <= now) {
            self.known.store(Arc::new(Known {
                keys: before.keys.clone(),
                refresh_at: Some(now + RETRY_REFRESH_AFTER),
            }));
        }
    }
}

/// The keys of a set that can verify tokens, by their ids. Others are passed over, as RFC 7517,
/// section 5, asks.
fn usable(set: &JsonWebKeySet) -> HashMap<String, Arc<Key>> {
    let mut keys = HashMap::new();
    for jwk in &set.keys {
        let fault = match (Key::from_jwk(jwk), keys.entry(jwk.kid.clone())) {
            (Ok(_), _) if jwk.kid.is_empty() => "it has no id",
            (Ok(_), Entry::Occupied(_)) => "another key has its id",
            (Ok(key), Entry::Vacant(place)) => {
                place.insert(Arc::new(key));
                continue;
            }
            (Err(fault), _) => fault,
        };
        warn!(kid = jwk.kid, fault, "passed over a key for tokens");
    }
    keys
}
