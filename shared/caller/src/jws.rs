//! The compact form of signed tokens (RFC 7515), as narrow as access tokens need it.

use std::{borrow::Cow, ops::RangeInclusive};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use portico_proto::auth::v1::JsonWebKey;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde::{Deserialize, Deserializer, de::IgnoredAny};

use crate::Refusal;

/// Longer tokens are refused unread, in bytes.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// The `typ` of an access token (RFC 9068, section 2.1).
pub const TOKEN_TYPE: &str = "at+jwt";

/// What Portico signs with, and all that it accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// ECDSA on P-256 with SHA-256 (RFC 7518, section 3.4).
    Es256,
    /// Ed25519 (RFC 8037).
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, section 3.3), on keys of 2048 bits and more.
    Rs256,
}

impl Algorithm {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "ES256" => Some(Self::Es256),
            "EdDSA" => Some(Self::EdDsa),
            "RS256" => Some(Self::Rs256),
            _ => None,
        }
    }

    /// Whether a signature may have this length in bytes: that of `r` and `s`, or of `R` and `S`, of 32
    /// bytes each; or that of the modulus.
    fn takes(self, length: usize) -> bool {
        match self {
            Self::Es256 | Self::EdDsa => length == 64,
            Self::Rs256 => MODULUS_BYTES.contains(&length),
        }
    }
}

/// The lengths of the modulus of an RSA key: 2048 to 8192 bits.
const MODULUS_BYTES: RangeInclusive<usize> = 256..=1024;

/// A token in its parts. Nothing of it is trusted yet.
pub(crate) struct Unverified<'t> {
    pub(crate) kid: String,
    algorithm: Algorithm,
    signed: &'t str,
    payload: &'t str,
    signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header<'t> {
    #[serde(borrow)]
    alg: Cow<'t, str>,
    #[serde(borrow)]
    typ: Option<Cow<'t, str>>,
    #[serde(borrow)]
    kid: Option<Cow<'t, str>>,
    /// Extensions that must be understood; none is (RFC 7515, section 4.1.11).
    #[serde(default, deserialize_with = "present")]
    crit: bool,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// Takes a token apart. Members of the header that name or carry keys (`jku`, `jwk`, `x5u`, `x5c`) mean
/// nothing here: keys come from the issuer alone.
pub(crate) fn parse(token: &str) -> Result<Unverified<'_>, Refusal> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(Refusal::Malformed("it is too long"));
    }
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refusal::Malformed("it does not have three parts"));
    };
    let signed = &token[..header.len() + 1 + payload.len()];

    let header = decode(header)?;
    let header: Header<'_> = serde_json::from_slice(&header)
        .map_err(|_| Refusal::Malformed("its header cannot be read"))?;
    let algorithm = Algorithm::parse(&header.alg)
        .ok_or(Refusal::Forged("its algorithm is not an accepted one"))?;
    if header.crit {
        return Err(Refusal::Forged("its header demands an unknown extension"));
    }
    if !header.typ.as_deref().is_some_and(is_access_token) {
        return Err(Refusal::Forged("it is not an access token"));
    }
    let kid = header.kid.filter(|kid| !kid.is_empty());
    let kid = kid.ok_or(Refusal::Forged("it names no key"))?.into_owned();

    let signature = decode(signature)?;
    if !algorithm.takes(signature.len()) {
        return Err(Refusal::Forged("its signature has the wrong length"));
    }
    Ok(Unverified {
        kid,
        algorithm,
        signed,
        payload,
        signature,
    })
}

/// Media types do not mind case, and may leave `application/` out (RFC 7515, section 4.1.9).
fn is_access_token(typ: &str) -> bool {
    let typ = match typ.split_at_checked("application/".len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("application/") => rest,
        _ => typ,
    };
    typ.eq_ignore_ascii_case(TOKEN_TYPE)
}

/// Strict: no padding, no other alphabet, no stray bits at the end.
fn decode(part: &str) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| Refusal::Malformed("a part is not base64url"))
}

impl Unverified<'_> {
    /// Checks the signature, and answers the payload when it holds.
    pub(crate) fn verify(&self, key: &Key) -> Result<Vec<u8>, Refusal> {
        if self.algorithm != key.algorithm {
            return Err(Refusal::Forged("its algorithm is not its key's"));
        }
        key.public
            .verify(self.signed.as_bytes(), &self.signature)
            .ok_or(Refusal::Forged("its signature does not hold"))?;
        decode(self.payload)
    }
}

/// A public key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Key {
    algorithm: Algorithm,
    public: Public,
}

#[derive(Debug, PartialEq, Eq)]
enum Public {
    /// An uncompressed point on P-256 (SEC 1, section 2.3.3).
    P256(Vec<u8>),
    Ed25519([u8; 32]),
    /// Modulus and exponent, big-endian.
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

impl Public {
    fn verify(&self, message: &[u8], signature: &[u8]) -> Option<()> {
        let verified = match self {
            Self::P256(point) => {
                let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
                key.verify(message, signature)
            }
            Self::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature),
            Self::Rsa { n, e } => {
                let key = RsaPublicKeyComponents { n, e };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
        };
        verified.ok()
    }
}

impl Key {
    /// Reads a key of a key set (RFC 7517). The error says what is wrong with it.
    pub(crate) fn from_jwk(jwk: &JsonWebKey) -> Result<Self, &'static str> {
        if !matches!(jwk.r#use.as_str(), "" | "sig") {
            return Err("it is not for signatures");
        }
        let (algorithm, public) = match (jwk.kty.as_str(), jwk.crv.as_str()) {
            ("EC", "P-256") => {
                let (x, y) = (coordinate(&jwk.x)?, coordinate(&jwk.y)?);
                let point = [&[0x04][..], &x, &y].concat();
                (Algorithm::Es256, Public::P256(point))
            }
            ("OKP", "Ed25519") => (Algorithm::EdDsa, Public::Ed25519(coordinate(&jwk.x)?)),
            ("RSA", "") => (Algorithm::Rs256, rsa(&jwk.n, &jwk.e)?),
            _ => return Err("its type is not an accepted one"),
        };
        // Without a name the type decides, so that no token chooses how its key is used.
        if !jwk.alg.is_empty() && Algorithm::parse(&jwk.alg) != Some(algorithm) {
            return Err("its algorithm is not that of its type");
        }
        Ok(Self { algorithm, public })
    }
}

fn coordinate(text: &str) -> Result<[u8; 32], &'static str> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or("a coordinate is not 32 bytes in base64url")
}

fn rsa(n: &str, e: &str) -> Result<Public, &'static str> {
    let part = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
    match (part(n), part(e)) {
        (Some(n), Some(e)) if MODULUS_BYTES.contains(&n.len()) && (1..=8).contains(&e.len()) => {
            Ok(Public::Rsa { n, e })
        }
        _ => Err("its modulus is not 2048 to 8192 bits, or its exponent none, in base64url"),
    }
}
