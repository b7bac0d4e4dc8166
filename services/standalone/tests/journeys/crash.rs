//! The standalone is killed in the middle of its work.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::{client::Client, restart::Standalone, world::PASSWORD};

const PEOPLE: usize = 100;

#[expect(
    clippy::disallowed_methods,
    reason = "a test has no frame, and waits for each of its tasks"
)]
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_amid_registrations_loses_nothing_and_leaves_nothing_half_made() {
    let folder = TempDir::new().expect("a temporary folder");
    let data = folder.path().join("data");
    let first = Standalone::start(&data).await;
    let email = first.printed("e-mail:").expect("an administrator");
    let password = first.printed("password:").expect("a password");

    let answered = Arc::new(AtomicUsize::new(0));
    let registrations: Vec<_> = (0..PEOPLE)
        .map(|n| {
            let (client, answered) = (first.client.clone(), answered.clone());
            tokio::task::spawn(async move {
                let body = serde_json::json!({ "email": person(n), "password": PASSWORD });
                let answer = client.post("/api/v1/auth/register", body).try_send().await;
                let acknowledged = matches!(answer, Ok(answer) if answer.status == 200);
                answered.fetch_add(usize::from(acknowledged), Ordering::Relaxed);
                acknowledged
            })
        })
        .collect();
    while answered.load(Ordering::Relaxed) < PEOPLE / 4 {
        sleep(Duration::from_millis(1)).await;
    }
    first.process.kill();
    let mut acknowledged = BTreeSet::new();
    for (n, registration) in registrations.into_iter().enumerate() {
        if registration.await.expect("a registration does not panic") {
            acknowledged.insert(person(n));
        }
    }
    assert!(
        acknowledged.len() < PEOPLE,
        "the kill came after the last registration"
    );

    let second = Standalone::start(&data).await;
    for email in &acknowledged {
        second.client.login(email, PASSWORD).await.tokens();
    }
    let admin = second.client.login(&email, &password).await.tokens();
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let accounts = accounts(&second.client, &admin.access).await;
        let able = able_to_sign_in(&second.client).await;
        if accounts == able && acknowledged.is_subset(&able) {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "half-made: {:?}",
            accounts.symmetric_difference(&able)
        );
        sleep(Duration::from_millis(200)).await;
    }
}

fn person(n: usize) -> String {
    format!("person-{n}@example.org")
}

async fn accounts(client: &Client, token: &str) -> BTreeSet<String> {
    let page = client
        .get("/api/v1/users?pageSize=1000")
        .bearer(token)
        .send()
        .await
        .ok();
    let users = page["users"].as_array().cloned().unwrap_or_default();
    let email = |user: &Value| user["email"].as_str().map(str::to_owned);
    users
        .iter()
        .filter_map(email)
        .filter(|email| email.starts_with("person-"))
        .collect()
}

async fn able_to_sign_in(client: &Client) -> BTreeSet<String> {
    let mut able = BTreeSet::new();
    for n in 0..PEOPLE {
        if client.login(&person(n), PASSWORD).await.status == 200 {
            able.insert(person(n));
        }
    }
    able
}
