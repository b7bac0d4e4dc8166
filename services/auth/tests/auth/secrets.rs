//! Whoever gets hold of the database gets no usable secret.

use std::fmt::Write;

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use portico_service::config::AuthConfig;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};

use crate::support::{EMAIL, MASTER_KEY, PASSWORD, Setting};

fn contains(dump: &[u8], secret: &[u8]) -> bool {
    dump.windows(secret.len()).any(|window| window == secret)
}

/// Whether a dump holds a secret as it is, in base64, or in hexadecimal of either case.
fn reveals(dump: &[u8], secret: &[u8]) -> bool {
    let mut hex = String::new();
    for byte in secret {
        write!(hex, "{byte:02x}").expect("a text takes all");
    }
    contains(dump, secret)
        || contains(dump, BASE64_URL_SAFE_NO_PAD.encode(secret).as_bytes())
        || contains(
            dump,
            BASE64_STANDARD
                .encode(secret)
                .trim_end_matches('=')
                .as_bytes(),
        )
        || contains(dump, hex.as_bytes())
        || contains(dump, hex.to_uppercase().as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_alone_holds_no_usable_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("auth.db");
    let url = format!("sqlite://{}", file.display());
    let setting = Setting::new();
    let world = setting.start(&url).await;
    let first = world.ada().await;
    let second = world
        .refresh(&first.refresh_token)
        .await
        .expect("refreshes");
    world.users.lose_answers(true);
    let half = world
        .register("half@example.com", "the password of a half registration")
        .await;
    half.expect_err("is left behind");
    world.stop().await;

    let mut dump = Vec::new();
    for entry in std::fs::read_dir(folder.path()).expect("lists") {
        dump.extend(std::fs::read(entry.expect("an entry").path()).expect("reads"));
    }
    assert!(
        contains(&dump, EMAIL.as_bytes()),
        "the dump is the database"
    );
    assert!(contains(&dump, b"half@example.com"));
    for secret in [PASSWORD, "the password of a half registration"] {
        assert!(!reveals(&dump, secret.as_bytes()));
    }
    for tokens in [&first, &second] {
        assert!(!contains(&dump, tokens.access_token.as_bytes()));
        assert!(!contains(&dump, tokens.refresh_token.as_bytes()));
        let bytes = BASE64_URL_SAFE_NO_PAD
            .decode(&tokens.refresh_token)
            .expect("base64url");
        for part in bytes.chunks(32) {
            assert!(!reveals(&dump, part));
        }
    }
    let master = BASE64_STANDARD.decode(MASTER_KEY).expect("base64");
    assert!(!reveals(&dump, &master));
    // How every PKCS#8 document of a P-256 key begins (RFC 5958): none lies there in plain.
    let key = [
        0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce,
    ];
    let random = SystemRandom::new();
    let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
    assert!(made.expect("is made").as_ref().starts_with(&key));
    assert!(!reveals(&dump, &key));
}

#[tokio::test]
async fn debug_shows_no_secret() {
    let database = &portico_testing::databases()[0];
    let setting = Setting::new();
    let world = setting.start(&database.url).await;
    world.register(EMAIL, PASSWORD).await.expect("registers");
    let auth: AuthConfig = setting.config(&database.url).auth;
    let shown = format!("{:?} {auth:?}", world.auth);
    assert!(
        shown.contains("SigningKey"),
        "the keys are shown without their private halves"
    );
    for secret in [MASTER_KEY, PASSWORD, EMAIL, "$argon2id$"] {
        assert!(!shown.contains(secret), "{secret}");
    }
    world.stop().await;
}
