//! `/oauth2/introspect`: what a token says, for those who cannot read it themselves (RFC 7662).

use portico_caller::{Audience, Caller, Refusal, Verifier};
use serde::Serialize;

use super::{Answer, Asked, Fault, answer::Code, authenticate, form::Form};
use crate::{core::Core, domain::AuthMethod, error::Error};

#[derive(Serialize)]
struct Inactive {
    active: bool,
}

/// What an active token says (RFC 7662, section 2.2).
#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "RFC 7662 names them")]
struct Active<'a> {
    active: bool,
    iss: &'a str,
    sub: &'a str,
    aud: &'a Audience,
    client_id: &'a str,
    #[serde(skip_serializing_if = "String::is_empty")]
    scope: String,
    token_type: &'static str,
    iat: u64,
    exp: u64,
    jti: &'a str,
}

/// Tells a client about an access token: one of its own, or any when it is trusted with that. Whatever
/// else is presented is not active, for whatever reason, so that nobody can search for tokens.
pub(crate) async fn introspect(
    core: &Core,
    verifier: &Verifier,
    asked: &Asked<'_>,
) -> Result<Answer, Fault> {
    let form = Form::read(asked)?;
    let known = authenticate::client(core, asked, &form).await?;
    if known.client.auth_method == AuthMethod::None {
        return Err(Code::UnauthorizedClient.is("only clients that authenticate may introspect"));
    }
    let token = form.require("token", "token is missing")?;
    let caller = match verifier.verify(token).await {
        Ok(caller) => caller,
        Err(Refusal::KeysUnavailable) => return Err(Error::NoSigningKey.into()),
        Err(_) => return Ok(Answer::json(&Inactive { active: false })),
    };
    let own = caller.client_id == known.id;
    if !own && !known.client.introspects_all {
        return Ok(Answer::json(&Inactive { active: false }));
    }
    Ok(Answer::json(&told(&caller, core.issuer.name())))
}

fn told<'a>(caller: &'a Caller, issuer: &'a str) -> Active<'a> {
    Active {
        active: true,
        iss: issuer,
        sub: &caller.subject,
        aud: &caller.audience,
        client_id: &caller.client_id,
        scope: caller.scopes.to_string(),
        token_type: "Bearer",
        iat: caller.issued_at,
        exp: caller.expires_at,
        jti: &caller.token_id,
    }
}
