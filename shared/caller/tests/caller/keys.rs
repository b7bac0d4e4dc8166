//! Keys are fetched when needed, seldom, by one for all, and kept when the issuer is away.

use std::{sync::atomic::Ordering, time::Duration};

use futures_util::future::join_all;
use portico_caller::Refusal;
use portico_proto::{auth::v1::JsonWebKey, error::Reason};
use tokio::time::{Instant, advance};

use crate::world::{Signer, World, base64, claims};

#[tokio::test]
async fn many_first_tokens_cause_one_fetch() {
    let world = World::new().await;
    let tokens: Vec<String> = (0..50).map(|_| world.signer.token(&claims())).collect();
    let verified = join_all(tokens.iter().map(|token| world.verifier.verify(token))).await;
    assert!(verified.iter().all(Result::is_ok));
    assert_eq!(world.source.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn invented_key_ids_cannot_hammer_the_issuer() {
    let world = World::new().await;
    let start = Instant::now();
    let stranger = Signer::es256("invented");
    for _ in 0..400 {
        let verified = world.verifier.verify(&stranger.token(&claims())).await;
        assert!(matches!(verified, Err(Refusal::Forged(_))));
        advance(Duration::from_millis(25)).await;
    }
    let seconds = usize::try_from(start.elapsed().as_secs()).unwrap();
    assert!(
        world.source.fetches() <= seconds / 2 + 1,
        "{} fetches",
        world.source.fetches()
    );
    assert!(
        world
            .verifier
            .verify(&world.signer.token(&claims()))
            .await
            .is_ok()
    );
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_found_by_its_first_token() {
    let world = World::new().await;
    assert!(
        world
            .verifier
            .verify(&world.signer.token(&claims()))
            .await
            .is_ok()
    );
    let next = Signer::eddsa("k-2");
    world.source.set([world.signer.jwk(), next.jwk()]);
    advance(Duration::from_secs(2)).await;
    assert!(world.verifier.verify(&next.token(&claims())).await.is_ok());
    assert_eq!(world.source.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn keys_are_refreshed_every_five_minutes_of_use() {
    let world = World::new().await;
    let verify = async || world.verifier.verify(&world.signer.token(&claims())).await;
    assert!(verify().await.is_ok());
    advance(Duration::from_secs(290)).await;
    assert!(verify().await.is_ok());
    assert_eq!(world.source.fetches(), 1);
    advance(Duration::from_secs(11)).await;
    assert!(verify().await.is_ok());
    assert!(verify().await.is_ok());
    assert_eq!(world.source.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_last_known_keys_stand_while_the_issuer_is_away() {
    let world = World::new().await;
    let verify = async || world.verifier.verify(&world.signer.token(&claims())).await;
    assert!(verify().await.is_ok());
    world.source.away.store(true, Ordering::SeqCst);
    for _ in 0..10 {
        advance(Duration::from_secs(100)).await;
        assert!(verify().await.is_ok());
    }
    let tried = world.source.fetches();
    for _ in 0..10 {
        assert!(verify().await.is_ok());
    }
    assert_eq!(world.source.fetches(), tried, "it is not tried at each use");

    // Whether an unknown key is the issuer's cannot be told now.
    let unknown = Signer::es256("k-2").token(&claims());
    assert_eq!(
        world.verifier.verify(&unknown).await,
        Err(Refusal::KeysUnavailable)
    );
}

#[tokio::test(start_paused = true)]
async fn without_any_keys_the_answer_is_unavailable_and_soon() {
    let world = World::new().await;
    let token = world.signer.token(&claims());
    world.source.away.store(true, Ordering::SeqCst);
    let refusal = world.verifier.verify(&token).await.unwrap_err();
    assert_eq!(refusal.reason(), Reason::Unavailable);
    assert_eq!(
        world.verifier.verify(&token).await,
        Err(Refusal::KeysUnavailable)
    );
    assert_eq!(world.source.fetches(), 1);

    world.source.away.store(false, Ordering::SeqCst);
    advance(Duration::from_secs(2)).await;
    assert!(world.verifier.verify(&token).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_does_not_answer_is_not_waited_for_long() {
    let world = World::new().await;
    let token = world.signer.token(&claims());
    world.source.hangs.store(true, Ordering::SeqCst);
    let start = Instant::now();
    let waiting = (0..20).map(|_| world.verifier.verify(&token));
    for refused in join_all(waiting).await {
        assert_eq!(refused, Err(Refusal::KeysUnavailable));
    }
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(world.source.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_was_given_up_leaves_nothing_locked() {
    let world = World::new().await;
    let token = world.signer.token(&claims());
    world.source.hangs.store(true, Ordering::SeqCst);
    let impatient = tokio::time::timeout(Duration::from_millis(50), world.verifier.verify(&token));
    assert!(impatient.await.is_err());
    world.source.hangs.store(false, Ordering::SeqCst);
    assert!(world.verifier.verify(&token).await.is_ok());
}

#[tokio::test]
async fn keys_that_cannot_be_used_are_passed_over() {
    let world = World::new().await;
    let good = world.signer.jwk();
    let bad = |change: fn(&mut JsonWebKey)| {
        let mut jwk = JsonWebKey {
            kid: "bad".into(),
            ..good.clone()
        };
        change(&mut jwk);
        jwk
    };
    let keys = [
        bad(|jwk| jwk.kty = "RSA".into()),
        bad(|jwk| jwk.kty = "oct".into()),
        bad(|jwk| jwk.crv = "P-384".into()),
        bad(|jwk| jwk.r#use = "enc".into()),
        bad(|jwk| jwk.alg = "EdDSA".into()),
        bad(|jwk| jwk.alg = "none".into()),
        bad(|jwk| jwk.x = base64([1; 31])),
        bad(|jwk| jwk.x = base64([1; 33])),
        bad(|jwk| jwk.y = "*".into()),
        bad(|jwk| jwk.y = String::new()),
        bad(|jwk| jwk.kid = String::new()),
        JsonWebKey::default(),
        good.clone(),
        // A second key of the same id does not take the first one's place.
        JsonWebKey {
            kid: good.kid.clone(),
            ..Signer::es256("x").jwk()
        },
    ];
    for jwk in &keys[..keys.len() - 2] {
        let fresh = World::new().await;
        fresh.source.set([jwk.clone()]);
        let token = fresh.signer.token(&claims());
        assert_eq!(
            fresh.verifier.verify(&token).await,
            Err(Refusal::KeysUnavailable),
            "{jwk:?}"
        );
    }
    world.source.set(keys);
    assert!(
        world
            .verifier
            .verify(&world.signer.token(&claims()))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_point_that_is_not_on_the_curve_verifies_nothing() {
    let world = World::new().await;
    let jwk = JsonWebKey {
        x: base64([1; 32]),
        y: base64([2; 32]),
        ..world.signer.jwk()
    };
    world.source.set([jwk]);
    let verified = world.verifier.verify(&world.signer.token(&claims())).await;
    assert!(matches!(verified, Err(Refusal::Forged(_))));
}

#[tokio::test]
async fn rsa_keys_that_are_too_short_or_no_keys_are_passed_over() {
    let good = Signer::rs256("k-1").jwk();
    let bad = |change: fn(&mut JsonWebKey)| {
        let mut jwk = good.clone();
        change(&mut jwk);
        jwk
    };
    for jwk in [
        bad(|jwk| jwk.n = base64([0xff; 255])),
        bad(|jwk| jwk.n = base64([0xff; 1025])),
        bad(|jwk| jwk.n = String::new()),
        bad(|jwk| jwk.n = "*".into()),
        bad(|jwk| jwk.e = String::new()),
        bad(|jwk| jwk.e = base64([1; 9])),
        bad(|jwk| jwk.crv = "P-256".into()),
        bad(|jwk| jwk.alg = "PS256".into()),
        bad(|jwk| jwk.alg = "RS512".into()),
        bad(|jwk| jwk.r#use = "enc".into()),
    ] {
        let world = World::with(Signer::rs256("k-1")).await;
        world.source.set([jwk.clone()]);
        let verified = world.verifier.verify(&world.signer.token(&claims())).await;
        assert_eq!(verified, Err(Refusal::KeysUnavailable), "{jwk:?}");
    }
    let world = World::with(Signer::rs256("k-1")).await;
    world.source.set([bad(|jwk| jwk.alg = String::new())]);
    let token = world.signer.token(&claims());
    assert!(world.verifier.verify(&token).await.is_ok());
}
