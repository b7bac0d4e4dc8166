//! The clients that this process knows, so that none has to be looked up for each token.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use chrono::{DateTime, TimeDelta, Utc};
use metrics::{Counter, counter};
use portico_service::Clock;
use quick_cache::sync::Cache;
use uuid::Uuid;

use crate::{
    domain::{AuthMethod, FIRST_PARTY, GrantType, OAuthClient, Scopes},
    storage::{self, Storage},
};

/// How many clients are remembered, unknown ids included.
const MOST: usize = 10_000;

/// How long an id that nobody has is remembered as such.
const UNKNOWN_FOR: TimeDelta = TimeDelta::seconds(5);

/// How long clients are believed while the database cannot be asked what changed.
const BLIND_FOR: TimeDelta = TimeDelta::minutes(1);

/// A client as tokens need it.
#[derive(Debug)]
pub(crate) struct KnownClient {
    /// Its `client_id`.
    pub(crate) id: String,
    /// The `sub` of its own tokens. Not the id alone, so that no client passes for an account.
    pub(crate) subject: String,
    /// The `sid` of its own tokens.
    pub(crate) sid: String,
    /// All its scopes, as a token carries them.
    pub(crate) scopes: portico_caller::Scopes,
    pub(crate) client: OAuthClient,
}

impl KnownClient {
    fn new(client: OAuthClient) -> Self {
        Self {
            id: client.id.to_string(),
            subject: format!("client:{}", client.id),
            sid: client.token_sid(),
            scopes: client.scopes.iter().collect(),
            client,
        }
    }

    /// The client of first-party sign-ins.
    fn first_party() -> Self {
        let client = OAuthClient {
            id: Uuid::nil(),
            display_name: "Portico".to_owned(),
            auth_method: AuthMethod::None,
            grant_types: vec![GrantType::RefreshToken],
            scopes: Scopes::new(),
            resources: Vec::new(),
            keys: Vec::new(),
            introspects_all: false,
            disabled: false,
            secret: None,
            previous_secret: None,
            epoch: 0,
            revision: 0,
            create_time: DateTime::UNIX_EPOCH,
            update_time: DateTime::UNIX_EPOCH,
        };
        Self {
            id: FIRST_PARTY.to_owned(),
            ..Self::new(client)
        }
    }
}

#[derive(Clone)]
enum Entry {
    Known(Arc<KnownClient>),
    Unknown { until: DateTime<Utc> },
}

/// Clients by their `client_id`.
///
/// A change that this process makes holds at once; one that another process makes holds within
/// [`EVERY`](crate::upkeep) (5 seconds), when the clients that changed are asked for. What has to hold at
/// once everywhere goes by the denylist.
#[derive(Clone)]
pub(crate) struct Directory(Arc<Inner>);

struct Inner {
    storage: Storage,
    clock: Clock,
    first_party: Arc<KnownClient>,
    entries: Cache<Uuid, Entry>,
    /// When it was last known what changed, in seconds since 1970.
    checked: AtomicI64,
    hits: Counter,
    misses: Counter,
}

impl Directory {
    pub(crate) fn new(storage: Storage, clock: Clock) -> Self {
        let checked = AtomicI64::new(clock.now().timestamp());
        let counter = |result| counter!("cache_lookups_total", "cache" => "oauth_clients", "result" => result);
        Self(Arc::new(Inner {
            storage,
            clock,
            first_party: Arc::new(KnownClient::first_party()),
            entries: Cache::new(MOST),
            checked,
            hits: counter("hit"),
            misses: counter("miss"),
        }))
    }

    /// The client of an id. No statement when it was asked for before, and one otherwise.
    pub(crate) async fn find(&self, client_id: &str) -> storage::Result<Option<Arc<KnownClient>>> {
        let inner = &self.0;
        if client_id == FIRST_PARTY {
            return Ok(Some(Arc::clone(&inner.first_party)));
        }
        let Some(id) = canonical(client_id) else {
            return Ok(None);
        };
        let now = inner.clock.now();
        let seen = DateTime::from_timestamp(inner.checked.load(Ordering::Relaxed), 0);
        let blind = seen.is_none_or(|seen| now - seen > BLIND_FOR);
        let remembered = inner.entries.get(&id);
        let counted = if remembered.is_some() {
            &inner.hits
        } else {
            &inner.misses
        };
        counted.increment(1);
        match remembered {
            Some(Entry::Known(client)) if !blind => return Ok(Some(client)),
            Some(Entry::Unknown { until }) if now < until => return Ok(None),
            _ => {}
        }
        let found = inner.storage.client(id).await?;
        let found = found.map(|client| Arc::new(KnownClient::new(client)));
        let entry = match &found {
            Some(client) => Entry::Known(Arc::clone(client)),
            None => Entry::Unknown {
                until: now + UNKNOWN_FOR,
            },
        };
        inner.entries.insert(id, entry);
        Ok(found)
    }

    /// Forgets a client that was changed here.
    pub(crate) fn forget(&self, id: Uuid) {
        self.0.entries.remove(&id);
    }

    /// Forgets the clients that somebody changed within `lately`, unless that is known already. One
    /// statement.
    pub(crate) async fn catch_up(&self, lately: TimeDelta) -> storage::Result<()> {
        let inner = &self.0;
        let now = inner.clock.now();
        for (id, revision) in inner.storage.clients_changed(now - lately).await? {
            let stale = match inner.entries.peek(&id) {
                Some(Entry::Known(known)) => known.client.revision != revision,
                Some(Entry::Unknown { .. }) => true,
                None => false,
            };
            if stale {
                inner.entries.remove(&id);
            }
        }
        inner.checked.store(now.timestamp(), Ordering::Relaxed);
        Ok(())
    }
}

/// The UUID of a `client_id` in the one spelling that is ours.
fn canonical(client_id: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(client_id).ok()?;
    let spelt = id.hyphenated().encode_lower(&mut [0; 36]) == client_id;
    spelt.then_some(id)
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Directory")
    }
}
