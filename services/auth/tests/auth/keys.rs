//! Signing keys: published before they sign, kept until their last token is dead.

use std::time::Duration;

use portico_proto::auth::v1::{GetJsonWebKeySetRequest, ListSessionsRequest};

use crate::support::{
    EMAIL, MASTER_KEY, OTHER_MASTER_KEY, PASSWORD, Setting, World, bearing, header,
};

const HOUR: Duration = Duration::from_hours(1);

fn setting() -> Setting {
    Setting::new().with("AUTH__KEY_ROTATION_SECONDS", "3600")
}

async fn published(world: &World) -> Vec<String> {
    let answer = world
        .keys()
        .get_json_web_key_set(GetJsonWebKeySetRequest {})
        .await;
    let keys = answer.expect("answers").into_inner().keys;
    for key in &keys {
        assert_eq!((key.kty.as_str(), key.crv.as_str()), ("EC", "P-256"));
        assert_eq!((key.r#use.as_str(), key.alg.as_str()), ("sig", "ES256"));
        assert_eq!((key.x.len(), key.y.len()), (43, 43));
    }
    keys.into_iter().map(|key| key.kid).collect()
}

async fn is_good(world: &World, token: &str) -> bool {
    let request = bearing(token, ListSessionsRequest::default());
    world.sessions().list_sessions(request).await.is_ok()
}

fn kid(token: &str) -> String {
    header(token)["kid"].as_str().expect("a key id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_outlives_the_rotation_and_its_key_goes_when_it_is_dead() {
    for database in portico_testing::databases() {
        let world = setting().start(&database.url).await;
        let before = published(&world).await;
        assert_eq!(before.len(), 2, "one signs, the next one is known already");
        world.register(EMAIL, PASSWORD).await.expect("registers");
        world.hand.advance(Duration::from_secs(3599));
        let old = world.login(EMAIL, PASSWORD).await.expect("signs in");
        assert_eq!(kid(&old.access_token), before[0]);

        world.hand.advance(Duration::from_secs(1));
        let new = world.login(EMAIL, PASSWORD).await.expect("signs in");
        assert_eq!(
            kid(&new.access_token),
            before[1],
            "the next one signs by the clock alone"
        );
        assert!(is_good(&world, &old.access_token).await);
        assert!(is_good(&world, &new.access_token).await);
        world
            .until("another key is made", async || {
                published(&world).await.len() == 3
            })
            .await;
        let during = published(&world).await;
        assert_eq!(during[..2], before[..]);

        world.hand.advance(Duration::from_secs(599));
        assert!(
            is_good(&world, &old.access_token).await,
            "until its last second"
        );
        assert!(published(&world).await.contains(&before[0]));
        world.hand.advance(Duration::from_secs(62));
        assert_eq!(published(&world).await, during[1..]);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_survive_a_restart_and_a_new_master_key_in_front() {
    for database in portico_testing::databases() {
        let setting = setting();
        let world = setting.start(&database.url).await;
        let (tokens, keys) = (world.ada().await, published(&world).await);
        world.stop().await;

        let both = format!("{OTHER_MASTER_KEY},{MASTER_KEY}");
        let setting = setting.with("AUTH__MASTER_KEY", both);
        let world = setting.start(&database.url).await;
        assert_eq!(published(&world).await, keys);
        assert!(is_good(&world, &tokens.access_token).await);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_key_that_opens_nothing_stops_the_start() {
    for database in portico_testing::databases() {
        let setting = setting();
        setting.start(&database.url).await.stop().await;
        let setting = setting.with("AUTH__MASTER_KEY", OTHER_MASTER_KEY);
        let error = setting
            .try_start(&database.url)
            .await
            .err()
            .expect("is refused");
        assert!(error.to_string().contains("AUTH__MASTER_KEY"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_keys_and_verify_each_others_tokens() {
    for database in portico_testing::databases() {
        let setting = setting();
        setting.migrate(&database.url).await;
        let (one, two) = tokio::join!(setting.start(&database.url), setting.start(&database.url));
        assert_eq!(published(&one).await, published(&two).await);
        one.register(EMAIL, PASSWORD).await.expect("registers");
        let tokens = two.login(EMAIL, PASSWORD).await.expect("signs in");
        assert!(is_good(&one, &tokens.access_token).await);
        setting.hand.advance(HOUR);
        let later = one.login(EMAIL, PASSWORD).await.expect("signs in");
        assert!(is_good(&two, &later.access_token).await);
        one.until("both know three keys", async || {
            published(&one).await.len() == 3 && published(&one).await == published(&two).await
        })
        .await;
        one.stop().await;
        two.stop().await;
    }
}

#[tokio::test]
async fn the_key_set_may_be_cached_for_less_than_a_key_is_published_ahead() {
    let database = &portico_testing::databases()[0];
    let world = World::start(&database.url).await;
    let answer = world
        .keys()
        .get_json_web_key_set(GetJsonWebKeySetRequest {})
        .await;
    let answer = answer.expect("answers");
    let caching = answer.metadata().get("cache-control").expect("is told");
    assert_eq!(caching.to_str().ok(), Some("public, max-age=300"));
    world.stop().await;
}
