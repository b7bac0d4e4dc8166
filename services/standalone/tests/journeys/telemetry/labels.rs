//! Nobody fills memory by making up paths, methods or user agents.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};
use portico_telemetry::Table;

use super::metrics::{Sample, scrape};
use crate::world::{self, World};

const REQUESTS: u64 = 10_000;
const AT_ONCE: usize = 32;

const METHODS: [&str; 10] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "OTHER",
];

/// Words that look random and are the same each time.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        // xorshift64*, by Vigna.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn word(&mut self) -> String {
        format!("{:x}", self.next())
    }

    fn method(&mut self) -> String {
        match self.next() % 4 {
            0 => self.word().to_uppercase(),
            _ => METHODS[usize::try_from(self.next() % 7).unwrap_or(0)].to_owned(),
        }
    }

    fn path(&mut self) -> String {
        let (a, b) = (self.word(), self.word());
        match self.next() % 6 {
            0 => format!("/{a}/{b}"),
            1 => format!("/api/v1/{a}"),
            2 => format!("/api/v1/users/{a}"),
            3 => format!("/api/v1/users/{a}:{b}"),
            4 => format!("/api/v1/auth/{a}?q={b}"),
            _ => format!("/portico.user.v1.UserService/{a}"),
        }
    }
}

fn series(samples: &[Sample]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for sample in samples {
        *counts.entry(sample.name.clone()).or_default() += 1;
    }
    counts
}

fn values(samples: &[Sample], label: &str) -> BTreeSet<String> {
    let labels = samples.iter().flat_map(|sample| &sample.labels);
    let values = labels.filter(|(name, _)| name == label);
    values.map(|(_, value)| value.clone()).collect()
}

/// The routes that metrics may name, as the reference has them.
async fn templates(world: &World) -> BTreeSet<String> {
    let document = world.client().get("/openapi.json").send().await.ok();
    let paths = document["paths"].as_object().expect("paths");
    // The edge's own are not in it.
    let own = ["/health", "/ready", "/openapi.json", "/docs"].map(str::to_owned);
    paths.keys().cloned().chain(own).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_random_requests_make_no_new_label() {
    if world::running().is_some() {
        return;
    }
    let world = World::standalone_process(&[]).await;
    let [ops] = &world.ops()[..] else {
        panic!("one process");
    };
    let client = world.client();
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let requests: Vec<_> = (0..REQUESTS)
        .map(|_| {
            let (method, path) = (chance.method(), chance.path());
            client
                .request(&method, &path)
                .header("user-agent", chance.word())
                .header("x-request-id", chance.word())
        })
        .collect();
    let answered = stream::iter(requests)
        .map(|request| async { request.try_send().await.is_ok() })
        .buffer_unordered(AT_ONCE)
        .filter(|answered| std::future::ready(*answered))
        .count()
        .await;
    assert_eq!(answered, 10_000);

    let samples = scrape(ops).await;
    let methods = values(&samples, "method");
    let strange: Vec<_> = methods
        .iter()
        .filter(|it| !METHODS.contains(&it.as_str()))
        .collect();
    assert!(strange.is_empty(), "{strange:?}");
    assert!(methods.contains("OTHER"), "{methods:?}");

    let mut routes = values(&samples, "route");
    assert!(routes.remove("unmatched"), "{routes:?}");
    let known = templates(&world).await;
    // A template names its variables by the field, the document by the last part of it.
    let shape = |template: &String| template.split(['{', '}']).step_by(2).collect::<String>();
    let known: BTreeSet<String> = known.iter().map(shape).collect();
    let strange: Vec<_> = routes
        .iter()
        .filter(|it| !known.contains(&shape(it)))
        .collect();
    assert!(strange.is_empty(), "{strange:?} of {known:?}");

    let codes = values(&samples, "status_code");
    assert!(codes.len() < 20, "{codes:?}");
    for (name, count) in series(&samples) {
        let row = Table::get().row(&name);
        let most = match row.map(|row| row.labels.len()) {
            Some(0) => 17,
            _ => 4000,
        };
        assert!(count <= most, "{count} series of {name}");
    }
}
