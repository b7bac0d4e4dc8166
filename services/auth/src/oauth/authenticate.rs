//! Which client asks (RFC 6749, section 2.3; RFC 7523, section 2.2).

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, Utc};

use super::{
    Asked,
    answer::{Code, Fault},
    assertion,
    directory::KnownClient,
    form::{self, Form},
};
use crate::{
    core::Core,
    domain::{AuthMethod, MachineSecret, SecretHash, same},
};

/// What every failure says: neither whether the client exists, nor what was wrong with its proof.
const UNPROVEN: &str = "the client is unknown, or its authentication is not right";

/// What a client presents.
enum Proof {
    Secret(Option<SecretHash>),
    Assertion(String),
    Nothing,
}

/// The client that made a request, once it has proved who it is by the one way that is registered for it.
pub(super) async fn client(
    core: &Core,
    asked: &Asked<'_>,
    form: &Form<'_>,
) -> Result<Arc<KnownClient>, Fault> {
    let (id, proof) = presented(asked, form)?;
    let known = core.clients.find(&id).await?;
    let now = core.clock.now();
    let proven = match proof {
        Proof::Secret(hash) => has_secret(known.as_deref(), hash, now),
        Proof::Assertion(assertion) => match &known {
            Some(known) => assertion::verify(core, known, &assertion).await?,
            None => false,
        },
        Proof::Nothing => known
            .as_ref()
            .is_some_and(|known| known.client.auth_method == AuthMethod::None),
    };
    match known {
        Some(known) if proven && !known.client.disabled => Ok(known),
        _ => {
            metrics::counter!("oauth_client_refusals_total").increment(1);
            Err(Code::InvalidClient.is(UNPROVEN))
        }
    }
}

/// The id and the proof. A client that presents more than one proof is refused.
fn presented(asked: &Asked<'_>, form: &Form<'_>) -> Result<(String, Proof), Fault> {
    let basic = basic(&asked.authorization)?;
    let secret = form.get("client_secret");
    let assertion = form.get("client_assertion");
    let ways = [basic.is_some(), secret.is_some(), assertion.is_some()];
    if ways.into_iter().filter(|way| *way).count() > 1 {
        return Err(Code::InvalidRequest.is("the client authenticates in more than one way"));
    }
    let named = form.get("client_id");
    if let Some((id, secret)) = basic {
        if named.is_some_and(|named| named != id) {
            return Err(Code::InvalidRequest.is("client_id is not the one of the header"));
        }
        return Ok((id, Proof::Secret(MachineSecret::hash_of(&secret))));
    }
    if let Some(assertion) = assertion {
        if form.get("client_assertion_type") != Some(assertion::TYPE) {
            return Err(Code::InvalidRequest.is("client_assertion_type must be jwt-bearer"));
        }
        let subject = assertion::subject(assertion).ok_or(Code::InvalidClient.is(UNPROVEN))?;
        if named.is_some_and(|named| named != subject) {
            return Err(Code::InvalidRequest.is("client_id is not the one of the assertion"));
        }
        return Ok((subject, Proof::Assertion(assertion.to_owned())));
    }
    let Some(id) = named else {
        return Err(Code::InvalidClient.is("the client does not say who it is"));
    };
    let proof = match secret {
        Some(secret) => Proof::Secret(MachineSecret::hash_of(secret)),
        None => Proof::Nothing,
    };
    Ok((id.to_owned(), proof))
}

/// The credentials of HTTP Basic, both form-encoded (RFC 6749, section 2.3.1). Another scheme is none.
fn basic(authorization: &[&[u8]]) -> Result<Option<(String, String)>, Fault> {
    const SCHEME: &[u8] = b"basic ";
    let value = match authorization {
        [] => return Ok(None),
        [value] => *value,
        _ => return Err(Code::InvalidRequest.is("Authorization stands there twice")),
    };
    let Some((scheme, encoded)) = value.split_at_checked(SCHEME.len()) else {
        return Ok(None);
    };
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return Ok(None);
    }
    let malformed = || Code::InvalidClient.is("the credentials of the header cannot be read");
    let read = || {
        let text = BASE64_STANDARD.decode(encoded.trim_ascii()).ok()?;
        let text = String::from_utf8(text).ok()?;
        let (id, secret) = text.split_once(':')?;
        Some((
            form::decode(id)?.into_owned(),
            form::decode(secret)?.into_owned(),
        ))
    };
    read().map(Some).ok_or_else(malformed)
}

/// Whether a secret is the client's. Takes as long for a client that there is not.
fn has_secret(
    known: Option<&KnownClient>,
    presented: Option<SecretHash>,
    now: DateTime<Utc>,
) -> bool {
    let client = known
        .map(|known| &known.client)
        .filter(|client| client.auth_method == AuthMethod::Secret);
    let presented = presented.unwrap_or_default();
    let current = client.and_then(|client| client.secret);
    let previous = client
        .and_then(|client| client.previous_secret)
        .filter(|previous| now < previous.expire_time)
        .map(|previous| previous.hash);
    // No secret has this hash, so that somebody without one fails in the same steps.
    let nobody = [0; 32];
    let is =
        |stored: Option<SecretHash>| same(&presented, &stored.unwrap_or(nobody)) & stored.is_some();
    is(current) | is(previous)
}
