//! Clients that authenticate by `private_key_jwt`.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use portico_proto::auth::v1::{ClientAuthMethod, JsonWebKey, JsonWebKeySet, OAuthClient};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use serde_json::{Value, json};

use crate::support::{
    World,
    machines::{Reply, plain_client},
};

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const ISSUER: &str = "http://127.0.0.1:3000";

struct Signer {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl Signer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).expect("a key");
        Self { pair, random }
    }

    fn jwk(&self) -> JsonWebKey {
        let point = self.pair.public_key().as_ref();
        JsonWebKey {
            kty: "EC".to_owned(),
            crv: "P-256".to_owned(),
            kid: "k-1".to_owned(),
            x: BASE64_URL_SAFE_NO_PAD.encode(&point[1..33]),
            y: BASE64_URL_SAFE_NO_PAD.encode(&point[33..]),
            ..JsonWebKey::default()
        }
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = unsigned(header, claims);
        let signature = self
            .pair
            .sign(&self.random, signed.as_bytes())
            .expect("signs");
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}

fn unsigned(header: &Value, claims: &Value) -> String {
    let encode = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

async fn client(world: &World, keys: Vec<JsonWebKey>) -> String {
    let by = world.operator().await;
    let client = OAuthClient {
        auth_method: ClientAuthMethod::PrivateKeyJwt.into(),
        jwks: Some(JsonWebKeySet { keys }),
        ..plain_client(&["orders:read"])
    };
    let made = world.create_client(&by, client).await.expect("creates");
    assert_eq!(made.client_secret, "");
    made.client.expect("a client").id
}

async fn present(world: &World, assertion: &str) -> Reply {
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", TYPE),
        ("client_assertion", assertion),
    ];
    world.token(None, &fields).await
}

/// Makes a client and lets it use an assertion.
pub async fn use_one(world: &World) {
    let signer = Signer::new();
    let id = client(world, vec![signer.jwk()]).await;
    let header = json!({"alg": "ES256", "kid": "k-1"});
    let good = signer.sign(&header, &claims(world, &id, "1"));
    assert_eq!(present(world, &good).await.status, 200);
}

fn claims(world: &World, id: &str, jti: &str) -> Value {
    let now = world.now().timestamp();
    json!({"iss": id, "sub": id, "aud": ISSUER, "jti": jti, "iat": now, "exp": now + 60})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_is_good_once() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let signer = Signer::new();
        let id = client(&world, vec![signer.jwk()]).await;
        let header = json!({"alg": "ES256", "kid": "k-1"});
        let first = signer.sign(&header, &claims(&world, &id, "1"));
        assert_eq!(present(&world, &first).await.json["scope"], "orders:read");
        assert_eq!(present(&world, &first).await.error(401), "invalid_client");
        let no_kid = signer.sign(&json!({"alg": "ES256"}), &claims(&world, &id, "2"));
        world.hush().await;
        assert_eq!(present(&world, &no_kid).await.status, 200);
        assert_eq!(world.statements.of_calls().len(), 1, "it is taken as used");
        let mut endpoint = claims(&world, &id, "3");
        endpoint["aud"] = json!([format!("{ISSUER}/oauth2/token")]);
        assert_eq!(
            present(&world, &signer.sign(&header, &endpoint))
                .await
                .status,
            200
        );
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_that_is_not_meant_so_is_refused() {
    let database = portico_testing::databases()
        .into_iter()
        .next()
        .expect("one");
    let world = World::start(&database.url).await;
    let signer = Signer::new();
    let id = client(&world, vec![signer.jwk()]).await;
    let header = json!({"alg": "ES256", "kid": "k-1"});
    let now = world.now().timestamp();
    let rows: [(&str, Value); 17] = [
        ("exp", json!(now - 31)),
        ("exp", json!(now + 3631)),
        ("exp", json!(i64::MAX)),
        ("exp", Value::Null),
        ("nbf", json!(now + 31)),
        ("iat", json!(now + 31)),
        ("aud", json!("https://elsewhere.example")),
        ("aud", json!([])),
        ("aud", json!([ISSUER, "https://elsewhere.example"])),
        ("aud", json!(format!("{ISSUER}/"))),
        ("aud", json!(format!("{ISSUER}/oauth2/introspect"))),
        ("iss", json!("somebody")),
        ("sub", json!("018f0000-0000-7000-8000-000000000000")),
        ("sub", json!("portico")),
        ("jti", json!("")),
        ("jti", json!("x".repeat(256))),
        ("jti", Value::Null),
    ];
    for (claim, value) in rows {
        let mut claims = claims(&world, &id, "x");
        claims[claim] = value.clone();
        let reply = present(&world, &signer.sign(&header, &claims)).await;
        assert_eq!(reply.error(401), "invalid_client", "{claim}: {value}");
    }
    let good = signer.sign(&header, &claims(&world, &id, "y"));
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", "something"),
        ("client_assertion", good.as_str()),
    ];
    assert_eq!(
        world.token(None, &fields).await.error(400),
        "invalid_request"
    );
    let fields = [
        fields[0],
        ("client_assertion_type", TYPE),
        fields[2],
        ("client_id", "portico"),
    ];
    assert_eq!(
        world.token(None, &fields).await.error(400),
        "invalid_request"
    );
    assert_eq!(
        present(&world, &good).await.status,
        200,
        "nothing of that used it up"
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_decides_the_algorithm() {
    let database = portico_testing::databases()
        .into_iter()
        .next()
        .expect("one");
    let world = World::start(&database.url).await;
    let signer = Signer::new();
    let jwk = signer.jwk();
    let id = client(&world, vec![jwk.clone()]).await;
    let claims = claims(&world, &id, "1");

    let none = format!("{}.", unsigned(&json!({"alg": "none"}), &claims));
    let hashed = unsigned(&json!({"alg": "HS256", "kid": "k-1"}), &claims);
    let shared = hmac::Key::new(hmac::HMAC_SHA256, jwk.x.as_bytes());
    let tag = BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&shared, hashed.as_bytes()));
    let stranger = Signer::new().sign(&json!({"alg": "ES256", "kid": "k-1"}), &claims);
    let mut tampered = signer.sign(&json!({"alg": "ES256"}), &claims);
    tampered.replace_range(tampered.len() - 10..tampered.len() - 8, "AA");
    let wrong = [
        none,
        format!("{hashed}.{tag}"),
        stranger,
        tampered,
        signer.sign(&json!({"alg": "RS256", "kid": "k-1"}), &claims),
        signer.sign(&json!({"alg": "EdDSA", "kid": "k-1"}), &claims),
        signer.sign(&json!({"alg": "ES256", "kid": "k-2"}), &claims),
        signer.sign(&json!({"alg": "ES256", "crit": ["x"]}), &claims),
        signer.sign(&json!({"alg": "ES256", "typ": "at+jwt"}), &claims),
        "x".repeat(20_000),
        "..".to_owned(),
        "a.b.c".to_owned(),
    ];
    for assertion in wrong {
        let reply = present(&world, &assertion).await;
        assert_eq!(reply.error(401), "invalid_client", "{assertion:.80}");
    }
    let typed = json!({"alg": "ES256", "typ": "client-authentication+jwt"});
    assert_eq!(
        present(&world, &signer.sign(&typed, &claims)).await.status,
        200
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ed25519_signs_too() {
    let database = portico_testing::databases()
        .into_iter()
        .next()
        .expect("one");
    let world = World::start(&database.url).await;
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
    let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("a key");
    let jwk = JsonWebKey {
        kty: "OKP".to_owned(),
        crv: "Ed25519".to_owned(),
        alg: "EdDSA".to_owned(),
        kid: "e-1".to_owned(),
        x: BASE64_URL_SAFE_NO_PAD.encode(pair.public_key()),
        ..JsonWebKey::default()
    };
    let id = client(&world, vec![Signer::new().jwk(), jwk]).await;
    let signed = unsigned(&json!({"alg": "EdDSA"}), &claims(&world, &id, "1"));
    let signature = BASE64_URL_SAFE_NO_PAD.encode(pair.sign(signed.as_bytes()));
    assert_eq!(
        present(&world, &format!("{signed}.{signature}"))
            .await
            .status,
        200
    );
    world.stop().await;
}
