//! Another team's service behind the gateway, which has never heard of it.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    time::{Duration, Instant},
};

use acme_orders::Release;
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Handle, sync::oneshot, task::JoinHandle, time::sleep};

use crate::{
    client::Client,
    process::free_port,
    world::{self, World},
};

/// What the gateway promises: a service is there so soon after its start.
const SOON: Duration = Duration::from_secs(5);

const PRODUCTS: &str = "/api/v1/products";
const ORDERS: &str = "/api/v1/orders";

/// A running release.
struct Deployed {
    stop: oneshot::Sender<()>,
    running: JoinHandle<anyhow::Result<()>>,
}

impl Deployed {
    /// Takes over the address as soon as it is free.
    async fn start(addr: SocketAddr, release: Release) -> Self {
        let deadline = Instant::now() + SOON;
        let listener = loop {
            match TcpListener::bind(addr).await {
                Ok(listener) => break listener,
                Err(error) => assert!(Instant::now() < deadline, "{addr}: {error}"),
            }
            sleep(Duration::from_millis(1)).await;
        };
        let (stop, stopped) = oneshot::channel();
        let running = Handle::current().spawn(acme_orders::serve(listener, release, async move {
            // Dropping the sender stops it too.
            let _ = stopped.await;
        }));
        Self { stop, running }
    }

    /// Stops with a word to everybody, and waits for what is on its way.
    async fn stop(self) {
        drop(self.stop);
        self.running
            .await
            .expect("it does not panic")
            .expect("it ends well");
    }
}

async fn beside(addr: SocketAddr) -> World {
    World::standalone(&[("GATEWAY__UPSTREAMS", format!("orders=http://{addr}"))]).await
}

fn address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

async fn within_soon(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < SOON, "not within {SOON:?}: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

async fn is_mounted(client: &Client) -> bool {
    client.get(PRODUCTS).send().await.status == 200
}

async fn document(client: &Client) -> Value {
    client.get("/openapi.json").send().await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_appears_is_protected_and_comes_back() {
    if world::running().is_some() {
        return;
    }
    let addr = address();
    let world = beside(addr).await;
    let client = world.client();
    client.get(PRODUCTS).send().await.problem(404, "NOT_FOUND");

    let first = Deployed::start(addr, Release::First).await;
    within_soon("its routes are served, and described", async || {
        is_mounted(&client).await && !document(&client).await["paths"][PRODUCTS].is_null()
    })
    .await;
    let described = &document(&client).await["paths"][PRODUCTS]["get"];
    assert_eq!(described["summary"], "Lists the products");

    let admin = &world.admin().await.access;
    let person = world.person().await.tokens.access;
    let place = || client.post(ORDERS, json!({"product": "cup", "quantity": 2}));
    let order = format!("{ORDERS}/o-1");
    // No policy: a token is needed, and nothing more.
    place().send().await.problem(401, "TOKEN_MISSING");
    let placed = place().bearer(&person).send().await.ok();
    assert_eq!(placed["id"], "o-1");
    assert_eq!(placed["cents"], "1580");
    // A scope.
    let get = || client.get(&order);
    get().send().await.problem(401, "TOKEN_MISSING");
    get()
        .bearer(&person)
        .send()
        .await
        .problem(403, "INSUFFICIENT_SCOPE");
    assert_eq!(get().bearer(admin).send().await.ok(), placed);
    let receipt = client
        .get(&format!("{order}:print"))
        .bearer(admin)
        .send()
        .await;
    assert_eq!(receipt.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(receipt.text, "2 x cup: 15.80\n");

    first.stop().await;
    let away = client.get(PRODUCTS).send().await;
    away.problem(503, "UNAVAILABLE");
    assert_eq!(away.header("retry-after"), "1");
    let back = Deployed::start(addr, Release::First).await;
    within_soon("it is back", async || is_mounted(&client).await).await;
    back.stop().await;
    world.stop().await;
}

/// Clients who ask again and again, and what went wrong for them.
struct Hammering {
    over: &'static AtomicBool,
    asked: &'static AtomicUsize,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Hammering {
    fn start(client: &Client, token: &str) -> Self {
        // They outlive the test by nothing: tasks end when `over` says so.
        let over = &*Box::leak(Box::default());
        let asked: &AtomicUsize = &*Box::leak(Box::default());
        let clients = (0..8)
            .map(|number| {
                let (client, token) = (client.clone(), token.to_owned());
                Handle::current().spawn(async move {
                    let mut failed = Vec::new();
                    while !AtomicBool::load(over, SeqCst) {
                        // One that may be repeated, and one that may not.
                        let request = if number % 2 == 0 {
                            client.get(PRODUCTS)
                        } else {
                            client
                                .post(ORDERS, json!({"product": "spoon"}))
                                .bearer(&token)
                        };
                        match request.try_send().await {
                            Ok(answer) if answer.status == 200 => {}
                            Ok(answer) => failed.push(format!("{} {}", answer.status, answer.text)),
                            Err(error) => failed.push(format!("{error:?}")),
                        }
                        asked.fetch_add(1, SeqCst);
                    }
                    failed
                })
            })
            .collect();
        Self {
            over,
            asked,
            clients,
        }
    }

    /// Waits for so many more requests.
    async fn go_on(&self, more: usize) {
        let enough = self.asked.load(SeqCst) + more;
        while self.asked.load(SeqCst) < enough {
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn stop(self) {
        self.over.store(true, SeqCst);
        let mut failed = Vec::new();
        for client in self.clients {
            failed.extend(client.await.expect("a client goes on"));
        }
        let asked = self.asked.load(SeqCst);
        assert!(
            failed.is_empty(),
            "{} of {asked}: {failed:#?}",
            failed.len()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redeploy_with_one_more_route_loses_no_request() {
    if world::running().is_some() {
        return;
    }
    let addr = address();
    let mut running = Deployed::start(addr, Release::First).await;
    let world = beside(addr).await;
    let client = world.client();
    within_soon("its routes are served", async || is_mounted(&client).await).await;
    let admin = &world.admin().await.access;
    let shipment = || client.get("/api/v1/orders/o-1/shipment").bearer(admin);
    shipment().send().await.problem(404, "NOT_FOUND");

    let hammering = Hammering::start(&client, admin);
    hammering.go_on(100).await;
    // The next release waits for the address, and takes it while the old one answers what it has.
    let next = Deployed::start(addr, Release::Second);
    let ((), next) = tokio::join!(running.stop(), next);
    running = next;
    let described = |document: &Value| !document["paths"]["/api/v1/orders/{id}/shipment"].is_null();
    // The clients take what the machine has, so no more is asked than that it happens.
    world
        .eventually("the new route is served, and described", async || {
            shipment().send().await.status == 200 && described(&document(&client).await)
        })
        .await;
    hammering.go_on(100).await;

    // The crude way: nobody is there for a moment.
    for release in [Release::First, Release::Second] {
        running.stop().await;
        sleep(Duration::from_millis(300)).await;
        running = Deployed::start(addr, release).await;
        hammering.go_on(100).await;
    }
    hammering.stop().await;
    running.stop().await;
    world.stop().await;
}
