//! What this machine gives without a service around it: password hashes and signatures per second of one
//! core. `deploy/load/identity` prints them beside what the service reaches.

use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Params, Version};
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
        UnparsedPublicKey,
    },
};

/// As much as a token's claims.
const MESSAGE: [u8; 400] = [7; 400];

fn rate(mut work: impl FnMut()) -> f64 {
    let (begin, mut count) = (Instant::now(), 0_u32);
    while begin.elapsed() < Duration::from_secs(2) {
        work();
        count += 1;
    }
    f64::from(count) / begin.elapsed().as_secs_f64()
}

fn main() {
    // OWASP's minimum, the default of the service.
    let params = Params::new(19_456, 2, 1, None).expect("the parameters are good");
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut hash = [0; 32];
    let hashes = rate(|| {
        argon2
            .hash_password_into(b"a perfectly fine passphrase", &[1; 16], &mut hash)
            .expect("hashes");
    });

    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).expect("a key");
    let signature = pair.sign(&random, &MESSAGE).expect("signs");
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref());
    let signs = rate(|| {
        std::hint::black_box(pair.sign(&random, &MESSAGE).expect("signs"));
    });
    let verifies = rate(|| {
        public
            .verify(&MESSAGE, signature.as_ref())
            .expect("verifies");
    });
    println!(
        "argon2id {hashes:.1}/s, ES256 sign {signs:.0}/s, ES256 verify {verifies:.0}/s, on one core"
    );
}
