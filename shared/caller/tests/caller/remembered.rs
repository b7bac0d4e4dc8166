//! Verified tokens are remembered, and what may change meanwhile is looked at all the same.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use portico_caller::Refusal;
use serde_json::json;
use tokio::time::advance;

use crate::world::{Signer, World, claims};

#[tokio::test]
async fn a_remembered_token_is_the_same_holder() {
    let world = World::new().await;
    let token = world.signer.token(&claims());
    let first = world.verifier.verify(&token).await.unwrap();
    let second = world.verifier.clone().verify(&token).await.unwrap();
    assert!(Arc::ptr_eq(&first, &second), "it was verified once");
}

#[tokio::test]
async fn a_remembered_token_expires() {
    let world = World::new().await;
    let token = world.signer.token(&claims());
    assert!(world.verifier.verify(&token).await.is_ok());
    world.hand.advance(Duration::from_secs(629));
    assert!(
        world.verifier.verify(&token).await.is_ok(),
        "within the leeway"
    );
    world.hand.advance(Duration::from_secs(1));
    assert_eq!(world.verifier.verify(&token).await, Err(Refusal::Expired));
}

#[tokio::test]
async fn ending_a_session_ends_its_remembered_tokens_and_no_others() {
    let world = World::new().await;
    let ended = world.token(&json!({"sid": "ended"}));
    let open = world.token(&json!({"sid": "open"}));
    let machine = world.token(&json!({"sid": null}));
    for token in [&ended, &open, &machine] {
        assert!(world.verifier.verify(token).await.is_ok());
    }
    world.denylist.deny("ended", Duration::from_mins(10)).await;
    assert_eq!(world.verifier.verify(&ended).await, Err(Refusal::Revoked));
    assert!(world.verifier.verify(&open).await.is_ok());
    assert!(world.verifier.verify(&machine).await.is_ok());
}

#[tokio::test]
async fn a_refusal_is_not_remembered() {
    let world = World::new().await;
    let late = Signer::es256("k-late");
    let token = late.token(&claims());
    assert!(world.verifier.verify(&token).await.is_err());
    world.source.set([world.signer.jwk(), late.jwk()]);
    tokio::time::pause();
    advance(Duration::from_secs(3)).await;
    assert!(world.verifier.verify(&token).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn withdrawing_a_key_ends_the_tokens_that_were_remembered_for_it() {
    let world = World::new().await;
    let old = world.signer.token(&claims());
    assert!(world.verifier.verify(&old).await.is_ok());

    let new = Signer::es256("k-2");
    world.source.set([new.jwk()]);
    assert!(
        world.verifier.verify(&old).await.is_ok(),
        "nobody knows of it yet"
    );
    advance(Duration::from_secs(3)).await;
    assert!(world.verifier.verify(&new.token(&claims())).await.is_ok());
    assert!(matches!(
        world.verifier.verify(&old).await,
        Err(Refusal::Forged(_))
    ));
}

#[tokio::test]
async fn what_is_remembered_needs_no_issuer() {
    let world = World::new().await;
    let token = world.signer.token(&claims());
    assert!(world.verifier.verify(&token).await.is_ok());
    world.source.away.store(true, Ordering::SeqCst);
    for _ in 0..100 {
        assert!(world.verifier.verify(&token).await.is_ok());
    }
    assert_eq!(world.source.fetches(), 1);
}

#[tokio::test]
async fn memory_stays_bounded() {
    let world = World::with(Signer::eddsa("k")).await;
    let filler = "x".repeat(5000);
    let tokens: Vec<String> = (0..1500)
        .map(|n| world.token(&json!({"jti": format!("{n}{filler}")})))
        .collect();
    let mut verified = Vec::new();
    for token in &tokens {
        verified.push(world.verifier.verify(token).await.unwrap());
    }
    // 1500 tokens of 7 kB do not fit; those that made room are verified again, and that is all.
    let mut remembered = 0;
    for (token, first) in tokens.iter().zip(&verified) {
        let again = world.verifier.verify(token).await.unwrap();
        assert_eq!(again, *first);
        remembered += usize::from(Arc::ptr_eq(&again, first));
    }
    assert!(
        (1..1300).contains(&remembered),
        "{remembered} were remembered"
    );
}
