//! An issuer of access tokens with a key of its own.

use anyhow::anyhow;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use portico_caller::{Audience, Claims, TOKEN_TYPE};
use portico_proto::auth::v1::{
    GetJsonWebKeySetRequest, JsonWebKey, JsonWebKeySet, key_service_server::KeyService,
};
use portico_service::{Clock, Config, Shape};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::json;
use tonic::{Request, Response, Status, async_trait};

/// The key's id.
const KEY: &str = "load";

/// How long the token is good for, in seconds: longer than any measurement.
const LIFETIME: u64 = 6 * 60 * 60;

/// A key pair, whose public half the gateway fetches.
pub struct Issuer {
    pair: EcdsaKeyPair,
    random: SystemRandom,
    name: String,
    audience: String,
}

impl Issuer {
    /// An issuer with a fresh key, under the name that a gateway expects by default.
    pub fn new() -> anyhow::Result<Self> {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let fault = |_| anyhow!("no key could be made");
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(fault)?;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random)
            .map_err(|rejected| anyhow!("{rejected}"))?;
        let defaults = Config::from_pairs(Shape::Gateway, [])?.auth;
        Ok(Self {
            pair,
            random,
            name: defaults.issuer,
            audience: defaults.audience,
        })
    }

    /// A token that may read accounts.
    pub fn token(&self, clock: &Clock) -> anyhow::Result<String> {
        let now = u64::try_from(clock.now().timestamp())?;
        let claims = Claims {
            iss: self.name.clone(),
            aud: Audience::One(self.audience.clone()),
            sub: "01932c07-91d4-7d3b-8c5a-2f6d1f0a9b3e".to_owned(),
            client_id: "portico-load".to_owned(),
            jti: "01932c07-91d4-7d3b-8c5a-7a1b2c3d4e5f".to_owned(),
            iat: now,
            exp: now + LIFETIME,
            nbf: None,
            sid: Some("01932c07-91d4-7d3b-8c5a-0c0ffee0babe".to_owned()),
            scope: "users:read".parse()?,
            roles: vec!["auditor".to_owned()],
            auth_time: None,
            acr: None,
            amr: Vec::new(),
        };
        let header = json!({"alg": "ES256", "typ": TOKEN_TYPE, "kid": KEY}).to_string();
        let claims = serde_json::to_vec(&claims)?;
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let signed = format!("{}.{}", encode(header.as_bytes()), encode(&claims));
        let signature = self.pair.sign(&self.random, signed.as_bytes());
        let signature = signature.map_err(|_| anyhow!("the token could not be signed"))?;
        Ok(format!("{signed}.{}", encode(signature.as_ref())))
    }
}

#[async_trait]
impl KeyService for Issuer {
    async fn get_json_web_key_set(
        &self,
        _: Request<GetJsonWebKeySetRequest>,
    ) -> Result<Response<JsonWebKeySet>, Status> {
        // An uncompressed point: a byte that says so, then x and y (SEC 1, section 2.3.3).
        let point = self.pair.public_key().as_ref();
        Ok(Response::new(JsonWebKeySet {
            keys: vec![JsonWebKey {
                kty: "EC".to_owned(),
                r#use: "sig".to_owned(),
                alg: "ES256".to_owned(),
                kid: KEY.to_owned(),
                crv: "P-256".to_owned(),
                x: URL_SAFE_NO_PAD.encode(&point[1..33]),
                y: URL_SAFE_NO_PAD.encode(&point[33..65]),
                ..JsonWebKey::default()
            }],
        }))
    }
}
