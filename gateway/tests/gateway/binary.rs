//! The real binary.

use std::{
    fs::File,
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use reqwest::Client;

use crate::support::{Orders, eventually, problem};

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Free at this moment, which is as good as it gets for another process.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_binary_serves_stops_and_says_how_it_fares() {
    let (public, ops, nobody) = (free_port(), free_port(), free_port());
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let child = Command::new(env!("CARGO_BIN_EXE_portico-gateway"))
        .arg("serve")
        .current_dir(folder.path())
        .env("GATEWAY__LISTEN", format!("127.0.0.1:{public}"))
        .env("OPS__LISTEN", format!("127.0.0.1:{ops}"))
        .env("USER__URL", format!("http://127.0.0.1:{nobody}"))
        .env("AUTH__URL", format!("http://127.0.0.1:{nobody}"))
        .stdout(Stdio::null())
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut running = Running(child);
    let client = Client::builder()
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap();
    let get = |port: u16, path: &str| client.get(format!("http://127.0.0.1:{port}{path}")).send();
    eventually("the gateway is ready", || async {
        get(public, "/ready")
            .await
            .is_ok_and(|response| response.status() == 200)
    })
    .await;

    assert_eq!(get(public, "/health").await.unwrap().status(), 200);
    assert_eq!(get(ops, "/ready").await.unwrap().status(), 200);
    let response = get(public, "/.well-known/jwks.json").await.unwrap();
    assert_eq!(response.headers()["retry-after"], "1");
    problem(response, 503, "UNAVAILABLE").await;
    problem(
        get(public, "/api/v1/users").await.unwrap(),
        401,
        "TOKEN_MISSING",
    )
    .await;
    problem(get(public, "/secret/path").await.unwrap(), 404, "NOT_FOUND").await;

    let metrics = get(ops, "/metrics").await.unwrap().text().await.unwrap();
    for sample in [
        r#"http_requests_total{method="GET",route="/.well-known/jwks.json",status_code="503"} 1"#,
        r#"http_requests_total{method="GET",route="unmatched",status_code="404"} 1"#,
        r#"gateway_upstream_reachable{upstream="user"} 0"#,
        r#"outcome="failed""#,
        "active_connections",
    ] {
        assert!(metrics.contains(sample), "{sample} is not in\n{metrics}");
    }
    assert!(!metrics.contains("secret/path"), "a path became a label");

    let id = running.0.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    let asked = Instant::now();
    let status = loop {
        match running.0.try_wait().unwrap() {
            Some(status) => break status,
            None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
        let log = || std::fs::read_to_string(&log).unwrap();
        assert!(
            asked.elapsed() < Duration::from_secs(5),
            "it does not stop\n{}",
            log()
        );
    };
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_route_is_logged_and_counted() {
    let orders = Orders::start().await;
    let (public, ops, nobody) = (free_port(), free_port(), free_port());
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let child = Command::new(env!("CARGO_BIN_EXE_portico-gateway"))
        .current_dir(folder.path())
        .env("GATEWAY__LISTEN", format!("127.0.0.1:{public}"))
        .env("OPS__LISTEN", format!("127.0.0.1:{ops}"))
        .env("USER__URL", format!("http://127.0.0.1:{nobody}"))
        .env("AUTH__URL", format!("http://127.0.0.1:{nobody}"))
        .env("UPSTREAMS", format!("orders={}", orders.url()))
        .stdout(Stdio::null())
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let _running = Running(child);
    let metrics = || async {
        let url = format!("http://127.0.0.1:{ops}/metrics");
        let Ok(response) = reqwest::get(url).await else {
            return String::new();
        };
        response.text().await.unwrap_or_default()
    };
    eventually("the conflicts are counted", || async {
        let metrics = metrics().await;
        metrics.contains("gateway_route_conflicts_total 2")
            && metrics.contains(r#"gateway_routes_refused{upstream="orders"} 2"#)
    })
    .await;
    let url = format!("http://127.0.0.1:{public}/api/v1/orders/o-1");
    assert_eq!(reqwest::get(url).await.unwrap().status(), 200);
    let log = std::fs::read_to_string(log).unwrap();
    assert_eq!(log.matches("a route was refused").count(), 2, "{log}");
}

#[test]
fn the_effective_configuration_can_be_seen() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_portico-gateway"))
        .arg("--print-config")
        .current_dir(folder.path())
        .env("UPSTREAMS", "orders=http://orders:50051")
        .output()
        .unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("http://orders:50051"), "{text}");
}
