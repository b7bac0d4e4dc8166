//! Thirty-two clients that share one session and refresh it at once, again and again.

use std::{collections::BTreeSet, time::Duration};

use portico_proto::error::Reason;
use portico_testing::Database;

use crate::{
    registration::futures_join,
    support::{Setting, World},
};

const RACERS: usize = 32;

/// All race with the same token in each round, over two processes where the database allows for two, so
/// each round must answer one successor to all of them. Then an old token is presented as a thief would.
async fn torture(database: &Database, rounds: usize) {
    let setting = Setting::new();
    let first = setting.start(&database.url).await;
    let mut worlds = vec![first];
    if database.name != "sqlite" {
        worlds.push(setting.start(&database.url).await);
    }
    let open = "SELECT COUNT(*) FROM sessions WHERE revoke_time IS NULL";
    let mut current = worlds[0].ada().await.refresh_token;
    let mut past: Vec<String> = Vec::new();
    for round in 0..rounds {
        let racing = (0..RACERS).map(|racer| worlds[racer % worlds.len()].refresh(&current));
        let answers = futures_join(racing).await;
        let successors: BTreeSet<String> = answers
            .into_iter()
            .map(|answer| answer.expect("no racer is refused").refresh_token)
            .collect();
        assert_eq!(successors.len(), 1, "{}: round {round}", database.name);
        past.push(current);
        current = successors.into_iter().next().expect("one");
        // The grace period runs along: each token is forgiven for a while and then no longer.
        setting.hand.advance(Duration::from_millis(700));
    }
    let distinct: BTreeSet<&String> = past.iter().collect();
    assert_eq!(distinct.len(), rounds, "no token came twice");
    assert_eq!(worlds[0].number(open).await, Some(1), "the session lives");

    let stolen = &past[rounds / 2];
    setting.hand.advance(Duration::from_secs(11));
    let refused = async |world: &World, token: &str| {
        let status = world.refresh(token).await.expect_err("is refused");
        assert_eq!(Reason::of(&status), Some(Reason::InvalidGrant));
    };
    refused(&worlds[worlds.len() - 1], stolen).await;
    assert_eq!(worlds[0].number(open).await, Some(0), "the family is dead");
    for world in &worlds {
        refused(world, &current).await;
    }
    for world in worlds {
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_family_survives_racing_and_dies_of_theft() {
    for database in portico_testing::databases() {
        torture(&database, 40).await;
    }
}

/// Takes minutes: `cargo test -p portico-auth --test auth -- --ignored torture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a load run"]
async fn a_family_survives_ten_thousand_rounds() {
    for database in portico_testing::databases() {
        let began = std::time::Instant::now();
        torture(&database, 10_000).await;
        let (name, took) = (&database.name, began.elapsed());
        println!("{name}: 10,000 rounds of {RACERS} racers in {took:?}");
    }
}
