//! Endpoints that come, go, fall asleep and fail, seen from the calls.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
};

use bytes::Bytes;
use h2::server;
use http::{HeaderMap, uri::PathAndQuery};
use tokio::{
    net::TcpListener,
    task::JoinHandle,
    time::{Instant, sleep_until},
};
use tonic::{Code, Response, Status};

use super::*;
use crate::{Fate, Spare, Unary};

const SOON: Duration = Duration::from_secs(10);

/// What one endpoint does.
#[derive(Default)]
struct Behaviour {
    calls: AtomicU32,
    /// It answers nothing, not even a ping.
    asleep: AtomicBool,
    /// It answers that it cannot.
    failing: AtomicBool,
    /// How long it takes, in milliseconds.
    slow: AtomicU64,
}

struct Server {
    behaviour: Arc<Behaviour>,
    address: SocketAddr,
    serving: JoinHandle<()>,
    connections: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Server {
    async fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn on(listener: TcpListener) -> Self {
        let behaviour = Arc::<Behaviour>::default();
        let connections = Arc::<Mutex<Vec<JoinHandle<()>>>>::default();
        let (address, all) = (listener.local_addr().unwrap(), Arc::clone(&connections));
        let doing = Arc::clone(&behaviour);
        let serving = Handle::current().spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let connection = serve(stream, Arc::clone(&doing));
                all.lock()
                    .unwrap()
                    .push(Handle::current().spawn(connection));
            }
        });
        Self {
            behaviour,
            address,
            serving,
            connections,
        }
    }

    fn calls(&self) -> u32 {
        self.behaviour.calls.load(Relaxed)
    }

    /// As a process that was killed.
    fn kill(&self) {
        self.serving.abort();
        for connection in self.connections.lock().unwrap().drain(..) {
            connection.abort();
        }
    }
}

/// Answers calls as that behaviour says.
async fn serve(stream: tokio::net::TcpStream, behaviour: Arc<Behaviour>) {
    let Ok(mut connection) = server::handshake(stream).await else {
        return;
    };
    loop {
        // Asleep, it does not even look at the connection.
        while behaviour.asleep.load(Relaxed) {
            sleep(Duration::from_millis(5)).await;
        }
        let accepted = tokio::select! {
            biased;
            () = asleep(&behaviour) => continue,
            accepted = connection.accept() => accepted,
        };
        let Some(Ok((_, mut respond))) = accepted else {
            return;
        };
        behaviour.calls.fetch_add(1, Relaxed);
        let behaviour = Arc::clone(&behaviour);
        Handle::current().spawn(async move {
            sleep(Duration::from_millis(behaviour.slow.load(Relaxed))).await;
            let status = if behaviour.failing.load(Relaxed) {
                Status::unavailable("on purpose")
            } else {
                Status::not_found("")
            };
            let _ = respond.send_response(status.into_http::<()>(), true);
        });
    }
}

/// Waits until the endpoint falls asleep.
async fn asleep(behaviour: &Behaviour) {
    while !behaviour.asleep.load(Relaxed) {
        sleep(Duration::from_millis(5)).await;
    }
}

fn to(servers: &[&Server]) -> Backend {
    let urls = servers.iter().map(|it| format!("http://{}", it.address));
    let urls: Vec<_> = urls.collect();
    Endpoints::new(&urls.join("|"), None).unwrap().backend()
}

fn call() -> Unary {
    Unary {
        rpc: PathAndQuery::from_static("/endpoints.Test/Call"),
        metadata: HeaderMap::new(),
        message: Bytes::new(),
        limit: 100,
    }
}

async fn once(backend: &Backend) -> Status {
    let answer: Result<Response<Bytes>, Status> =
        timeout(SOON, backend.unary(call())).await.unwrap();
    answer.unwrap_err()
}

/// A call that may be repeated, made so by hand as the gateway does.
async fn repeatable(backend: &Backend, after: Option<Duration>) -> Status {
    loop {
        let spare = Spare { call, after };
        let answer = timeout(SOON, backend.unary_repeatable(call(), spare)).await;
        let status = answer.unwrap().unwrap_err();
        if Fate::of(&status) == Fate::Answered {
            return status;
        }
        assert!(backend.spend_repetition());
    }
}

/// Calls until that is so.
async fn until(backend: &Backend, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < deadline, "it never came about");
        once(backend).await;
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn calls_are_shared_out() {
    let servers = [
        Server::start().await,
        Server::start().await,
        Server::start().await,
    ];
    let backend = to(&servers.each_ref());
    until(&backend, || servers.iter().all(|it| it.calls() > 20)).await;
}

#[tokio::test]
async fn who_has_more_to_do_gets_less() {
    let (quick, slow) = (Server::start().await, Server::start().await);
    slow.behaviour.slow.store(50, Relaxed);
    let backend = to(&[&quick, &slow]);
    until(&backend, || quick.calls() > 0 && slow.calls() > 0).await;
    let (before_quick, before_slow) = (quick.calls(), slow.calls());
    let rounds = (0..4).map(|_| async {
        for _ in 0..100 {
            once(&backend).await;
        }
    });
    futures_util::future::join_all(rounds).await;
    let (quick, slow) = (quick.calls() - before_quick, slow.calls() - before_slow);
    assert!(quick > 4 * slow, "{quick} to {slow}");
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_costs_nobody_anything() {
    let (here, gone) = (Server::start().await, Server::start().await);
    gone.kill();
    let backend = to(&[&gone, &here]);
    for _ in 0..50 {
        assert_eq!(once(&backend).await.code(), Code::NotFound);
    }
}

#[tokio::test]
async fn an_endpoint_that_is_killed_is_called_again_when_it_is_back() {
    let (a, b) = (Server::start().await, Server::start().await);
    let backend = to(&[&a, &b]);
    until(&backend, || a.calls() > 0 && b.calls() > 0).await;
    b.kill();
    for _ in 0..50 {
        assert_eq!(repeatable(&backend, None).await.code(), Code::NotFound);
    }
    let listener = loop {
        match TcpListener::bind(b.address).await {
            Ok(listener) => break listener,
            Err(_in_use) => sleep(Duration::from_millis(20)).await,
        }
    };
    let back = Server::on(listener);
    until(&backend, || back.calls() > 0).await;
}

#[tokio::test]
async fn what_an_endpoint_has_that_fell_asleep_is_answered_by_another() {
    let (a, b) = (Server::start().await, Server::start().await);
    let backend = to(&[&a, &b]);
    until(&backend, || a.calls() > 0 && b.calls() > 0).await;
    b.behaviour.asleep.store(true, Relaxed);
    let all = (0..20).map(|_| repeatable(&backend, None));
    for status in futures_util::future::join_all(all).await {
        assert_eq!(status.code(), Code::NotFound);
    }
    let asked = b.calls();
    for _ in 0..50 {
        assert_eq!(once(&backend).await.code(), Code::NotFound);
    }
    assert_eq!(b.calls(), asked, "nothing new goes there");
    b.behaviour.asleep.store(false, Relaxed);
    until(&backend, || b.calls() > asked + 5).await;
}

#[tokio::test]
async fn an_endpoint_that_fails_is_left_alone_and_found_to_be_well_again() {
    let (a, b) = (Server::start().await, Server::start().await);
    let backend = to(&[&a, &b]);
    b.behaviour.failing.store(true, Relaxed);
    until(&backend, || b.calls() >= 5).await;
    let asked = b.calls();
    for _ in 0..50 {
        assert_eq!(once(&backend).await.code(), Code::NotFound);
    }
    assert_eq!(b.calls(), asked);
    b.behaviour.failing.store(false, Relaxed);
    until(&backend, || b.calls() > asked + 5).await;
}

#[tokio::test]
async fn the_only_endpoint_is_never_left_alone() {
    let only = Server::start().await;
    only.behaviour.failing.store(true, Relaxed);
    let backend = to(&[&only]);
    for _ in 0..20 {
        assert_eq!(once(&backend).await.message(), "on purpose");
    }
    assert_eq!(only.calls(), 20);
}

#[tokio::test]
async fn a_late_read_is_asked_of_another_where_that_is_wanted() {
    let (a, b) = (Server::start().await, Server::start().await);
    let backend = to(&[&a, &b]);
    until(&backend, || a.calls() > 0 && b.calls() > 0).await;
    b.behaviour.slow.store(3_000, Relaxed);
    let deadline = Instant::now() + Duration::from_millis(2_500);
    let asked = b.calls();
    let all = (0..10).map(|_| repeatable(&backend, Some(Duration::from_millis(20))));
    tokio::select! {
        answers = futures_util::future::join_all(all) => assert_eq!(answers.len(), 10),
        () = sleep_until(deadline) => panic!("somebody waited for the slow one"),
    }
    assert!(b.calls() > asked, "some went to the slow one first");
}

#[tokio::test]
async fn a_name_is_looked_up() {
    let server = Server::start().await;
    let url = format!("http://localhost:{}", server.address.port());
    let backend = Endpoints::new(&url, None).unwrap().backend();
    assert_eq!(once(&backend).await.code(), Code::NotFound);
    let nobody = Endpoints::new("http://nobody.invalid:1", None).unwrap();
    let status = once(&nobody.backend()).await;
    assert_eq!(Fate::of(&status), Fate::NobodyThere);
}

#[tokio::test]
async fn who_leaves_the_list_gets_no_more_calls_and_who_joins_does() {
    let (a, b) = (Server::start().await, Server::start().await);
    let endpoints = Endpoints::new(&format!("http://{}", a.address), None).unwrap();
    let backend = endpoints.backend();
    assert_eq!(once(&backend).await.code(), Code::NotFound);
    let target = &endpoints.0.targets[0];
    endpoints.0.put(vec![(b.address, target)]);
    for _ in 0..10 {
        assert_eq!(once(&backend).await.code(), Code::NotFound);
    }
    assert_eq!((a.calls(), b.calls()), (1, 10));
}

#[tokio::test]
async fn what_is_no_url_of_a_service_is_refused() {
    for url in [
        "",
        "a:1",
        "ftp://a",
        "http://",
        "http://a|",
        "http://a|b",
        "http:///x",
    ] {
        assert!(Endpoints::new(url, None).is_err(), "{url}");
    }
    for urls in ["http://a:1|http://b:1", "http://[::1]:5|https://b"] {
        Endpoints::new(urls, None).unwrap();
    }
}
