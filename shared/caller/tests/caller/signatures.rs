//! Whose signature is taken, and in which form.

use portico_proto::error::Reason;
use ring::hmac;
use serde_json::json;

use crate::world::{Signer, World, base64, claims, parts, refused, service_claims};

#[tokio::test]
async fn a_token_without_signature_is_refused() {
    let world = World::new().await;
    let (header, payload, _) = parts(&world);
    let none = base64(json!({"alg": "none", "typ": "at+jwt", "kid": "k-1"}).to_string());
    for token in [
        format!("{none}.{payload}."),
        format!("{none}.{payload}"),
        format!("{header}.{payload}."),
        format!("{header}.{payload}"),
    ] {
        assert_eq!(
            refused(&world, &token).await,
            Reason::TokenInvalid,
            "{token}"
        );
    }
}

#[tokio::test]
async fn the_public_key_is_no_shared_secret() {
    let world = World::new().await;
    let jwk = world.signer.jwk();
    for secret in [
        jwk.x.clone(),
        jwk.y.clone(),
        format!("{}{}", jwk.x, jwk.y),
        "k-1".to_owned(),
    ] {
        let header = json!({"alg": "HS256", "typ": "at+jwt", "kid": "k-1"});
        let signed = format!(
            "{}.{}",
            base64(header.to_string()),
            base64(claims().to_string())
        );
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let token = format!("{signed}.{}", base64(hmac::sign(&key, signed.as_bytes())));
        assert_eq!(refused(&world, &token).await, Reason::TokenInvalid);
    }
}

#[tokio::test]
async fn a_key_that_the_token_brings_along_means_nothing() {
    let world = World::new().await;
    let stranger = Signer::es256("k-1");
    let jwk = stranger.jwk();
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": jwk.x, "y": jwk.y, "kid": "k-1"});
    for extra in [
        json!({"jwk": jwk}),
        json!({"jku": "https://evil.example/keys"}),
        json!({"x5u": "https://evil.example/cert"}),
        json!({"x5c": ["MIIB"]}),
    ] {
        let mut header = stranger.header();
        header
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        let token = stranger.sign(&header, &claims());
        assert_eq!(
            refused(&world, &token).await,
            Reason::TokenInvalid,
            "{extra}"
        );
    }
    assert_eq!(
        world.source.fetches(),
        1,
        "nobody went anywhere else for keys"
    );
}

#[tokio::test]
async fn another_key_or_another_kind_of_key_does_not_verify() {
    let world = World::new().await;
    let edwards = Signer::eddsa("k-2");
    world.source.set([world.signer.jwk(), edwards.jwk()]);
    assert!(
        world
            .verifier
            .verify(&edwards.token(&claims()))
            .await
            .is_ok()
    );

    let stranger = Signer::es256("k-1").token(&claims());
    assert_eq!(refused(&world, &stranger).await, Reason::TokenInvalid);
    let crossed = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "k-1"});
    assert_eq!(
        refused(&world, &edwards.sign(&crossed, &claims())).await,
        Reason::TokenInvalid
    );
    let crossed = json!({"alg": "ES256", "typ": "at+jwt", "kid": "k-2"});
    assert_eq!(
        refused(&world, &world.signer.sign(&crossed, &claims())).await,
        Reason::TokenInvalid
    );
}

#[tokio::test]
async fn a_changed_token_is_refused() {
    let world = World::new().await;
    let (header, payload, signature) = parts(&world);
    let other = base64(json!({"sub": "somebody else"}).to_string());
    let promoted = service_claims().to_string();
    for token in [
        format!("{header}.{other}.{signature}"),
        format!("{header}.{}.{signature}", base64(promoted)),
        format!("{header}.{payload}.{}", base64([0; 64])),
        format!("{header}.{payload}.{}", base64([0xff; 64])),
    ] {
        assert_eq!(
            refused(&world, &token).await,
            Reason::TokenInvalid,
            "{token}"
        );
    }
}

#[tokio::test]
async fn a_signature_has_one_length_and_one_form() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    let world = World::new().await;
    let (header, payload, signature) = parts(&world);
    let raw = URL_SAFE_NO_PAD.decode(&signature).unwrap();
    let (r, s) = raw.split_at(32);
    // ASN.1, as ECDSA has it elsewhere.
    let der = [&[0x30, 70, 2, 33, 0], r, &[2, 33, 0], s].concat();
    let zero_r = [&[0; 32][..], s].concat();
    let zero_s = [r, &[0; 32][..]].concat();
    let forms = [
        raw[..63].to_vec(),
        [&raw[..], &[0]].concat(),
        [&[0], &raw[..]].concat(),
        raw.repeat(2),
        der,
        zero_r,
        zero_s,
        Vec::new(),
    ];
    for form in forms {
        let token = format!("{header}.{payload}.{}", base64(&form));
        assert_eq!(
            refused(&world, &token).await,
            Reason::TokenInvalid,
            "{form:?}"
        );
    }
    // Bits that base64 leaves over must be zero, or one signature has several spellings.
    let (last, start) = (
        signature.chars().last().unwrap(),
        &signature[..signature.len() - 1],
    );
    let next = char::from(u8::try_from(last).unwrap() + 1);
    for spelling in [
        format!("{start}{next}"),
        format!("{signature}="),
        format!("{signature}=="),
    ] {
        let token = format!("{header}.{payload}.{spelling}");
        assert_eq!(
            refused(&world, &token).await,
            Reason::TokenInvalid,
            "{spelling}"
        );
    }
}

/// ECDSA lets anybody turn (r, s) into (r, n - s), which is as good; half of all honest signatures have
/// the larger one, so it cannot be refused. What matters is that the twin is no way around anything.
#[tokio::test]
async fn the_twin_of_a_signature_is_the_same_token() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let world = World::new().await;
    let (header, payload, signature) = parts(&world);
    let mut raw = URL_SAFE_NO_PAD.decode(&signature).unwrap();
    let mut borrow = 0;
    for (byte, order) in raw[32..].iter_mut().zip(ORDER).rev() {
        let difference = i16::from(order) - i16::from(*byte) - borrow;
        borrow = i16::from(difference < 0);
        *byte = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    let token = format!("{header}.{payload}.{signature}");
    let twin = format!("{header}.{payload}.{}", base64(&raw));
    assert_ne!(token, twin);
    let caller = world.verifier.verify(&token).await.unwrap();
    assert_eq!(world.verifier.verify(&twin).await.unwrap(), caller);
    world
        .denylist
        .deny_here("s-1", std::time::Duration::from_mins(10));
    assert_eq!(refused(&world, &twin).await, Reason::SessionRevoked);
}

#[tokio::test]
async fn an_rsa_key_verifies_its_own_algorithm_alone() {
    let world = World::with(Signer::rs256("k-1")).await;
    let good = world.signer.token(&claims());
    assert!(world.verifier.verify(&good).await.is_ok());
    let others = [
        "none", "HS256", "ES256", "EdDSA", "PS256", "RS384", "RS512", "rs256",
    ];
    for alg in others {
        let header = json!({"alg": alg, "typ": "at+jwt", "kid": "k-1"});
        let token = world.signer.sign(&header, &claims());
        assert_eq!(refused(&world, &token).await, Reason::TokenInvalid, "{alg}");
    }
    let stranger = Signer::es256("k-1").token(&claims());
    assert_eq!(refused(&world, &stranger).await, Reason::TokenInvalid);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    for length in [0, 64, 342 - 4] {
        let token = format!("{signed}.{}", &signature[..length]);
        assert_eq!(refused(&world, &token).await, Reason::TokenInvalid);
    }
}
