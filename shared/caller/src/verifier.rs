//! From a token to its holder.

use std::sync::Arc;

use metrics::{Counter, counter};
use portico_cache::Denylist;
use portico_service::Clock;
use quick_cache::{Weighter, sync::Cache};

use crate::{Caller, Claims, Keys, Refusal, jws};

/// How far the clocks of two machines may be apart, in seconds.
pub const LEEWAY_SECONDS: u64 = 30;

/// What all remembered tokens may take together, in bytes.
const MEMORY: u64 = 16 << 20;
/// How many tokens that is, roughly; room for them is made as they come.
const TOKENS: usize = 8 * 1024;
/// What a remembered token takes beside its text, roughly, in bytes.
const OVERHEAD: u64 = 640;

/// Verifies access tokens of one issuer for one audience.
///
/// A verification costs more than everything else that the edge does, so verified tokens are
/// remembered until they expire, in bounded memory. The expiry and the denylist are looked at each
/// time, and all are verified again when the issuer withdraws a key. Clones share what they remember.
#[derive(Clone)]
pub struct Verifier {
    inner: Arc<Inner>,
}

struct Inner {
    issuer: String,
    /// None takes every audience.
    audience: Option<String>,
    keys: Keys,
    denylist: Denylist,
    clock: Clock,
    remembered: Cache<Box<str>, Remembered, Weight>,
    hits: Counter,
    verified: Counter,
}

#[derive(Clone)]
struct Remembered {
    caller: Arc<Caller>,
    withdrawals: u64,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Box<str>, Remembered> for Weight {
    fn weight(&self, token: &Box<str>, _: &Remembered) -> u64 {
        // The claims take less than the token that they came in.
        2 * token.len() as u64 + OVERHEAD
    }
}

impl Verifier {
    /// A verifier for tokens whose `iss` is exactly `issuer` and whose `aud` names `audience`.
    pub fn new(
        issuer: impl Into<String>,
        audience: impl Into<String>,
        keys: Keys,
        denylist: Denylist,
        clock: Clock,
    ) -> Self {
        Self::build(issuer.into(), Some(audience.into()), keys, denylist, clock)
    }

    /// A verifier for all tokens of an issuer, whomever they are for: for the issuer itself, which tells
    /// others about them.
    pub fn for_any_audience(
        issuer: impl Into<String>,
        keys: Keys,
        denylist: Denylist,
        clock: Clock,
    ) -> Self {
        Self::build(issuer.into(), None, keys, denylist, clock)
    }

    fn build(
        issuer: String,
        audience: Option<String>,
        keys: Keys,
        denylist: Denylist,
        clock: Clock,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                issuer,
                audience,
                keys,
                denylist,
                clock,
                remembered: Cache::with_weighter(TOKENS, MEMORY, Weight),
                hits: counter!("token_verifications_total", "result" => "remembered"),
                verified: counter!("token_verifications_total", "result" => "verified"),
            }),
        }
    }

    /// The holder of a token (RFC 9068, section 4). Waits only when the token's key is not known yet.
    pub async fn verify(&self, token: &str) -> Result<Arc<Caller>, Refusal> {
        let inner = &self.inner;
        let outcome = match inner.recall(token) {
            Some(caller) => inner
                .still_good(caller)
                .inspect(|_| inner.hits.increment(1)),
            None => inner
                .verify(token)
                .await
                .inspect(|_| inner.verified.increment(1)),
        };
        outcome.inspect_err(|refusal| {
            let result = refusal.reason().as_str();
            counter!("token_verifications_total", "result" => result).increment(1);
        })
    }
}

impl Inner {
    fn recall(&self, token: &str) -> Option<Arc<Caller>> {
        let remembered = self.remembered.get(token)?;
        (remembered.withdrawals == self.keys.withdrawals()).then_some(remembered.caller)
    }

    async fn verify(&self, token: &str) -> Result<Arc<Caller>, Refusal> {
        let unverified = jws::parse(token)?;
        // Read before the key, so that a withdrawal in between is not overlooked.
        let withdrawals = self.keys.withdrawals();
        let key = self.keys.find(&unverified.kid).await?;
        let claims = self.accept(&unverified.verify(&key)?)?;
        let caller = self.still_good(Arc::new(Caller::from(claims)))?;
        let remembered = Remembered {
            caller: caller.clone(),
            withdrawals,
        };
        self.remembered.insert(token.into(), remembered);
        Ok(caller)
    }

    /// What does not change while a token lives.
    fn accept(&self, payload: &[u8]) -> Result<Claims, Refusal> {
        let claims: Claims = serde_json::from_slice(payload)
            .map_err(|_| Refusal::Malformed("its claims cannot be read"))?;
        if claims.iss != self.issuer {
            return Err(Refusal::Forged("it comes from another issuer"));
        }
        let audience = self.audience.as_ref();
        if audience.is_some_and(|name| !claims.aud.contains(name)) {
            return Err(Refusal::Forged("it is for another audience"));
        }
        if claims.sub.is_empty() {
            return Err(Refusal::Forged("it has no subject"));
        }
        let latest = self.now().saturating_add(LEEWAY_SECONDS);
        if claims.iat > latest || claims.nbf.is_some_and(|nbf| nbf > latest) {
            return Err(Refusal::Forged("it is not good yet"));
        }
        Ok(claims)
    }

    /// What may change from one use to the next.
    fn still_good(&self, caller: Arc<Caller>) -> Result<Arc<Caller>, Refusal> {
        if caller.expires_at.saturating_add(LEEWAY_SECONDS) <= self.now() {
            return Err(Refusal::Expired);
        }
        let session = caller.session.as_deref();
        if session.is_some_and(|sid| self.denylist.is_denied(sid))
            || self.denylist.is_denied(&caller.token_id)
        {
            return Err(Refusal::Revoked);
        }
        Ok(caller)
    }

    /// Seconds since 1970.
    fn now(&self) -> u64 {
        u64::try_from(self.clock.now().timestamp()).unwrap_or_default()
    }
}
