//! The keys of this process: loaded from the database, looked at without waiting.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use chrono::{DateTime, TimeDelta, Utc};
use metrics::gauge;
use portico_caller::KeySource;
use portico_proto::auth::v1::{JsonWebKey, JsonWebKeySet};
use portico_service::Clock;
use tonic::Status;

use super::{NewKey, PublicKey, Schedule, SigningKey, StoredKey, Vault};
use crate::{crash, domain::Random, error::Error, lease::Lease, storage::Storage};

/// The keys that sign and those that verify. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct KeyRing(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    storage: Storage,
    vault: Vault,
    schedule: Schedule,
    clock: Clock,
    random: Random,
    keys: ArcSwap<Vec<Arc<Held>>>,
}

#[derive(Debug)]
struct Held {
    key: Arc<SigningKey>,
    retire_time: Option<DateTime<Utc>>,
}

/// How often a process that finds no key looks whether another one has made it.
const FIRST_KEY_POLL: Duration = Duration::from_millis(100);

impl KeyRing {
    pub(crate) fn new(
        storage: Storage,
        vault: Vault,
        schedule: Schedule,
        clock: Clock,
        random: Random,
    ) -> Self {
        Self(Arc::new(Inner {
            storage,
            vault,
            schedule,
            clock,
            random,
            keys: ArcSwap::default(),
        }))
    }

    /// The key that signs now; `None` before the first [`reload`](Self::reload).
    pub(crate) fn current(&self) -> Option<Arc<SigningKey>> {
        let now = self.0.clock.now();
        let keys = self.0.keys.load();
        let current = keys.iter().rfind(|held| held.key.activate_time <= now)?;
        Some(Arc::clone(&current.key))
    }

    /// The keys to verify by: the one that signs, the next one, and old ones until their last token is
    /// dead.
    pub(crate) fn published(&self) -> Vec<PublicKey> {
        let now = self.0.clock.now();
        let keys = self.0.keys.load();
        keys.iter()
            .filter(|held| held.retire_time.is_none_or(|time| now < time))
            .map(|held| held.key.public.clone())
            .collect()
    }

    /// How long a copy of [`published`](Self::published) may be used.
    pub(crate) fn max_age(&self) -> TimeDelta {
        self.0.schedule.max_age()
    }

    /// Reads the keys again. One statement; a key that is known already is not decrypted again.
    ///
    /// # Errors
    ///
    /// When a key does not open under any master key: going on would sign with another one than the
    /// other processes do.
    pub(crate) async fn reload(&self) -> Result<(), Error> {
        let stored = self.0.storage.signing_keys().await?;
        self.adopt(&stored)
    }

    fn adopt(&self, stored: &[StoredKey]) -> Result<(), Error> {
        let known = self.0.keys.load();
        let mut keys = Vec::with_capacity(stored.len());
        for row in stored {
            let held = known.iter().find(|held| held.key.public.kid == row.kid);
            let key = match held {
                Some(held) => Arc::clone(&held.key),
                None => Arc::new(
                    SigningKey::open(row, &self.0.vault)
                        .ok_or_else(|| Error::SealedKey(row.kid.clone()))?,
                ),
            };
            keys.push(Arc::new(Held {
                key,
                retire_time: row.retire_time,
            }));
        }
        self.0.keys.store(Arc::new(keys));
        self.show();
        Ok(())
    }

    /// Shows how old the key is that signs, and which keys there are besides.
    fn show(&self) {
        let now = self.0.clock.now();
        let keys = self.0.keys.load();
        let begun = keys.iter().filter(|held| held.key.activate_time <= now);
        let begun = begun.count();
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        for (state, count) in [
            ("current", begun.min(1)),
            ("next", keys.len() - begun),
            ("former", begun.saturating_sub(1)),
        ] {
            gauge!("auth_signing_keys", "state" => state).set(number(count));
        }
        if let Some(current) = self.current() {
            let age = now - current.activate_time;
            gauge!("auth_signing_key_age_seconds").set(age.as_seconds_f64());
        }
        let period = self.0.schedule.period.as_seconds_f64();
        gauge!("auth_signing_key_period_seconds").set(period);
    }

    /// Makes, retires and removes keys as the schedule says, encrypts under the first master key what
    /// another one has encrypted, and reads them again. Only the holder of the keys' lease may; the
    /// transaction makes sure of it.
    pub(crate) async fn maintain(&self, lease: &Lease) -> Result<(), Error> {
        let inner = &self.0;
        let now = inner.clock.now();
        // A key that cannot be opened stops us before another one is made beside it.
        let stored = inner.storage.signing_keys().await?;
        self.adopt(&stored)?;
        self.reseal(&stored).await?;
        let plan = inner.schedule.plan(&stored, now);
        if plan.is_empty() {
            return Ok(());
        }
        // Beforehand, since an RSA key takes longer than a transaction should.
        let mut fresh = self.generate(plan.create.len()).await?;
        let tx = inner.storage.begin().await?;
        if !lease.lock(&tx).await? {
            return Ok(());
        }
        let plan = inner.schedule.plan(&tx.signing_keys().await?, now);
        if plan.create.len() > fresh.len() {
            // Somebody took keys away meanwhile; the next look makes as many as it takes.
            return Ok(());
        }
        let mut begins = plan.create.iter().peekable();
        while let (Some(activate_time), Some(key)) = (begins.next(), fresh.pop()) {
            let mut key = key.seal(&inner.vault, &inner.random, *activate_time);
            key.retire_time = begins.peek().map(|next| **next + inner.schedule.keep);
            tx.add_signing_key(&key, now).await?;
            let algorithm = key.algorithm.as_str();
            tracing::info!(kid = key.kid, algorithm, activate_time = %key.activate_time, "made a signing key");
        }
        for (kid, time) in &plan.retire {
            tx.retire_signing_key(kid, *time).await?;
        }
        for kid in &plan.remove {
            tx.remove_signing_key(kid).await?;
            tracing::info!(kid, "removed a signing key that no token needs");
        }
        crash::point("keys.adding");
        tx.commit().await?;
        crash::point("keys.added");
        self.reload().await
    }

    async fn generate(&self, count: usize) -> Result<Vec<NewKey>, Error> {
        let algorithm = self.0.schedule.algorithm;
        let making = tokio::task::spawn_blocking(move || {
            (0..count).map(|_| NewKey::generate(algorithm)).collect()
        });
        // The runtime drops blocking work only when it shuts down.
        making.await.map_err(|_| Error::NoSigningKey)
    }

    async fn reseal(&self, stored: &[StoredKey]) -> Result<(), Error> {
        let inner = &self.0;
        for row in stored {
            if inner.vault.is_current(&row.kid, &row.sealed) {
                continue;
            }
            if let Some(document) = inner.vault.open(&row.kid, &row.sealed) {
                let sealed = inner.vault.seal(&row.kid, &document, &inner.random);
                let storing = inner.storage.reseal_signing_key(row, sealed);
                storing.await?;
                tracing::info!(kid = row.kid, "encrypted a signing key anew");
            }
        }
        Ok(())
    }

    /// Loads the keys, and makes the first ones when there are none. With several processes that
    /// start at once, one makes them and the others wait for it.
    pub(crate) async fn prepare(&self, lease: &Lease) -> Result<(), Error> {
        loop {
            self.reload().await?;
            if self.current().is_some() {
                return Ok(());
            }
            if lease.take().await? {
                self.maintain(lease).await?;
            } else {
                tokio::time::sleep(FIRST_KEY_POLL).await;
            }
        }
    }

    /// The key set as it goes over the wire.
    pub(crate) fn key_set(&self) -> JsonWebKeySet {
        let keys = self.published().into_iter().map(JsonWebKey::from).collect();
        JsonWebKeySet { keys }
    }
}

/// This service verifies the tokens of its callers by its own keys. Asking for them reads them again,
/// so that a token of another process's newest key is known at once.
impl KeySource for KeyRing {
    fn fetch(
        &self,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<JsonWebKeySet, Status>> + Send + '_>> {
        Box::pin(async move {
            self.reload().await?;
            Ok(self.key_set())
        })
    }
}
