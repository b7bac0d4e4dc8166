//! Access tokens (RFC 9068) and the token by which this service calls another.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwapOption;
use chrono::{DateTime, TimeDelta, Utc};
use portico_caller::{Audience, Claims, INTERNAL_SCOPE, SERVICE_SUBJECT_PREFIX};
use portico_service::Clock;
use uuid::Uuid;

use crate::{
    domain::{Assurance, FIRST_PARTY, Random, Scopes},
    error::Error,
    keys::KeyRing,
};

/// How long this service's own token is good for.
pub(crate) const SERVICE_TTL: TimeDelta = TimeDelta::minutes(5);

/// Makes access tokens in the name of the deployment. Clones share the keys.
#[derive(Clone)]
pub(crate) struct Issuer {
    name: String,
    token_endpoint: String,
    audience: String,
    ttl: TimeDelta,
    keys: KeyRing,
    clock: Clock,
    random: Random,
    own: Arc<ArcSwapOption<OwnToken>>,
}

/// Whose token it is and what it allows.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) user_id: Uuid,
    pub(crate) session_id: Uuid,
    pub(crate) client_id: String,
    /// No token outlives its session.
    pub(crate) session_end: DateTime<Utc>,
    pub(crate) assurance: Assurance,
    pub(crate) auth_time: DateTime<Utc>,
    pub(crate) scopes: Scopes,
    pub(crate) roles: Vec<String>,
}

/// The machine that a token is for, and what it allows. Machines have no roles: what services allow by
/// role is for people.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) subject: String,
    pub(crate) client_id: String,
    /// What the token is refused by before it expires.
    pub(crate) sid: String,
    /// Whom it is for; `None` is this deployment.
    pub(crate) audience: Option<Audience>,
    pub(crate) scopes: portico_caller::Scopes,
    /// When it ends at the latest.
    pub(crate) until: Option<DateTime<Utc>>,
}

/// A signed token.
pub(crate) struct AccessToken {
    pub(crate) token: String,
    /// How long it is good for.
    pub(crate) expires_in: TimeDelta,
}

struct OwnToken {
    token: String,
    renew_time: DateTime<Utc>,
}

impl Issuer {
    pub(crate) fn new(
        name: &str,
        audience: &str,
        ttl: TimeDelta,
        keys: KeyRing,
        clock: Clock,
        random: Random,
    ) -> Self {
        Self {
            name: name.to_owned(),
            token_endpoint: endpoint(name, "/oauth2/token"),
            audience: audience.to_owned(),
            ttl,
            keys,
            clock,
            random,
            own: Arc::default(),
        }
    }

    /// A token for a signed-in account.
    pub(crate) fn access(&self, subject: Subject) -> Result<AccessToken, Error> {
        let now = self.clock.now();
        let expires_in = self.ttl.min(subject.session_end - now);
        let mut claims = self.claims(subject.user_id.to_string(), now, expires_in);
        claims.client_id = subject.client_id;
        claims.sid = Some(subject.session_id.to_string());
        claims.scope = subject.scopes.iter().collect();
        claims.roles = subject.roles;
        claims.auth_time = Some(seconds(subject.auth_time));
        claims.acr = Some(subject.assurance.acr().to_owned());
        let amr = subject.assurance.amr().split(' ');
        claims.amr = amr.map(str::to_owned).collect();
        Ok(AccessToken {
            token: self.sign(&claims)?,
            expires_in,
        })
    }

    /// A token for a machine.
    pub(crate) fn machine(&self, machine: Machine) -> Result<AccessToken, Error> {
        let now = self.clock.now();
        let expires_in = machine
            .until
            .map_or(self.ttl, |until| self.ttl.min(until - now));
        let mut claims = self.claims(machine.subject, now, expires_in);
        claims.client_id = machine.client_id;
        claims.sid = Some(machine.sid);
        claims.scope = machine.scopes;
        if let Some(audience) = machine.audience {
            claims.aud = audience;
        }
        Ok(AccessToken {
            token: self.sign(&claims)?,
            expires_in,
        })
    }

    /// The `iss` of every token.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Where tokens are given.
    pub(crate) fn token_endpoint(&self) -> &str {
        &self.token_endpoint
    }

    /// The URL of a path of this deployment.
    pub(crate) fn endpoint(&self, path: &str) -> String {
        endpoint(&self.name, path)
    }

    /// The token by which this service calls another of the same deployment. It is made anew when
    /// half of its life is over.
    pub(crate) fn service(&self) -> Result<String, Error> {
        let now = self.clock.now();
        if let Some(own) = self.own.load().as_deref()
            && now < own.renew_time
        {
            return Ok(own.token.clone());
        }
        let mut claims = self.claims(format!("{SERVICE_SUBJECT_PREFIX}auth"), now, SERVICE_TTL);
        claims.scope = [INTERNAL_SCOPE].into_iter().collect();
        let token = self.sign(&claims)?;
        self.own.store(Some(Arc::new(OwnToken {
            token: token.clone(),
            renew_time: now + SERVICE_TTL / 2,
        })));
        Ok(token)
    }

    fn claims(&self, sub: String, now: DateTime<Utc>, ttl: TimeDelta) -> Claims {
        Claims {
            iss: self.name.clone(),
            aud: Audience::One(self.audience.clone()),
            sub,
            client_id: FIRST_PARTY.to_owned(),
            jti: self.random.uuid(now).to_string(),
            iat: seconds(now),
            exp: seconds(now + ttl),
            nbf: None,
            sid: None,
            scope: portico_caller::Scopes::default(),
            roles: Vec::new(),
            auth_time: None,
            acr: None,
            amr: Vec::new(),
        }
    }

    fn sign(&self, claims: &Claims) -> Result<String, Error> {
        let key = self.keys.current().ok_or(Error::NoSigningKey)?;
        let payload = serde_json::to_vec(claims).expect("claims are strings and numbers");
        Ok(key.token(&payload))
    }
}

fn seconds(time: DateTime<Utc>) -> u64 {
    u64::try_from(time.timestamp()).unwrap_or(0)
}

fn endpoint(issuer: &str, path: &str) -> String {
    format!("{}{path}", issuer.trim_end_matches('/'))
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("name", &self.name)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}
