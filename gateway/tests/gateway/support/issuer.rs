//! A maker of access tokens with a key of its own.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::{FutureExt, future::BoxFuture};
use portico_caller::{Audience, Claims, KeySource};
use portico_proto::auth::v1::{JsonWebKey, JsonWebKeySet};
use portico_service::Clock;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};
use tonic::Status;

/// The account that tokens are made for.
pub const SUBJECT: &str = "018f0000-0000-7000-8000-000000000001";

pub struct Issuer {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl Issuer {
    pub const NAME: &str = "https://issuer.test";
    pub const AUDIENCE: &str = "portico";

    pub fn new() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        Self { pair, random }
    }

    pub fn claims(scope: &str) -> Claims {
        let now = u64::try_from(Clock::system().now().timestamp()).unwrap();
        Claims {
            iss: Self::NAME.to_owned(),
            aud: Audience::One(Self::AUDIENCE.to_owned()),
            sub: SUBJECT.to_owned(),
            client_id: "test".to_owned(),
            jti: "t-1".to_owned(),
            iat: now,
            exp: now + 600,
            nbf: None,
            sid: Some("s-1".to_owned()),
            scope: scope.parse().unwrap(),
            roles: Vec::new(),
            auth_time: None,
            acr: None,
            amr: Vec::new(),
        }
    }

    /// A good token with these scopes.
    pub fn token(&self, scope: &str) -> String {
        self.sign(&Self::claims(scope))
    }

    pub fn sign(&self, claims: &Claims) -> String {
        let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": "k-1"});
        let signed = Self::unsigned(&header, claims);
        let signature = self.pair.sign(&self.random, signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Header and claims without a signature.
    pub fn unsigned(header: &Value, claims: &Claims) -> String {
        let encode = |bytes: Vec<u8>| URL_SAFE_NO_PAD.encode(bytes);
        let header = encode(serde_json::to_vec(header).unwrap());
        format!("{header}.{}", encode(serde_json::to_vec(claims).unwrap()))
    }

    fn keys(&self) -> JsonWebKeySet {
        let point = self.pair.public_key().as_ref();
        let key = JsonWebKey {
            kty: "EC".to_owned(),
            r#use: "sig".to_owned(),
            alg: "ES256".to_owned(),
            kid: "k-1".to_owned(),
            crv: "P-256".to_owned(),
            x: URL_SAFE_NO_PAD.encode(&point[1..33]),
            y: URL_SAFE_NO_PAD.encode(&point[33..65]),
            ..JsonWebKey::default()
        };
        JsonWebKeySet { keys: vec![key] }
    }
}

impl KeySource for Issuer {
    fn fetch(&self) -> BoxFuture<'_, Result<JsonWebKeySet, Status>> {
        let keys = self.keys();
        async move { Ok(keys) }.boxed()
    }
}
