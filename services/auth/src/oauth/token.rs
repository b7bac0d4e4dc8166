//! `/oauth2/token`: access tokens for clients (RFC 6749, sections 4.4 and 6; RFC 8707).

use portico_caller::{Audience, INTERNAL_SCOPE, Scopes};
use serde::Serialize;

use super::{Answer, Asked, Fault, answer::Code, authenticate, directory::KnownClient, form::Form};
use crate::{
    core::Core,
    domain::GrantType,
    error::Error,
    refresh::{self, Refresh},
    tokens::Machine,
};

/// The most resources that one token may be for.
const MOST_RESOURCES: usize = 5;

/// A successful answer (RFC 6749, section 5.1).
#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "RFC 6749 names them")]
struct Token<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    /// Left out where there are none: RFC 6749 has no way to write that (section 3.3).
    #[serde(skip_serializing_if = "String::is_empty")]
    scope: String,
}

/// Gives a token. No statement for `client_credentials` by a secret when the client is known, one for an
/// assertion, and two for a refresh.
pub(crate) async fn token(core: &Core, asked: &Asked<'_>) -> Result<Answer, Fault> {
    let form = Form::read(asked)?;
    let known = authenticate::client(core, asked, &form).await?;
    let wanted = form.require("grant_type", "grant_type is missing")?;
    let grant = GrantType::parse(wanted)
        .ok_or_else(|| Code::UnsupportedGrantType.is("the grant type is not supported"))?;
    if !known.client.grant_types.contains(&grant) {
        return Err(Code::UnauthorizedClient.is("the client may not use the grant type"));
    }
    let answer = match grant {
        GrantType::ClientCredentials => for_itself(core, &known, &form)?,
        GrantType::RefreshToken => for_session(core, &known, &form).await?,
    };
    metrics::counter!("oauth_tokens_total", "grant" => grant.as_str()).increment(1);
    Ok(answer)
}

fn for_itself(core: &Core, known: &KnownClient, form: &Form<'_>) -> Result<Answer, Fault> {
    let scopes = granted(known, form)?;
    let scope = scopes.to_string();
    let access = core.issuer.machine(Machine {
        subject: known.subject.clone(),
        client_id: known.id.clone(),
        sid: known.sid.clone(),
        audience: audience(known, form)?,
        scopes,
        until: None,
    })?;
    Ok(Answer::json(&Token {
        access_token: &access.token,
        token_type: "Bearer",
        expires_in: access.expires_in.num_seconds(),
        refresh_token: None,
        scope,
    }))
}

/// The scopes that are asked for, all of which the client must have; without any, all that it has.
fn granted(known: &KnownClient, form: &Form<'_>) -> Result<Scopes, Fault> {
    let Some(scope) = form.get("scope") else {
        return Ok(known.scopes.clone());
    };
    let asked: Scopes = [scope].into_iter().collect();
    // Whatever a row says: what opens internal methods is for services alone.
    let has = |scope: &str| scope != INTERNAL_SCOPE && known.client.scopes.contains(scope);
    if asked.is_empty() || !asked.iter().all(has) {
        return Err(Code::InvalidScope.is("the client does not have every scope that it asks for"));
    }
    Ok(asked)
}

/// Whom the token is for: the resources that are asked for, all of which the client must have; without
/// any, this deployment.
fn audience(known: &KnownClient, form: &Form<'_>) -> Result<Option<Audience>, Fault> {
    let mut resources: Vec<&str> = form.all("resource").collect();
    resources.dedup();
    let known = |resource: &&str| known.client.resources.iter().any(|it| it == resource);
    if resources.len() > MOST_RESOURCES || !resources.iter().all(known) {
        return Err(Code::InvalidTarget.is("a resource is not one of the client's"));
    }
    Ok(match resources.as_slice() {
        [] => None,
        [one] => Some(Audience::One((*one).to_owned())),
        many => Some(Audience::Many(
            many.iter().map(|&it| it.to_owned()).collect(),
        )),
    })
}

async fn for_session(core: &Core, known: &KnownClient, form: &Form<'_>) -> Result<Answer, Fault> {
    let presented = form.require("refresh_token", "refresh_token is missing")?;
    if form.get("resource").is_some() {
        return Err(Code::InvalidTarget.is("a session's tokens are for this deployment alone"));
    }
    let refresh = Refresh {
        token: presented,
        client_id: &known.id,
        scope: form.get("scope").unwrap_or_default(),
    };
    // Before the token is used up.
    if !refresh::allows(core, refresh).await? {
        return Err(
            Code::InvalidScope.is("the session does not have every scope that is asked for")
        );
    }
    let grant = refresh::refresh(core, refresh)
        .await
        .map_err(|error| match error {
            Error::InvalidGrant => Code::InvalidGrant
                .is("the refresh token is unknown, expired, used or another client's"),
            error => error.into(),
        })?;
    Ok(Answer::json(&Token {
        access_token: &grant.access.token,
        token_type: "Bearer",
        expires_in: grant.access.expires_in.num_seconds(),
        refresh_token: Some(&grant.refresh.encode()),
        scope: grant.scope,
    }))
}
