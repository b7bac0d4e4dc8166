//! How often requests may come: the classes of the configuration, and what the answer says of them
//! (draft-ietf-httpapi-ratelimit-headers-10).

use std::{
    collections::{HashMap, HashSet},
    fmt::Write,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use portico_cache::{Quotas, Rate, Standing};
use portico_service::{
    Config,
    config::rate_limits::{self, By},
};
use ring::digest::{SHA256, digest};
use tracing::warn;

use super::Client;
use crate::{caller::Admitted, problem::Problem};

/// The classes of RPCs that name none.
const PUBLIC: &str = "public";
const AUTHENTICATED: &str = "authenticated";
/// The class that counts requests whose token was refused.
const REFUSED: &str = "refused";

/// The client of people who sign in with Portico itself: all of them would share its limit.
const FIRST_PARTY: &str = "portico";

/// How many names of unknown classes are complained of.
const MOST_COMPLAINTS: usize = 64;

/// Counts requests by their class. Clones share the counts.
#[derive(Clone, Debug)]
pub struct RateLimits(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    quotas: Quotas,
    classes: HashMap<String, Class>,
    unknown: Mutex<HashSet<String>>,
}

/// The limits of one class.
#[derive(Debug)]
pub struct Class {
    rules: Vec<Rule>,
}

/// The limits of one class that count by the same.
#[derive(Debug)]
struct Rule {
    by: By,
    /// How the limit is called, for the caller and the log: `credentials-address`.
    name: String,
    /// What keys begin with. The limit itself is in it: what was counted of another one, perhaps of a longer
    /// period, would refuse what this one allows.
    prefix: String,
    rates: Vec<Rate>,
    policy: HeaderValue,
}

/// What an answer says of the limit that is nearest.
#[derive(Debug, Default)]
pub struct Quota(Option<Said>);

#[derive(Debug)]
struct Said {
    policy: HeaderValue,
    name: String,
    standing: Standing,
}

impl RateLimits {
    /// Those of the configuration, counted by `quotas`.
    pub fn new(config: &Config, quotas: Quotas) -> Self {
        let classes = config.gateway.rate_limits.iter();
        let classes = classes.map(|(name, text)| {
            let limits = rate_limits::parse(text).expect("the configuration was checked");
            (name.clone(), Class::new(name, &limits))
        });
        Self(Arc::new(Inner {
            quotas,
            classes: classes.collect(),
            unknown: Mutex::default(),
        }))
    }

    /// The class of a policy. One that nobody configured counts as if it were not named, with a line in the
    /// log.
    pub fn class(&self, named: Option<&str>, public: bool) -> &Class {
        if let Some(name) = named {
            if let Some(class) = self.0.classes.get(name) {
                return class;
            }
            self.complain(name);
        }
        self.own(if public { PUBLIC } else { AUTHENTICATED })
    }

    fn own(&self, name: &str) -> &Class {
        let class = self.0.classes.get(name);
        class.expect("the defaults have the edge's own classes")
    }

    fn complain(&self, name: &str) {
        let unknown = self.0.unknown.lock();
        let mut unknown = unknown.unwrap_or_else(PoisonError::into_inner);
        if unknown.len() < MOST_COMPLAINTS && unknown.insert(name.to_owned()) {
            warn!(
                class = name,
                "a policy names a class of limits that is not configured"
            );
        }
    }

    /// Counts a request in a class, by all that is known of who sent it. The first limit that is reached
    /// refuses it.
    pub async fn take(
        &self,
        class: &Class,
        client: &Client,
        admitted: &Admitted,
        quota: &mut Quota,
    ) -> Result<(), Problem> {
        for rule in &class.rules {
            let Some(key) = rule.key(client, admitted) else {
                continue;
            };
            let standing = self.0.quotas.take(&key, &rule.rates).await;
            quota.note(rule, standing);
            if !standing.allowed {
                return Err(rule.refusal(&standing));
            }
        }
        Ok(())
    }

    /// Counts a request to what the gateway answers itself.
    pub async fn take_public(&self, client: &Client, quota: &mut Quota) -> Result<(), Problem> {
        let public = self.own(PUBLIC);
        self.take(public, client, &Admitted::default(), quota).await
    }

    /// Counts a request whose token was refused.
    pub async fn count_refused(&self, client: &Client, quota: &mut Quota) -> Result<(), Problem> {
        let refused = self.own(REFUSED);
        self.take(refused, client, &Admitted::default(), quota)
            .await
    }

    /// Refuses an address that was refused too often, before anybody looks at what it presents.
    pub fn refuse_guessing(&self, client: &Client, quota: &mut Quota) -> Result<(), Problem> {
        for rule in &self.own(REFUSED).rules {
            let key = rule.key(client, &Admitted::default());
            let standing = key.and_then(|key| self.0.quotas.refuses(&key, &rule.rates));
            if let Some(standing) = standing {
                quota.note(rule, standing);
                return Err(rule.refusal(&standing));
            }
        }
        Ok(())
    }
}

impl Class {
    fn new(name: &str, limits: &[rate_limits::RateLimit]) -> Self {
        // What only few share comes first: it is what a caller is told of when several are reached.
        let rules = [By::Client, By::Account, By::Address].into_iter();
        let rules = rules.filter_map(|by| {
            let rates = limits.iter().filter(|limit| limit.by == by);
            let rates: Vec<_> = rates.map(|it| Rate::new(it.limit, it.period)).collect();
            (!rates.is_empty()).then(|| Rule::new(name, by, rates))
        });
        Self {
            rules: rules.collect(),
        }
    }
}

impl Rule {
    fn new(class: &str, by: By, rates: Vec<Rate>) -> Self {
        let name = format!("{class}-{}", by.name());
        let items = rates
            .iter()
            .map(|rate| format!("\"{name}\";q={};w={}", rate.limit, rate.period.as_secs()));
        let policy = items.collect::<Vec<_>>().join(", ");
        let counted = rates
            .iter()
            .map(|rate| format!("{}/{}", rate.limit, rate.period.as_millis()));
        let counted = counted.collect::<Vec<_>>().join("+");
        Self {
            by,
            prefix: format!("rate:{{{class}:{}:{counted}:", by.name()),
            policy: HeaderValue::try_from(policy).expect("names and numbers are visible ASCII"),
            name,
            rates,
        }
    }

    /// What is counted; nothing when the request has no such thing.
    fn key(&self, client: &Client, admitted: &Admitted) -> Option<String> {
        let mut key = String::with_capacity(self.prefix.len() + 40);
        key.push_str(&self.prefix);
        match self.by {
            By::Address => key.push_str(&client.counted),
            By::Account => key.push_str(&admitted.caller.as_ref()?.subject),
            By::Client => match (&admitted.key, &admitted.caller) {
                (Some(secret), _) => {
                    // Whoever reads the cache learns nothing that opens anything.
                    let hash = digest(&SHA256, secret.as_bytes());
                    for byte in &hash.as_ref()[..16] {
                        write!(key, "{byte:02x}").expect("a string takes everything");
                    }
                }
                (None, Some(caller)) if caller.client_id != FIRST_PARTY => {
                    key.push_str(&caller.client_id);
                }
                _ => return None,
            },
        }
        key.push('}');
        Some(key)
    }

    fn refusal(&self, standing: &Standing) -> Problem {
        let limits = self.rates.iter().map(|rate| {
            let (limit, seconds) = (rate.limit, rate.period.as_secs());
            format!("{limit} requests in {seconds} seconds")
        });
        let limits = limits.collect::<Vec<_>>().join(" and ");
        let detail = format!("the limit {} is {limits}", self.name);
        Problem::rate_limited(detail, whole_seconds(standing.retry_after))
    }
}

impl Quota {
    /// Of several limits the nearest is told.
    fn note(&mut self, rule: &Rule, standing: Standing) {
        let nearer =
            |said: &Said| standing.allowed && said.standing.remaining <= standing.remaining;
        if !self.0.as_ref().is_some_and(nearer) {
            self.0 = Some(Said {
                policy: rule.policy.clone(),
                name: rule.name.clone(),
                standing,
            });
        }
    }

    /// The limit that refused, if one did.
    pub fn refused_by(&self) -> Option<&str> {
        let said = self.0.as_ref().filter(|said| !said.standing.allowed);
        said.map(|said| said.name.as_str())
    }

    /// Writes `RateLimit` and `RateLimit-Policy`.
    pub fn write(&self, headers: &mut HeaderMap) {
        let Some(Said {
            policy,
            name,
            standing,
        }) = &self.0
        else {
            return;
        };
        let left = standing.remaining;
        let window = standing.restored_after.as_secs() + 1;
        if let Ok(value) = HeaderValue::try_from(format!("\"{name}\";r={left};t={window}")) {
            headers.insert(HeaderName::from_static("ratelimit"), value);
        }
        headers.insert(HeaderName::from_static("ratelimit-policy"), policy.clone());
    }
}

/// `Retry-After` counts whole seconds, and zero would invite a storm.
fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}
