//! An issuer with keys of its own, and a verifier that trusts it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chrono::DateTime;
use futures_util::{FutureExt, future::BoxFuture};
use portico_cache::{Denylist, connect};
use portico_caller::{KeySource, Keys, Verifier};
use portico_proto::{
    auth::v1::{JsonWebKey, JsonWebKeySet},
    error::Reason,
};
use portico_service::{Clock, ClockHand};
use ring::{
    rand::SystemRandom,
    rsa::PublicKeyComponents,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
        RsaKeyPair,
    },
};
use serde_json::{Value, json};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::Status;

pub const ISSUER: &str = "https://id.example";
pub const AUDIENCE: &str = "portico";
/// The time at which every test begins, in seconds since 1970.
pub const NOW: u64 = 1_800_000_000;
pub const ALICE: &str = "01970000-0000-7000-8000-00000000a11c";

pub fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub enum Pair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(Box<RsaKeyPair>),
}

/// A private key and its id.
pub struct Signer {
    pub kid: &'static str,
    pub pair: Pair,
}

impl Signer {
    pub fn es256(kid: &'static str) -> Self {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        Self {
            kid,
            pair: Pair::Es256(pair),
        }
    }

    pub fn eddsa(kid: &'static str) -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
        Self {
            kid,
            pair: Pair::EdDsa(pair),
        }
    }

    /// A key of 2048 bits for tests alone; making one takes too long.
    pub fn rs256(kid: &'static str) -> Self {
        let text: String = include_str!("rsa.b64").split_whitespace().collect();
        let document = STANDARD.decode(text).unwrap();
        let pair = RsaKeyPair::from_pkcs8(&document).unwrap();
        Self {
            kid,
            pair: Pair::Rs256(Box::new(pair)),
        }
    }

    pub fn alg(&self) -> &'static str {
        match self.pair {
            Pair::Es256(_) => "ES256",
            Pair::EdDsa(_) => "EdDSA",
            Pair::Rs256(_) => "RS256",
        }
    }

    pub fn jwk(&self) -> JsonWebKey {
        let common = JsonWebKey {
            kid: self.kid.into(),
            r#use: "sig".into(),
            alg: self.alg().into(),
            ..Default::default()
        };
        match &self.pair {
            Pair::Es256(pair) => {
                let point = pair.public_key().as_ref();
                JsonWebKey {
                    kty: "EC".into(),
                    crv: "P-256".into(),
                    x: base64(&point[1..33]),
                    y: base64(&point[33..]),
                    ..common
                }
            }
            Pair::EdDsa(pair) => JsonWebKey {
                kty: "OKP".into(),
                crv: "Ed25519".into(),
                x: base64(pair.public_key()),
                ..common
            },
            Pair::Rs256(pair) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(pair.public());
                JsonWebKey {
                    kty: "RSA".into(),
                    n: base64(public.n),
                    e: base64(public.e),
                    ..common
                }
            }
        }
    }

    pub fn header(&self) -> Value {
        json!({"alg": self.alg(), "typ": "at+jwt", "kid": self.kid})
    }

    /// A token with the usual header.
    pub fn token(&self, claims: &Value) -> String {
        self.sign(&self.header(), claims)
    }

    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_raw(header.to_string(), claims.to_string())
    }

    pub fn sign_raw(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        let signed = format!("{}.{}", base64(header), base64(payload));
        let signature = match &self.pair {
            Pair::Es256(pair) => {
                let signature = pair.sign(&SystemRandom::new(), signed.as_bytes());
                signature.unwrap().as_ref().to_vec()
            }
            Pair::EdDsa(pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                let random = SystemRandom::new();
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    &random,
                    signed.as_bytes(),
                    &mut signature,
                )
                .unwrap();
                signature
            }
        };
        format!("{signed}.{}", base64(signature))
    }
}

/// Good claims of a plain person.
pub fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": ALICE, "client_id": "first-party", "jti": "t-1",
        "iat": NOW, "exp": NOW + 600, "sid": "s-1", "scope": "profile email", "roles": ["member"],
    })
}

/// Good claims with some of them changed; null takes one away.
pub fn claims_with(changes: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
        .as_object_mut()
        .unwrap()
        .retain(|_, value| !value.is_null());
    claims
}

/// Good claims of a service.
pub fn service_claims() -> Value {
    claims_with(&json!({"sub": "service:auth", "scope": "portico.internal", "sid": null}))
}

/// An issuer's key endpoint that can be watched and broken.
#[derive(Default)]
pub struct Source {
    pub keys: Mutex<Vec<JsonWebKey>>,
    pub fetches: AtomicUsize,
    pub away: AtomicBool,
    pub hangs: AtomicBool,
}

impl Source {
    pub fn set(&self, keys: impl IntoIterator<Item = JsonWebKey>) {
        *self.keys.lock().unwrap() = keys.into_iter().collect();
    }

    pub fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

impl KeySource for Source {
    fn fetch(&self) -> BoxFuture<'_, Result<JsonWebKeySet, Status>> {
        async {
            self.fetches.fetch_add(1, Ordering::SeqCst);
            // Others get a turn, as over a network.
            tokio::time::sleep(Duration::from_millis(5)).await;
            if self.hangs.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            if self.away.load(Ordering::SeqCst) {
                return Err(Reason::Unavailable.status("away"));
            }
            let keys = self.keys.lock().unwrap().clone();
            Ok(JsonWebKeySet { keys })
        }
        .boxed()
    }
}

pub struct World {
    pub signer: Signer,
    pub source: Arc<Source>,
    pub hand: ClockHand,
    pub denylist: Denylist,
    pub verifier: Verifier,
}

impl World {
    pub async fn new() -> Self {
        Self::with(Signer::es256("k-1")).await
    }

    pub async fn with(signer: Signer) -> Self {
        let source = Arc::new(Source::default());
        source.set([signer.jwk()]);
        let now = DateTime::from_timestamp(i64::try_from(NOW).unwrap(), 0).unwrap();
        let (clock, hand) = Clock::fixed(now);
        let cache = connect(None).await.unwrap();
        let denylist = Denylist::start(cache, &TaskTracker::new(), CancellationToken::new());
        let keys = Keys::new(source.clone());
        let verifier = Verifier::new(ISSUER, AUDIENCE, keys, denylist.clone(), clock);
        Self {
            signer,
            source,
            hand,
            denylist,
            verifier,
        }
    }

    /// A token of the signer with some claims changed.
    pub fn token(&self, changes: &Value) -> String {
        self.signer.token(&claims_with(changes))
    }
}

/// Why a token is refused.
pub async fn refused(world: &World, token: &str) -> Reason {
    match world.verifier.verify(token).await {
        Ok(caller) => panic!("let {caller:?} in by {token}"),
        Err(refusal) => refusal.reason(),
    }
}

/// The parts of a good token.
pub fn parts(world: &World) -> (String, String, String) {
    let token = world.signer.token(&claims());
    let mut parts = token.split('.').map(str::to_owned);
    (
        parts.next().unwrap(),
        parts.next().unwrap(),
        parts.next().unwrap(),
    )
}
