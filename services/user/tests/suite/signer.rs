//! An issuer of tokens with one key.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use futures_util::{FutureExt, future::BoxFuture};
use portico_caller::KeySource;
use portico_proto::auth::v1::{JsonWebKey, JsonWebKeySet};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};
use tonic::Status;

pub struct Signer {
    pair: EcdsaKeyPair,
}

impl Signer {
    pub fn new() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        Self { pair }
    }

    pub fn sign(&self, claims: &Value) -> String {
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": "test" });
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let signature = self
            .pair
            .sign(&SystemRandom::new(), signed.as_bytes())
            .unwrap();
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}

impl KeySource for Signer {
    fn fetch(&self) -> BoxFuture<'_, Result<JsonWebKeySet, Status>> {
        // An uncompressed point: a mark, x, y.
        let point = self.pair.public_key().as_ref();
        let key = JsonWebKey {
            kty: "EC".into(),
            r#use: "sig".into(),
            alg: "ES256".into(),
            kid: "test".into(),
            crv: "P-256".into(),
            x: BASE64_URL_SAFE_NO_PAD.encode(&point[1..33]),
            y: BASE64_URL_SAFE_NO_PAD.encode(&point[33..]),
            ..JsonWebKey::default()
        };
        async { Ok(JsonWebKeySet { keys: vec![key] }) }.boxed()
    }
}
