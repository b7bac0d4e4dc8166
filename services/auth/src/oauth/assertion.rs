//! Clients that prove who they are by a signed assertion (RFC 7523, sections 2.2 and 3).

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use portico_caller::Audience;
use portico_proto::error::Violation;
use ring::{
    digest,
    signature::{
        ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
        UnparsedPublicKey,
    },
};
use serde::Deserialize;

use super::{answer::Fault, directory::KnownClient};
use crate::{
    core::Core,
    domain::{AuthMethod, ClientKey},
};

/// The `client_assertion_type` of a JWT.
pub(super) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Longer assertions are refused unread, in bytes.
const LONGEST: usize = 8 * 1024;
/// How far ahead an assertion may expire: no library sets more, and so long it has to be remembered.
const LONGEST_LIFE: TimeDelta = TimeDelta::hours(1);
/// How far the clocks may be apart.
const LEEWAY: TimeDelta = TimeDelta::seconds(30);
/// The longest `jti`, in bytes.
const LONGEST_ID: usize = 255;
/// The most keys of a client.
const MOST_KEYS: usize = 10;

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    jti: String,
    exp: i64,
    nbf: Option<i64>,
    iat: Option<i64>,
}

/// An assertion in its parts. Nothing of it is trusted yet.
struct Parts<'a> {
    header: Header,
    claims: Claims,
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Parts<'a> {
    fn read(assertion: &'a str) -> Option<Self> {
        if assertion.len() > LONGEST {
            return None;
        }
        let (signed, signature) = assertion.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let decode = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).ok();
        Some(Self {
            header: serde_json::from_slice(&decode(header)?).ok()?,
            claims: serde_json::from_slice(&decode(claims)?).ok()?,
            signed,
            signature: decode(signature)?,
        })
    }
}

/// The client that an assertion speaks of.
pub(super) fn subject(assertion: &str) -> Option<String> {
    Parts::read(assertion).map(|parts| parts.claims.sub)
}

/// Whether an assertion proves that it is this client which asks. One statement when it does: it is
/// taken as used, so that nobody can present it again.
pub(super) async fn verify(
    core: &Core,
    known: &KnownClient,
    assertion: &str,
) -> Result<bool, Fault> {
    let client = &known.client;
    let now = core.clock.now();
    let Some(parts) = Parts::read(assertion) else {
        return Ok(false);
    };
    if client.auth_method != AuthMethod::PrivateKeyJwt
        || !is_signed(&parts, &client.keys)
        || !is_meant(core, known, &parts.claims, now)
    {
        return Ok(false);
    }
    let claims = &parts.claims;
    let mut id = digest::Context::new(&digest::SHA256);
    id.update(known.id.as_bytes());
    id.update(&[0]);
    id.update(claims.jti.as_bytes());
    let id = id.finish().as_ref().try_into().unwrap_or_default();
    let expire_time = DateTime::from_timestamp(claims.exp, 0).unwrap_or(now) + LEEWAY;
    let fresh = core.storage.use_assertion(&id, expire_time).await?;
    if !fresh {
        tracing::warn!(client_id = known.id, "an assertion was presented again");
    }
    Ok(fresh)
}

fn is_signed(parts: &Parts<'_>, keys: &[ClientKey]) -> bool {
    let Header {
        alg,
        kid,
        typ,
        crit,
    } = &parts.header;
    let typ = typ.as_deref().unwrap_or("JWT");
    if crit.is_some()
        || !["JWT", "client-authentication+jwt"]
            .iter()
            .any(|known| typ.eq_ignore_ascii_case(known))
    {
        return false;
    }
    keys.iter()
        .filter(|key| kid.as_ref().is_none_or(|kid| *kid == key.kid))
        .filter_map(|key| Verification::of(key).ok())
        .filter(|key| key.algorithm() == alg)
        .any(|key| key.verify(parts.signed.as_bytes(), &parts.signature))
}

/// The claims of RFC 7523, section 3. The audience is this server alone: its issuer, or the endpoint.
fn is_meant(core: &Core, known: &KnownClient, claims: &Claims, now: DateTime<Utc>) -> bool {
    let here = |name: &str| name == core.issuer.name() || name == core.issuer.token_endpoint();
    let audience = match &claims.aud {
        Audience::One(name) => here(name),
        Audience::Many(names) => matches!(names.as_slice(), [name] if here(name)),
    };
    let time = |seconds: i64| DateTime::from_timestamp(seconds, 0);
    let (latest, earliest) = (now + LONGEST_LIFE + LEEWAY, now - LEEWAY);
    let expires = time(claims.exp).is_some_and(|exp| earliest < exp && exp <= latest);
    let begun = |moment: Option<i64>| {
        moment.is_none_or(|moment| time(moment).is_some_and(|moment| moment <= now + LEEWAY))
    };
    claims.iss == known.id
        && claims.sub == known.id
        && audience
        && expires
        && begun(claims.nbf)
        && begun(claims.iat)
        && (1..=LONGEST_ID).contains(&claims.jti.len())
}

/// A key that can verify. Its type decides the algorithm; an assertion's header never does.
#[derive(Debug)]
enum Verification {
    Es256(Vec<u8>),
    EdDsa(Vec<u8>),
    Rs256 { n: Vec<u8>, e: Vec<u8> },
}

impl Verification {
    fn of(key: &ClientKey) -> Result<Self, &'static str> {
        if !matches!(key.r#use.as_str(), "" | "sig") {
            return Err("it is not for signatures");
        }
        let decode = |text: &str| {
            BASE64_URL_SAFE_NO_PAD
                .decode(text)
                .map_err(|_| "a value is not base64url without padding")
        };
        let coordinate = |text: &str| match decode(text)? {
            bytes if bytes.len() == 32 => Ok(bytes),
            _ => Err("a coordinate does not have 32 bytes"),
        };
        let found = match (key.kty.as_str(), key.crv.as_str()) {
            ("EC", "P-256") => {
                let (x, y) = (coordinate(&key.x)?, coordinate(&key.y)?);
                // An uncompressed point (SEC 1, section 2.3.3).
                Self::Es256([&[4][..], &x, &y].concat())
            }
            ("OKP", "Ed25519") => Self::EdDsa(coordinate(&key.x)?),
            ("RSA", "") => {
                let (n, e) = (decode(&key.n)?, decode(&key.e)?);
                if !(256..=512).contains(&n.len()) || !(3..=4).contains(&e.len()) {
                    return Err("an RSA key must have 2048 to 4096 bits and the exponent 65537");
                }
                Self::Rs256 { n, e }
            }
            _ => return Err("it is neither P-256, Ed25519 nor RSA"),
        };
        if !key.alg.is_empty() && key.alg != found.algorithm() {
            return Err("its algorithm is not that of its type");
        }
        Ok(found)
    }

    const fn algorithm(&self) -> &'static str {
        match self {
            Self::Es256(_) => "ES256",
            Self::EdDsa(_) => "EdDSA",
            Self::Rs256 { .. } => "RS256",
        }
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Es256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(message, signature)
                .is_ok(),
            Self::EdDsa(key) => UnparsedPublicKey::new(&ED25519, key)
                .verify(message, signature)
                .is_ok(),
            Self::Rs256 { n, e } => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok(),
        }
    }
}

/// What is wrong with the keys of a client, before they are stored.
pub(crate) fn check_keys(keys: &[ClientKey], field: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    if keys.len() > MOST_KEYS {
        let most = format!("must have at most {MOST_KEYS} keys");
        violations.push(Violation::new(field, most));
    }
    for (index, key) in keys.iter().enumerate() {
        let twice = keys[..index].iter().any(|other| other.kid == key.kid);
        let fault = match Verification::of(key) {
            Err(fault) => Some(fault),
            Ok(_) if key.kid.len() > LONGEST_ID => Some("its kid is too long"),
            Ok(_) if twice => Some("another key has the same kid"),
            Ok(_) => None,
        };
        if let Some(fault) = fault {
            violations.push(Violation::new(format!("{field}.keys[{index}]"), fault));
        }
    }
    violations
}
