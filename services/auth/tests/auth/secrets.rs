//! Whoever gets hold of the database gets no usable secret, and whoever guesses finds none.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use portico_service::config::AuthConfig;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};

use crate::{
    mails::{RESET, forgot},
    support::{Authenticator, EMAIL, MASTER_KEY, PASSWORD, Setting, bytes},
};

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

/// The number that the digits of a machine's secret are, without its checksum.
fn base62(secret: &str) -> Vec<u8> {
    const ALPHABET: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut number = [0_u8; 32];
    for digit in secret["ptc_".len()..secret.len() - 6].chars() {
        let mut carry = ALPHABET.find(digit).expect("a digit");
        for byte in number.iter_mut().rev() {
            carry += usize::from(*byte) * 62;
            *byte = carry.to_le_bytes()[0];
            carry >>= 8;
        }
        assert_eq!(carry, 0, "fits into 256 bits");
    }
    number.to_vec()
}

/// How many bits are set in some and not set in others.
fn moving_bits(samples: &[Vec<u8>]) -> u32 {
    let bits = |place: usize| {
        let bytes = samples.iter().map(|sample| sample[place]);
        let ever = bytes.clone().fold(0, |all, byte| all | byte);
        let always = bytes.fold(u8::MAX, |all, byte| all & byte);
        (ever & !always).count_ones()
    };
    (0..samples[0].len()).map(bits).sum()
}

/// Counts the bits that differ between many that were made: what is fixed, a version or the time is not
/// among them. (ASVS 11.5.1; recovery codes may have fewer by 6.5.2 and 6.5.4, since wrong ones are counted.)
#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_be_guessed_is_long_enough_and_never_the_same() {
    // That a random bit is the same in so many happens once in 2^39.
    const SAMPLES: usize = 40;
    let database = &portico_testing::databases()[0];
    let setting = Setting::new().with("AUTH__MAILS_PER_ADDRESS", "0");
    let world = setting.start(&database.url).await;
    let mut made: BTreeMap<&str, Vec<Vec<u8>>> = BTreeMap::new();
    let mut add = |what, secret: Vec<u8>| made.entry(what).or_default().push(secret);

    let by = world.operator().await;
    let ada = world.ada().await.access_token;
    for _ in 0..SAMPLES {
        let tokens = world.login(EMAIL, PASSWORD).await.expect("signs in");
        let refresh = bytes(&tokens.refresh_token);
        add("a session", refresh[..32].to_vec());
        add("a refresh token", refresh[32..].to_vec());
        let device = bytes(&tokens.device_token);
        add("a device", device[..16].to_vec());
        let key = world.create_key(&by, &[]).await.expect("creates");
        add("an api key", base62(&key.secret));
        let (_, secret) = world.client(&by, &[]).await;
        add("a client's secret", base62(&secret));
        let enrolment = world.enroll(&ada).await.expect("gives a secret");
        let seed = Authenticator::new(&enrolment.secret);
        add("a seed", seed.secret().to_vec());
        forgot(&world, EMAIL).await.expect("answers");
    }
    for letter in world.mails(RESET, EMAIL, SAMPLES).await {
        add("a link", bytes(&letter.token()));
    }
    let (_, codes) = world.with_application(&ada).await;
    for code in codes {
        // In base32, as the secret of an application.
        let code = Authenticator::new(&code.replace('-', ""));
        add("a recovery code", code.secret().to_vec());
    }
    for _ in 0..SAMPLES {
        add("a challenge", bytes(&world.challenge().await.token));
    }

    assert_eq!(made.len(), 9, "{:?}", made.keys());
    for (what, samples) in made {
        let least = if what == "a recovery code" { 112 } else { 128 };
        let bits = moving_bits(&samples);
        assert!(bits >= least, "{what}: {bits}");
        let number = samples.len();
        let different = BTreeSet::from_iter(samples);
        assert_eq!(different.len(), number, "{what}");
    }
    world.stop().await;
}
