//! API keys: made, listed, rotated, revoked, and exchanged for access tokens.

use chrono::{DateTime, TimeDelta, Utc};
use portico_caller::{Caller, INTERNAL_SCOPE};
use portico_proto::error::Violation;
use uuid::Uuid;

use crate::{
    clients::{check_overlap, holds_all},
    core::Core,
    domain::{ApiKey, KeyOwner, MachineSecret, Scopes, key_sid},
    error::Error,
    mfa,
    storage::{OwnerState, Transaction},
    tokens::{AccessToken, Machine},
};

/// How many keys an owner may have, and a list holds.
const MOST: u32 = 100;

/// How long a key lasts when nobody says, and at most.
const LIFE: TimeDelta = TimeDelta::days(90);
const LONGEST_LIFE: TimeDelta = TimeDelta::days(366);

/// How exact the time of the last use is.
const USE_EVERY: TimeDelta = TimeDelta::minutes(10);

/// How long it is remembered that tokens are refused: longer than any is good.
const REMEMBER: TimeDelta = TimeDelta::days(2);

/// The `client_id` of the tokens that keys are exchanged for.
const CLIENT: &str = "api-key";

/// What somebody wants a key to be.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) display_name: String,
    pub(crate) scopes: Scopes,
    pub(crate) expire_time: Option<DateTime<Utc>>,
}

/// Creates a key of an owner.
pub(crate) async fn create(
    core: &Core,
    caller: &Caller,
    owner: KeyOwner,
    draft: Draft,
) -> Result<(ApiKey, MachineSecret), Error> {
    let now = core.clock.now();
    let expire_time = draft.expire_time.unwrap_or(now + LIFE);
    check(&draft, expire_time, now)?;
    holds_all(caller, &draft.scopes)?;
    mfa::lately(core, caller).await?;
    if let KeyOwner::ServiceAccount(id) = owner {
        let account = core.storage.service_account(id).await?;
        let account = account.ok_or(Error::ServiceAccountNotFound)?;
        if let Some(scope) = draft.scopes.difference(&account.scopes).next() {
            return Err(Error::Invalid(vec![Violation::new(
                "api_key.scopes",
                format!("the service account does not have {scope}"),
            )]));
        }
    }
    let secret = MachineSecret::new(&core.random);
    let key = ApiKey {
        id: core.random.uuid(now),
        owner,
        display_name: draft.display_name,
        scopes: draft.scopes,
        hint: secret.hint(),
        generation: 0,
        previous_expire_time: None,
        create_time: now,
        expire_time,
        last_used_time: None,
    };
    if !core.storage.add_key(&key, &secret.hash(), MOST).await? {
        return Err(Error::LimitReached(MOST));
    }
    tracing::info!(key_id = %key.id, by = caller.subject, "created an api key");
    Ok((key, secret))
}

/// The keys of an owner, the newest first.
pub(crate) async fn list(core: &Core, owner: KeyOwner) -> Result<Vec<ApiKey>, Error> {
    Ok(core.storage.keys_of(owner, MOST).await?)
}

/// Revokes a key. It is refused at once.
pub(crate) async fn revoke(core: &Core, owner: KeyOwner, id: Uuid) -> Result<(), Error> {
    let now = core.clock.now();
    let tx = core.storage.begin().await?;
    let key = tx.key_of(owner, id).await?.ok_or(Error::ApiKeyNotFound)?;
    tx.revoke_key(id, now).await?;
    let ended = remember_ended(&tx, vec![(id, key.generation)], now).await?;
    tx.commit().await?;
    tell_ended(core, &ended).await;
    tracing::info!(key_id = %id, "revoked an api key");
    Ok(())
}

/// Gives a key another secret. The old one is good for a while longer; when that is nothing, its tokens
/// end at once.
pub(crate) async fn rotate(
    core: &Core,
    caller: &Caller,
    owner: KeyOwner,
    id: Uuid,
    overlap: Option<TimeDelta>,
) -> Result<(ApiKey, MachineSecret), Error> {
    let overlap = check_overlap(overlap)?;
    mfa::lately(core, caller).await?;
    let now = core.clock.now();
    let tx = core.storage.begin().await?;
    let found = tx.key_and_secret_of(owner, id).await?;
    let (mut key, before) = found.ok_or(Error::ApiKeyNotFound)?;
    let given = match owner {
        KeyOwner::ServiceAccount(_) => key.scopes.clone(),
        // What her roles do not give any more, her key does not either.
        KeyOwner::User(_) => {
            let held = core.roles.scopes_of(&caller.roles).await?;
            key.scopes.intersection(&held).cloned().collect()
        }
    };
    holds_all(caller, &given)?;
    let (generation, secret) = (key.generation, MachineSecret::new(&core.random));
    // The secret that was there before the old one ends now, and with it its tokens.
    let at_once = overlap.is_zero() || key.previous_expire_time.is_some_and(|end| now < end);
    // Else the old secret's tokens and the new one's end together, whenever that is.
    key.generation += i64::from(at_once);
    key.hint = secret.hint();
    key.previous_expire_time = Some(now + overlap);
    if !tx.rotate_key(&key, &secret.hash(), &before).await? {
        return Err(Error::EtagMismatch);
    }
    let ended = if at_once {
        remember_ended(&tx, vec![(id, generation)], now).await?
    } else {
        Vec::new()
    };
    tx.commit().await?;
    tell_ended(core, &ended).await;
    tracing::info!(key_id = %id, by = caller.subject, "rotated an api key");
    Ok((key, secret))
}

/// A short-lived token for a key, and until when it may be used for it. One statement, and one more when
/// the time of the last use is written down.
pub(crate) async fn exchange(
    core: &Core,
    presented: &str,
) -> Result<(AccessToken, DateTime<Utc>), Error> {
    let secret = MachineSecret::hash_of(presented).ok_or(Error::ApiKeyInvalid)?;
    let found = core.storage.presented_key(&secret).await?;
    let found = found.ok_or(Error::ApiKeyInvalid)?;
    let (key, now) = (found.key, core.clock.now());
    let end = match key.previous_expire_time {
        _ if found.current => key.expire_time,
        Some(previous_end) => key.expire_time.min(previous_end),
        None => return Err(Error::ApiKeyInvalid),
    };
    let owner = found.owner.ok_or(Error::ApiKeyInvalid)?;
    if end <= now {
        return Err(Error::ApiKeyInvalid);
    }
    let held = match owner {
        OwnerState::User { roles } => core.roles.scopes_of(&roles).await?,
        OwnerState::ServiceAccount { scopes } => scopes,
    };
    let scopes = key.scopes.intersection(&held);
    let access = core.issuer.machine(Machine {
        subject: key.owner.subject(),
        client_id: CLIENT.to_owned(),
        sid: key.token_sid(),
        audience: None,
        scopes: scopes
            .filter(|scope| scope.as_str() != INTERNAL_SCOPE)
            .collect(),
        until: Some(end),
    })?;
    if key.last_used_time.is_none_or(|used| used + USE_EVERY < now) {
        let noting = core.storage.touch_key(key.id, now, now - USE_EVERY);
        if let Err(error) = noting.await {
            tracing::warn!(key_id = %key.id, %error, "cannot note the use of an api key");
        }
    }
    // Half of its life, so that it outlives the call that it is used in.
    let use_until = now + access.expires_in / 2;
    Ok((access, use_until))
}

/// Revokes every key of an account that may not be used any more, within the transaction that says so.
/// Answers what [`tell_ended`] is to tell.
pub(crate) async fn revoke_all(
    tx: &Transaction,
    user_id: Uuid,
    now: DateTime<Utc>,
) -> crate::storage::Result<Vec<String>> {
    let ended = tx.revoke_keys_of(KeyOwner::User(user_id), now).await?;
    remember_ended(tx, ended, now).await
}

/// Writes down that the tokens of generations of keys are refused.
pub(crate) async fn remember_ended(
    tx: &Transaction,
    ended: Vec<(Uuid, i64)>,
    now: DateTime<Utc>,
) -> crate::storage::Result<Vec<String>> {
    let mut sids = Vec::with_capacity(ended.len());
    for (id, generation) in ended {
        let sid = key_sid(id, generation);
        tx.revoke(&sid, now, now + REMEMBER).await?;
        sids.push(sid);
    }
    Ok(sids)
}

/// Tells everybody, once the transaction stands.
pub(crate) async fn tell_ended(core: &Core, sids: &[String]) {
    for sid in sids {
        core.denylist.publish_id(sid).await;
    }
}

fn check(draft: &Draft, expire_time: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), Error> {
    let mut violations = Vec::new();
    if draft.display_name.trim().is_empty() {
        let fault = "must not be empty";
        violations.push(Violation::new("api_key.display_name", fault));
    }
    if draft.scopes.contains(INTERNAL_SCOPE) {
        let fault = format!("{INTERNAL_SCOPE} is for services of this deployment alone");
        violations.push(Violation::new("api_key.scopes", fault));
    }
    if expire_time <= now || expire_time > now + LONGEST_LIFE {
        let fault = "must lie in the future, and at most 366 days from now";
        violations.push(Violation::new("api_key.expire_time", fault));
    }
    if violations.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(violations))
    }
}
