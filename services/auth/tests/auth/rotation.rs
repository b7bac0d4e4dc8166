//! Keys that change while people sign in and tokens are verified.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use portico_caller::{Keys, Verifier};
use portico_proto::auth::v1::{GetJsonWebKeySetRequest, ListSessionsRequest};

use crate::{
    registration::futures_join,
    support::{EMAIL, PASSWORD, Setting, World, bearing, header},
};

/// How many people sign in at once.
const PEOPLE: usize = 12;

/// How many keys must have signed in the end.
const KEYS: usize = 4;

fn setting() -> Setting {
    Setting::new()
        .with("AUTH__KEY_ROTATION_SECONDS", "120")
        .with("AUTH__ACCESS_TOKEN_TTL_SECONDS", "60")
}

fn kid(token: &str) -> String {
    header(token)["kid"].as_str().expect("a key id").to_owned()
}

/// Somebody else's verifier: it knows the key set alone, and asks for it no more often than the
/// set's own lifetime makes it.
struct Cached {
    fetched: DateTime<Utc>,
    lifetime: TimeDelta,
    kids: BTreeSet<String>,
}

impl Cached {
    async fn fetch(world: &World) -> Self {
        let answer = world
            .keys()
            .get_json_web_key_set(GetJsonWebKeySetRequest {})
            .await
            .expect("answers");
        let caching = answer.metadata().get("cache-control").expect("is told");
        let caching = caching.to_str().expect("text").to_owned();
        let seconds = caching
            .strip_prefix("public, max-age=")
            .expect("a lifetime");
        Self {
            fetched: world.now(),
            lifetime: TimeDelta::seconds(seconds.parse().expect("a number")),
            kids: answer
                .into_inner()
                .keys
                .into_iter()
                .map(|key| key.kid)
                .collect(),
        }
    }
}

async fn is_let_in(world: &World, token: &str) -> bool {
    let request = bearing(token, ListSessionsRequest::default());
    world.sessions().list_sessions(request).await.is_ok()
}

async fn rotate_under_load(url: &str) {
    let setting = setting();
    setting.migrate(url).await;
    let (one, two) = tokio::join!(setting.start(url), setting.start(url));
    one.register(EMAIL, PASSWORD).await.expect("registers");
    let keys = Keys::from_backend(two.auth.backend.clone());
    let edge = Verifier::new(
        "http://127.0.0.1:3000",
        "portico",
        keys,
        one.denylist.clone(),
        setting.clock.clone(),
    );
    let mut cached = Cached::fetch(&two).await;
    let mut held: Vec<(DateTime<Utc>, String)> = Vec::new();
    let (mut signed, mut verified) = (BTreeSet::new(), 0);
    let deadline = Instant::now() + Duration::from_mins(4);
    while signed.len() < KEYS {
        assert!(Instant::now() < deadline, "{} keys only", signed.len());
        let signing = (0..PEOPLE).map(async |person| {
            let (mine, other) = if person % 2 == 0 {
                (&one, &two)
            } else {
                (&two, &one)
            };
            if person == PEOPLE / 2 {
                // In the middle of it all, time passes.
                setting.hand.advance(Duration::from_secs(4));
            }
            let tokens = mine.login(EMAIL, PASSWORD).await.expect("signs in");
            assert!(is_let_in(other, &tokens.access_token).await, "by the other");
            (mine.now(), tokens.access_token)
        });
        let fresh = futures_join(signing).await;
        if one.now() - cached.fetched >= cached.lifetime {
            cached = Cached::fetch(&one).await;
        }
        signed.extend(fresh.iter().map(|(_, token)| kid(token)));
        held.extend(fresh);
        held.retain(|(at, _)| one.now() - *at < TimeDelta::seconds(54));
        // Some of those that are about to expire, and all of the newest.
        let checked: Vec<&String> = held
            .iter()
            .take(PEOPLE)
            .chain(held.iter().rev().take(PEOPLE))
            .map(|(_, token)| token)
            .collect();
        for answer in futures_join(checked.iter().map(|token| edge.verify(token))).await {
            answer.expect("the edge lets it in");
            verified += 1;
        }
        for token in checked {
            assert!(
                cached.kids.contains(&kid(token)),
                "a cached set verifies it"
            );
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(verified > 1000, "{verified} verifications");
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_rotate_under_load_without_one_failed_verification() {
    let databases = portico_testing::databases();
    let rotating = databases
        .iter()
        .map(|database| rotate_under_load(&database.url));
    futures_join(rotating).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_algorithm_signs_and_a_change_is_a_rotation() {
    for database in portico_testing::databases() {
        let mut before: Option<(Setting, String)> = None;
        for (algorithm, kty) in [("ES256", "EC"), ("EdDSA", "OKP"), ("RS256", "RSA")] {
            let (setting, old) = match before.take() {
                None => (Setting::new(), None),
                Some((setting, token)) => (setting, Some(token)),
            };
            let setting = setting.with("AUTH__SIGNING_ALGORITHM", algorithm);
            let world = setting.start(&database.url).await;
            if old.is_none() {
                world.register(EMAIL, PASSWORD).await.expect("registers");
            }
            let published = async || {
                let request = GetJsonWebKeySetRequest {};
                let set = world.keys().get_json_web_key_set(request).await;
                let keys = set.expect("answers").into_inner().keys;
                keys.into_iter()
                    .filter(|key| key.alg == algorithm)
                    .map(|key| (key.kid, key.kty))
                    .collect::<Vec<_>>()
            };
            world
                .until("its key is published", async || {
                    !published().await.is_empty()
                })
                .await;
            if let Some(old) = &old {
                let now = world.login(EMAIL, PASSWORD).await.expect("signs in");
                assert_eq!(kid(&now.access_token), kid(old), "it waits to be seen");
                world.hand.advance(Duration::from_mins(10));
            }
            let new = world.login(EMAIL, PASSWORD).await.expect("signs in");
            let head = header(&new.access_token);
            assert_eq!(head["alg"], algorithm);
            let (id, kind) = published().await.remove(0);
            assert_eq!(
                (head["kid"].as_str(), kind.as_str()),
                (Some(id.as_str()), kty)
            );
            assert!(is_let_in(&world, &new.access_token).await);
            world.stop().await;
            before = Some((setting, new.access_token));
        }
    }
}
