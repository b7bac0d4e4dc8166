//! What is wrong with tokens, one fault at a time.

use portico_caller::{MAX_TOKEN_BYTES, Refusal};
use portico_proto::error::Reason;
use serde_json::{Value, json};
use tonic::Status;

use crate::world::{ALICE, NOW, Signer, World, claims, parts, refused};

#[tokio::test]
async fn a_good_token_names_its_holder() {
    for signer in [Signer::es256("k"), Signer::eddsa("k"), Signer::rs256("k")] {
        let world = World::with(signer).await;
        let caller = world
            .verifier
            .verify(&world.signer.token(&claims()))
            .await
            .unwrap();
        assert_eq!(caller.subject, ALICE);
        assert_eq!(caller.session.as_deref(), Some("s-1"));
        assert_eq!(caller.client_id, "first-party");
        assert_eq!(caller.scopes.to_string(), "profile email");
        assert_eq!(caller.roles, ["member"]);
        assert_eq!(caller.expires_at, NOW + 600);
        assert!(!caller.service);
        assert!(caller.has_scope("email") && !caller.has_scope("mail"));
        assert!(caller.is(&ALICE.to_uppercase()) && !caller.is("me"));
    }
}

#[tokio::test]
async fn the_type_may_be_written_as_a_media_type() {
    let world = World::new().await;
    for typ in [
        "at+jwt",
        "AT+JWT",
        "application/at+jwt",
        "Application/At+Jwt",
    ] {
        let header = json!({"alg": "ES256", "kid": "k-1", "typ": typ});
        let token = world.signer.sign(&header, &claims());
        assert!(world.verifier.verify(&token).await.is_ok(), "{typ}");
    }
}

#[tokio::test]
async fn a_bad_header_is_refused() {
    let world = World::new().await;
    let good = world.signer.header();
    let changes = [
        json!({"alg": "none"}),
        json!({"alg": "None"}),
        json!({"alg": ""}),
        json!({"alg": "HS256"}),
        json!({"alg": "RS256"}),
        json!({"alg": "ES384"}),
        json!({"alg": "es256"}),
        json!({"alg": "EdDSA"}),
        json!({"alg": null}),
        json!({"alg": 1}),
        json!({"typ": "JWT"}),
        json!({"typ": "rt+jwt"}),
        json!({"typ": ""}),
        json!({"typ": "application/"}),
        json!({"typ": null}),
        json!({"kid": ""}),
        json!({"kid": null}),
        json!({"kid": "k-2"}),
        json!({"kid": "K-1"}),
        json!({"kid": 1}),
        json!({"crit": ["exp"]}),
        json!({"crit": []}),
        json!({"crit": null}),
    ];
    for change in changes {
        let mut header = good.clone();
        for (name, value) in change.as_object().unwrap() {
            header[name] = value.clone();
        }
        let token = world.signer.sign(&header, &claims());
        assert_eq!(
            refused(&world, &token).await,
            Reason::TokenInvalid,
            "{change}"
        );
    }
    for header in [
        "",
        "null",
        "[]",
        "{",
        r#"{"alg":"ES256","alg":"ES256","typ":"at+jwt","kid":"k-1"}"#,
    ] {
        let token = world.signer.sign_raw(header, claims().to_string());
        assert_eq!(
            refused(&world, &token).await,
            Reason::TokenInvalid,
            "{header}"
        );
    }
    let token = world
        .signer
        .sign_raw(b"{\"alg\":\"ES256\xff\"}", claims().to_string());
    assert_eq!(refused(&world, &token).await, Reason::TokenInvalid);
}

#[tokio::test]
async fn text_that_is_no_token_is_refused() {
    let world = World::new().await;
    let (header, payload, signature) = parts(&world);
    let good = format!("{header}.{payload}.{signature}");
    for token in [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        "a.b.c".into(),
        "null".into(),
        format!("{good}."),
        format!(".{good}"),
        format!("{good}.{signature}"),
        format!("{header}..{payload}.{signature}"),
        format!(" {good}"),
        format!("{good}\n"),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}=.{signature}"),
        format!("{header}.{payload}.ÿ{signature}"),
        format!("{header}.\u{0}{payload}.{signature}"),
        format!("{header}.{}.{signature}", payload.replace('e', "+")),
        "💥".repeat(50),
    ] {
        assert_eq!(
            refused(&world, &token).await,
            Reason::TokenInvalid,
            "{token}"
        );
    }
}

#[tokio::test]
async fn a_huge_token_is_refused_unread() {
    let world = World::new().await;
    let long = "x".repeat(MAX_TOKEN_BYTES);
    let token = world.token(&json!({"jti": long}));
    assert_eq!(
        world.verifier.verify(&token).await,
        Err(Refusal::Malformed("it is too long")),
    );
    assert_eq!(world.source.fetches(), 0);
    assert!(
        world
            .verifier
            .verify(&".".repeat(10_000_000))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn bad_claims_are_refused() {
    let world = World::new().await;
    let cases: Vec<(Value, Reason)> = vec![
        (json!({"iss": "https://id.example/"}), Reason::TokenInvalid),
        (json!({"iss": "https://evil.example"}), Reason::TokenInvalid),
        (json!({"iss": null}), Reason::TokenInvalid),
        (json!({"aud": "orders"}), Reason::TokenInvalid),
        (json!({"aud": "porticos"}), Reason::TokenInvalid),
        (json!({"aud": ["orders", "Portico"]}), Reason::TokenInvalid),
        (json!({"aud": []}), Reason::TokenInvalid),
        (json!({"aud": null}), Reason::TokenInvalid),
        (json!({"aud": {"portico": true}}), Reason::TokenInvalid),
        (json!({"sub": ""}), Reason::TokenInvalid),
        (json!({"sub": null}), Reason::TokenInvalid),
        (json!({"sub": 7}), Reason::TokenInvalid),
        (json!({"iat": NOW + 31}), Reason::TokenInvalid),
        (json!({"iat": null}), Reason::TokenInvalid),
        (json!({"nbf": NOW + 31}), Reason::TokenInvalid),
        (json!({"nbf": "soon"}), Reason::TokenInvalid),
        (json!({"exp": null}), Reason::TokenInvalid),
        (
            json!({"exp": (NOW + 600).to_string()}),
            Reason::TokenInvalid,
        ),
        (json!({"exp": -1}), Reason::TokenInvalid),
        (json!({"exp": 1e300}), Reason::TokenInvalid),
        (json!({"exp": NOW - 30}), Reason::TokenExpired),
        (json!({"exp": 0}), Reason::TokenExpired),
        (json!({"scope": ["portico.internal"]}), Reason::TokenInvalid),
        (json!({"roles": "admin"}), Reason::TokenInvalid),
        (json!({"sid": 1}), Reason::TokenInvalid),
    ];
    for (change, reason) in cases {
        let token = world.token(&change);
        assert_eq!(refused(&world, &token).await, reason, "{change}");
    }
    for payload in ["", "null", "[]", "{", r#"{"iss":"a","iss":"b"}"#] {
        let token = world
            .signer
            .sign_raw(world.signer.header().to_string(), payload);
        assert_eq!(
            refused(&world, &token).await,
            Reason::TokenInvalid,
            "{payload}"
        );
    }
    let token = world
        .signer
        .sign_raw(world.signer.header().to_string(), b"{\"iss\":\"\xff\"}");
    assert_eq!(refused(&world, &token).await, Reason::TokenInvalid);
}

#[tokio::test]
async fn clocks_may_be_half_a_minute_apart() {
    let world = World::new().await;
    for change in [
        json!({"exp": NOW - 29}),
        json!({"iat": NOW + 30}),
        json!({"nbf": NOW + 30}),
        json!({"exp": u64::MAX}),
        json!({"aud": ["orders", "portico"]}),
        json!({"unknown": {"claims": "are no harm"}}),
        json!({"scope": null, "roles": null, "sid": null}),
    ] {
        let verified = world.verifier.verify(&world.token(&change)).await;
        assert!(verified.is_ok(), "{change}: {verified:?}");
    }
}

#[tokio::test]
async fn a_service_needs_both_its_scope_and_its_name() {
    let world = World::new().await;
    for (change, service) in [
        (
            json!({"sub": "service:auth", "scope": "portico.internal"}),
            true,
        ),
        (json!({"scope": "portico.internal"}), false),
        (
            json!({"sub": "service:auth", "scope": "internal portico"}),
            false,
        ),
        (
            json!({"sub": "service:", "scope": "portico.internal"}),
            false,
        ),
        (
            json!({"sub": "service:auth", "scope": "portico.internals"}),
            false,
        ),
    ] {
        let caller = world.verifier.verify(&world.token(&change)).await.unwrap();
        assert_eq!(caller.service, service, "{change}");
    }
}

#[tokio::test]
async fn no_refusal_repeats_any_of_the_token() {
    let world = World::new().await;
    let marker = "SECRETMARKER";
    let tokens = [
        world.token(&json!({"iss": marker})),
        world.token(&json!({"aud": marker})),
        world.token(&json!({"exp": 1, "sub": marker})),
        Signer::es256(marker).token(&claims()),
        format!("{marker}.{marker}.{marker}"),
        marker.to_owned(),
    ];
    for token in tokens {
        let refusal = world.verifier.verify(&token).await.unwrap_err();
        let status = Status::from(refusal.clone());
        for text in [
            format!("{refusal:?}"),
            format!("{status:?}"),
            refusal.to_string(),
        ] {
            assert!(!text.contains(marker), "{text}");
        }
        assert_eq!(Reason::of(&status), Some(refusal.reason()));
        assert_eq!(status.code(), refusal.reason().code());
    }
}
