//! API keys as bearer tokens: exchanged here for access tokens, so that services see only those.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use metrics::{Counter, counter};
use portico_caller::{Caller, Refusal, Verifier};
use portico_proto::{
    auth::v1::{ExchangeApiKeyRequest, key_exchange_service_client::KeyExchangeServiceClient},
    error::Reason,
};
use portico_service::{Backend, Clock};
use quick_cache::sync::Cache;
use tokio::time::timeout_at;
use tonic::Status;

use crate::problem::{Origin, Problem};

/// What every API key starts with.
const PREFIX: &str = "ptc_";
/// No API key is longer, in bytes.
const LONGEST: usize = 64;
/// How many keys are remembered, those that are not good included.
const MOST: usize = 8 * 1024;
/// How long a key that is not good is refused without asking again.
const REFUSED_FOR: Duration = Duration::from_secs(5);

/// The tokens that keys were exchanged for. Clones share them.
///
/// A token is used for half of its life. What ends it before, goes by the denylist, as for every token;
/// then the key is exchanged anew, since it may still be good.
#[derive(Clone)]
pub struct ApiKeys {
    remembered: Arc<Cache<Box<str>, Entry>>,
    clock: Clock,
    hits: Counter,
    misses: Counter,
}

#[derive(Clone)]
enum Entry {
    Good {
        token: Arc<str>,
        until: DateTime<Utc>,
    },
    Refused {
        until: Instant,
    },
}

/// Whether a bearer token is an API key.
pub fn is_key(token: &str) -> bool {
    token.starts_with(PREFIX)
}

impl ApiKeys {
    /// Nothing is remembered yet.
    pub fn new(clock: Clock) -> Self {
        let counter =
            |result| counter!("cache_lookups_total", "cache" => "api_keys", "result" => result);
        Self {
            remembered: Arc::new(Cache::new(MOST)),
            clock,
            hits: counter("hit"),
            misses: counter("miss"),
        }
    }

    /// Whether a key was found to be good lately.
    pub fn knows(&self, key: &str) -> bool {
        matches!(self.remembered.get(key), Some(Entry::Good { .. }))
    }

    /// The holder of a key, and the access token to go on with.
    pub async fn verify(
        &self,
        key: &str,
        auth: &Backend,
        verifier: &Verifier,
        deadline: Instant,
        origin: &Origin<'_>,
    ) -> Result<(Arc<Caller>, Arc<str>), Problem> {
        let refused = || {
            let status = Reason::ApiKeyInvalid.status("the API key is unknown, expired or revoked");
            Problem::from_status(&status, origin)
        };
        if key.len() > LONGEST {
            return Err(refused());
        }
        let remembered = self.remembered.get(key);
        let counted = if remembered.is_some() {
            &self.hits
        } else {
            &self.misses
        };
        counted.increment(1);
        match remembered {
            Some(Entry::Refused { until }) if Instant::now() < until => return Err(refused()),
            Some(Entry::Good { token, until }) if self.clock.now() < until => {
                match verifier.verify(&token).await {
                    Ok(caller) => return Ok((caller, token)),
                    Err(Refusal::KeysUnavailable) => {
                        return Err(Problem::refused(Refusal::KeysUnavailable, origin));
                    }
                    // Ended before its time, and perhaps the key with it.
                    Err(_) => {
                        self.remembered.remove(key);
                    }
                }
            }
            _ => {}
        }
        let token = self
            .exchange(key, auth, deadline)
            .await
            .map_err(|status| Problem::from_status(&status, origin))?;
        let caller = verifier.verify(&token).await;
        let caller = caller.map_err(|refusal| {
            self.remembered.remove(key);
            Problem::refused(refusal, origin)
        })?;
        Ok((caller, token))
    }

    async fn exchange(
        &self,
        key: &str,
        auth: &Backend,
        deadline: Instant,
    ) -> Result<Arc<str>, Status> {
        let request = ExchangeApiKeyRequest {
            api_key: key.to_owned(),
        };
        let mut client = KeyExchangeServiceClient::new(auth.clone());
        let calling = timeout_at(deadline.into(), client.exchange_api_key(request));
        let late = || Reason::DeadlineExceeded.status("the service did not answer in time");
        let answer = match calling.await.map_err(|_elapsed| late())? {
            Ok(answer) => answer.into_inner(),
            Err(status) => {
                if Reason::of(&status) == Some(Reason::ApiKeyInvalid) {
                    let until = Instant::now() + REFUSED_FOR;
                    self.remembered.insert(key.into(), Entry::Refused { until });
                }
                return Err(status);
            }
        };
        let token: Arc<str> = answer.access_token.into();
        let until = answer.use_until_time.and_then(|time| {
            DateTime::from_timestamp(time.seconds, u32::try_from(time.nanos).ok()?)
        });
        if let Some(until) = until {
            let good = Entry::Good {
                token: Arc::clone(&token),
                until,
            };
            self.remembered.insert(key.into(), good);
        }
        Ok(token)
    }
}
