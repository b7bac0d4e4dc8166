//! What every use case works with.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use chrono::TimeDelta;
use portico_cache::{Cache, Denylist};
use portico_caller::LEEWAY_SECONDS;
use portico_service::{Backend, Clock, Config, Frame, Secret, config::AuthConfig};
use sea_orm::DatabaseConnection;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    domain::{Random, Scopes, Session, narrow},
    error::Error,
    guessing::{Devices, Guard},
    keys::{Algorithm, KeyRing, MasterKeys, Schedule, Vault},
    links::Pages,
    mail::Sender,
    mfa,
    oauth::Directory,
    passwords::Passwords,
    roles::Roles,
    storage::{Account, Storage},
    tokens::{AccessToken, Issuer, RefreshToken, SERVICE_TTL, Subject, Successors},
    users::Users,
};

/// The parts of the service, put together once by [`start`](crate::start).
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) storage: Storage,
    pub(crate) passwords: Passwords,
    pub(crate) mfa: mfa::Policy,
    pub(crate) keys: KeyRing,
    pub(crate) issuer: Issuer,
    pub(crate) successors: Successors,
    pub(crate) clients: Directory,
    pub(crate) roles: Roles,
    pub(crate) users: Users,
    pub(crate) denylist: Revocations,
    pub(crate) limits: Limits,
    pub(crate) guard: Guard,
    pub(crate) devices: Devices,
    pub(crate) sender: Sender,
    pub(crate) links: Pages,
    /// Rung when a mail was queued.
    pub(crate) outbox: Notify,
    pub(crate) requires_verified_email: bool,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
}

/// How long things last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) access: TimeDelta,
    pub(crate) idle: TimeDelta,
    pub(crate) absolute: TimeDelta,
    pub(crate) grace: TimeDelta,
}

impl Limits {
    pub(crate) fn new(config: &AuthConfig) -> Self {
        // A century is as good as for ever, and leaves room for sums.
        let seconds = |n: u64| TimeDelta::seconds(i64::try_from(n.min(3_155_760_000)).unwrap_or(0));
        Self {
            access: seconds(config.access_token_ttl_seconds),
            idle: seconds(config.refresh_token_ttl_seconds),
            absolute: seconds(config.session_ttl_seconds),
            grace: seconds(config.refresh_grace_seconds),
        }
    }

    /// How long a token of an ended session might still be taken somewhere.
    pub(crate) fn token_life(&self) -> TimeDelta {
        self.access + TimeDelta::seconds(i64::try_from(LEEWAY_SECONDS).unwrap_or(60) + 5)
    }
}

/// Makes the end of a session known to everybody who takes tokens.
#[derive(Clone)]
pub(crate) struct Revocations {
    denylist: Denylist,
    ttl: Duration,
}

impl Revocations {
    pub(crate) fn new(denylist: Denylist, limits: &Limits) -> Self {
        let ttl = limits.token_life().to_std().unwrap_or_default();
        Self { denylist, ttl }
    }

    /// The session was ended just now.
    pub(crate) async fn publish(&self, session: Uuid) {
        self.denylist.deny(&session.to_string(), self.ttl).await;
    }

    /// The session was ended a while ago.
    pub(crate) async fn publish_again(&self, session: Uuid, age: TimeDelta) {
        self.publish_id_again(&session.to_string(), age).await;
    }

    /// Tokens with this `jti`, or this `sid`, were revoked just now.
    pub(crate) async fn publish_id(&self, id: &str) {
        self.denylist.deny(id, self.ttl).await;
    }

    /// The same, a while ago.
    pub(crate) async fn publish_id_again(&self, id: &str, age: TimeDelta) {
        let left = self.ttl.saturating_sub(age.to_std().unwrap_or_default());
        if !left.is_zero() {
            self.denylist.deny(id, left).await;
        }
    }
}

impl std::fmt::Debug for Revocations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Revocations")
    }
}

/// What sign-in and refresh answer.
pub(crate) struct Grant {
    pub(crate) access: AccessToken,
    pub(crate) refresh: RefreshToken,
    pub(crate) session_id: Uuid,
    pub(crate) scope: String,
    /// For the device, after a sign-in.
    pub(crate) device_token: String,
}

impl Core {
    /// Puts the parts together.
    pub(crate) fn new(
        config: &Config,
        db: DatabaseConnection,
        users: Backend,
        cache: Arc<dyn Cache>,
        denylist: Denylist,
        frame: &Frame,
    ) -> anyhow::Result<Self> {
        let auth = &config.auth;
        let (clock, random) = (frame.clock.clone(), Random::system());
        let master = auth.master_key.as_ref().map(Secret::expose);
        let master = MasterKeys::parse(master.unwrap_or_default())?;
        let algorithm = Algorithm::parse(&auth.signing_algorithm)
            .context("AUTH__SIGNING_ALGORITHM is none of ES256, EdDSA and RS256")?;
        let limits = Limits::new(auth);
        let storage = Storage::new(db);
        // A key is kept for the tokens that live longest.
        let own = SERVICE_TTL.num_seconds().unsigned_abs();
        let longest = auth.access_token_ttl_seconds.max(own);
        let keys = KeyRing::new(
            storage.clone(),
            Vault::new(&master, "signing-keys"),
            Schedule::new(algorithm, auth.key_rotation_seconds, longest),
            clock.clone(),
            random.clone(),
        );
        let issuer = Issuer::new(
            &auth.issuer,
            &auth.audience,
            limits.access,
            keys.clone(),
            clock.clone(),
            random.clone(),
        );
        Ok(Self {
            passwords: Passwords::new(auth, &random)?,
            guard: Guard::new(auth, &master, portico_cache::Limits::new(cache)),
            devices: Devices::new(&master),
            sender: Sender::new(auth)?,
            links: Pages::new(auth),
            outbox: Notify::new(),
            requires_verified_email: auth.requires_verified_email(),
            users: Users::new(users, issuer.clone()),
            roles: Roles::new(storage.clone()),
            successors: Successors::new(&master),
            mfa: mfa::Policy::new(auth, &master),
            clients: Directory::new(storage.clone(), clock.clone()),
            denylist: Revocations::new(denylist, &limits),
            storage,
            keys,
            issuer,
            limits,
            clock,
            random,
        })
    }

    /// The tokens for an open session, with what the account's roles allow now, of what was asked for at
    /// sign-in, of what is asked for this time.
    pub(crate) async fn grant(
        &self,
        account: Account,
        session: &Session,
        refresh: RefreshToken,
        asked: &str,
    ) -> Result<Grant, Error> {
        let (access, scope) = self.access(account, session, asked).await?;
        Ok(Grant {
            access,
            refresh,
            session_id: session.id,
            scope,
            device_token: String::new(),
        })
    }

    /// What the account of a session may do in it: what its roles give, of what was asked for at sign-in.
    pub(crate) async fn held(&self, account: &Account, session: &Session) -> Result<Scopes, Error> {
        let scopes = self.roles.scopes_of(&account.roles).await?;
        Ok(narrow(scopes, &session.scope))
    }

    /// The access token alone, and its scopes.
    pub(crate) async fn access(
        &self,
        account: Account,
        session: &Session,
        asked: &str,
    ) -> Result<(AccessToken, String), Error> {
        let scopes = narrow(self.held(&account, session).await?, asked);
        let scope = scopes
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" ");
        let access = self.issuer.access(Subject {
            user_id: account.id,
            session_id: session.id,
            client_id: session.client_id.clone(),
            session_end: session.absolute_expire_time,
            assurance: session.assurance,
            auth_time: session.auth_time,
            scopes,
            roles: account.roles,
        })?;
        Ok((access, scope))
    }
}
