//! OAuth clients, as those who administer them see them.

use chrono::{DateTime, TimeDelta, Utc};
use portico_caller::{Caller, INTERNAL_SCOPE};
use portico_proto::error::Violation;
use uuid::Uuid;

use crate::{
    core::Core,
    domain::{
        AuthMethod, ClientKey, GrantType, MachineSecret, OAuthClient, PreviousSecret, Scopes,
    },
    error::Error,
    mfa, oauth,
    storage::Transaction,
};

/// How much longer the old secret is good when nobody says, and at most.
const OVERLAP: TimeDelta = TimeDelta::days(1);
const LONGEST_OVERLAP: TimeDelta = TimeDelta::days(30);

/// What somebody wants a client to be.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) display_name: String,
    pub(crate) auth_method: AuthMethod,
    pub(crate) grant_types: Vec<GrantType>,
    pub(crate) scopes: Scopes,
    pub(crate) resources: Vec<String>,
    pub(crate) keys: Vec<ClientKey>,
    pub(crate) introspects_all: bool,
    pub(crate) disabled: bool,
}

/// What somebody wants to change. What is `None` stays.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(crate) display_name: Option<String>,
    pub(crate) grant_types: Option<Vec<GrantType>>,
    pub(crate) scopes: Option<Scopes>,
    pub(crate) resources: Option<Vec<String>>,
    pub(crate) keys: Option<Vec<ClientKey>>,
    pub(crate) introspects_all: Option<bool>,
    pub(crate) disabled: Option<bool>,
}

/// Creates a client, and its secret when it has one.
pub(crate) async fn create(
    core: &Core,
    caller: &Caller,
    draft: Draft,
) -> Result<(OAuthClient, Option<MachineSecret>), Error> {
    let now = core.clock.now();
    let secret =
        (draft.auth_method == AuthMethod::Secret).then(|| MachineSecret::new(&core.random));
    let client = OAuthClient {
        id: core.random.uuid(now),
        display_name: draft.display_name,
        auth_method: draft.auth_method,
        grant_types: draft.grant_types,
        scopes: draft.scopes,
        resources: draft.resources,
        keys: draft.keys,
        introspects_all: draft.introspects_all,
        disabled: draft.disabled,
        secret: secret.as_ref().map(MachineSecret::hash),
        previous_secret: None,
        epoch: 0,
        revision: 1,
        create_time: now,
        update_time: now,
    };
    check(&client)?;
    holds_all(caller, &client.scopes)?;
    mfa::lately(core, caller).await?;
    core.storage.add_client(&client).await?;
    tracing::info!(client_id = %client.id, by = caller.subject, "created an oauth client");
    Ok((client, secret))
}

/// One client.
pub(crate) async fn get(core: &Core, id: Uuid) -> Result<OAuthClient, Error> {
    let found = core.storage.client(id).await?;
    found.ok_or(Error::ClientNotFound)
}

/// Clients behind one of them, the oldest first.
pub(crate) async fn list(core: &Core, behind: Uuid, most: u32) -> Result<Vec<OAuthClient>, Error> {
    Ok(core.storage.clients(behind, most).await?)
}

/// Changes a client. When it may do less than before, its tokens end at once.
pub(crate) async fn update(
    core: &Core,
    caller: &Caller,
    id: Uuid,
    change: Change,
    etag: &str,
) -> Result<OAuthClient, Error> {
    let (tx, mut client) = begin(core, caller, id).await?;
    if !etag.is_empty() && etag != client.revision.to_string() {
        return Err(Error::EtagMismatch);
    }
    let (before, sid) = (client.revision, client.token_sid());
    let narrowed = apply(&mut client, change);
    check(&client)?;
    holds_all(caller, &client.scopes)?;
    if narrowed {
        client.epoch += 1;
    }
    save(core, &tx, &mut client, before).await?;
    if narrowed {
        revoke(core, &tx, &sid).await?;
    }
    tx.commit().await?;
    core.clients.forget(id);
    if narrowed {
        core.denylist.publish_id(&sid).await;
    }
    tracing::info!(client_id = %id, by = caller.subject, "changed an oauth client");
    Ok(client)
}

/// Deletes a client, if it is there. Its tokens end at once.
pub(crate) async fn delete(core: &Core, caller: &Caller, id: Uuid) -> Result<(), Error> {
    let tx = core.storage.begin().await?;
    let Some(client) = tx.client(id).await? else {
        return Ok(());
    };
    let sid = client.token_sid();
    tx.delete_client(id, core.clock.now()).await?;
    revoke(core, &tx, &sid).await?;
    tx.commit().await?;
    core.clients.forget(id);
    core.denylist.publish_id(&sid).await;
    tracing::info!(client_id = %id, by = caller.subject, "deleted an oauth client");
    Ok(())
}

/// Gives a client a new secret. The old one is good for a while longer.
pub(crate) async fn rotate_secret(
    core: &Core,
    caller: &Caller,
    id: Uuid,
    overlap: Option<TimeDelta>,
) -> Result<(OAuthClient, MachineSecret), Error> {
    let now = core.clock.now();
    let old_end = now + check_overlap(overlap)?;
    let (tx, mut client) = begin(core, caller, id).await?;
    let (AuthMethod::Secret, Some(old)) = (client.auth_method, client.secret) else {
        return Err(Error::Invalid(vec![Violation::new(
            "id",
            "the client does not authenticate by a secret",
        )]));
    };
    let before = client.revision;
    let secret = MachineSecret::new(&core.random);
    client.secret = Some(secret.hash());
    client.previous_secret = (now < old_end).then_some(PreviousSecret {
        hash: old,
        expire_time: old_end,
    });
    save(core, &tx, &mut client, before).await?;
    tx.commit().await?;
    core.clients.forget(id);
    tracing::info!(client_id = %id, by = caller.subject, "rotated the secret of an oauth client");
    Ok((client, secret))
}

/// A client that somebody is about to change, who must hold all that it has: a new key to it would
/// otherwise be a way to more.
async fn begin(
    core: &Core,
    caller: &Caller,
    id: Uuid,
) -> Result<(Transaction, OAuthClient), Error> {
    mfa::lately(core, caller).await?;
    let tx = core.storage.begin().await?;
    let client = tx.client(id).await?.ok_or(Error::ClientNotFound)?;
    holds_all(caller, &client.scopes)?;
    Ok((tx, client))
}

async fn save(
    core: &Core,
    tx: &Transaction,
    client: &mut OAuthClient,
    before: i64,
) -> Result<(), Error> {
    client.revision = before + 1;
    client.update_time = core.clock.now();
    if tx.save_client(client, before).await? {
        Ok(())
    } else {
        Err(Error::EtagMismatch)
    }
}

async fn revoke(core: &Core, tx: &Transaction, sid: &str) -> Result<(), Error> {
    let now = core.clock.now();
    let until = now + core.limits.token_life();
    Ok(tx.revoke(sid, now, until).await?)
}

/// Makes the changes and says whether the client may do less than before.
fn apply(client: &mut OAuthClient, change: Change) -> bool {
    let mut narrowed = false;
    if let Some(name) = change.display_name {
        client.display_name = name;
    }
    if let Some(grants) = change.grant_types {
        narrowed |= !client.grant_types.iter().all(|it| grants.contains(it));
        client.grant_types = grants;
    }
    if let Some(scopes) = change.scopes {
        narrowed |= !client.scopes.is_subset(&scopes);
        client.scopes = scopes;
    }
    if let Some(resources) = change.resources {
        narrowed |= !client.resources.iter().all(|it| resources.contains(it));
        client.resources = resources;
    }
    if let Some(keys) = change.keys {
        client.keys = keys;
    }
    if let Some(introspects_all) = change.introspects_all {
        client.introspects_all = introspects_all;
    }
    if let Some(disabled) = change.disabled {
        narrowed |= disabled && !client.disabled;
        client.disabled = disabled;
    }
    narrowed
}

/// The rules for a client as a whole.
fn check(client: &OAuthClient) -> Result<(), Error> {
    let mut violations = oauth::check_keys(&client.keys, "client.jwks");
    let mut wrong = |field: &str, fault: String| violations.push(Violation::new(field, fault));
    if client.display_name.trim().is_empty() {
        wrong("client.display_name", "must not be empty".to_owned());
    }
    let signs = client.auth_method == AuthMethod::PrivateKeyJwt;
    if signs == client.keys.is_empty() {
        let fault = if signs {
            "must have a key, by which the client authenticates"
        } else {
            "is only for clients that authenticate by assertions"
        };
        wrong("client.jwks", fault.to_owned());
    }
    if client.auth_method == AuthMethod::None {
        if client.grant_types.contains(&GrantType::ClientCredentials) {
            let fault = "a public client cannot have client_credentials";
            wrong("client.grant_types", fault.to_owned());
        }
        if client.introspects_all {
            let fault = "a public client cannot introspect";
            wrong("client.introspects_all", fault.to_owned());
        }
    }
    if client.scopes.contains(INTERNAL_SCOPE) {
        let fault = format!("{INTERNAL_SCOPE} is for services of this deployment alone");
        wrong("client.scopes", fault);
    }
    for (index, resource) in client.resources.iter().enumerate() {
        if !is_absolute_uri(resource) {
            let field = format!("client.resources[{index}]");
            wrong(
                &field,
                "must be an absolute URI without a fragment".to_owned(),
            );
        }
    }
    if violations.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(violations))
    }
}

/// RFC 8707, section 2. Only characters that need no escape, so that a list of them is one text.
fn is_absolute_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let good_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    good_scheme
        && !rest.is_empty()
        && rest.bytes().all(|byte| {
            byte.is_ascii_graphic() && !matches!(byte, b'#' | b'"' | b'\\' | b'<' | b'>')
        })
}

/// Nobody gives what is not theirs.
pub(crate) fn holds_all(caller: &Caller, scopes: &Scopes) -> Result<(), Error> {
    match scopes.iter().find(|scope| !caller.has_scope(scope)) {
        Some(missing) => Err(Error::ScopeNotHeld(missing.clone())),
        None => Ok(()),
    }
}

/// How much longer an old secret is good.
pub(crate) fn check_overlap(overlap: Option<TimeDelta>) -> Result<TimeDelta, Error> {
    let overlap = overlap.unwrap_or(OVERLAP);
    if (TimeDelta::zero()..=LONGEST_OVERLAP).contains(&overlap) {
        return Ok(overlap);
    }
    Err(Error::Invalid(vec![Violation::new(
        "overlap",
        "must be between 0s and 2592000s (30 days)",
    )]))
}

/// When the secret before the current one ends, unless it has.
pub(crate) fn previous_end(client: &OAuthClient, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let previous = client.previous_secret.as_ref();
    previous
        .map(|it| it.expire_time)
        .filter(|expire_time| now < *expire_time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_an_absolute_uri_without_a_fragment() {
        for good in ["https://api.example.com/v1", "urn:example:api", "a+b:x?y=z"] {
            assert!(is_absolute_uri(good), "{good}");
        }
        for bad in [
            "",
            "api",
            "/v1",
            "https:",
            "https://a/#b",
            "1https://a",
            "https://a b",
            "https://ü",
            "ht tp://a",
        ] {
            assert!(!is_absolute_uri(bad), "{bad}");
        }
    }
}
