use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Handle,
    task::JoinHandle,
};

use super::*;
use crate::Clock;

async fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn get(address: SocketAddr, path: &str) -> String {
    ask(address, "GET", path, "").await
}

struct Port {
    address: SocketAddr,
    readiness: Readiness,
    stop: CancellationToken,
    serving: JoinHandle<io::Result<()>>,
}

impl Port {
    async fn open() -> Self {
        let format = portico_telemetry::LogFormat::Json;
        let telemetry = portico_telemetry::init("test", format).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let readiness = Readiness::new(Clock::system());
        let stop = CancellationToken::new();
        let ops = Ops::new(telemetry, readiness.clone());
        // As in a process, which is not ready before its parts are.
        readiness.check("database");
        let serving = ops.start(listener, stop.clone()).unwrap();
        Self {
            address,
            readiness,
            stop,
            serving: Handle::current().spawn(serving),
        }
    }

    async fn close(self) {
        self.stop.cancel();
        self.serving.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn probes_and_metrics_are_answered() {
    let port = Port::open().await;
    let address = port.address;
    let check = port.readiness.check("database");

    assert!(get(address, "/health").await.starts_with("HTTP/1.1 200"));
    assert!(get(address, "/startup").await.starts_with("HTTP/1.1 503"));
    let answer = get(address, "/ready").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(
        answer.contains("content-type: application/json"),
        "{answer}"
    );
    assert!(
        answer.contains(r#"{"ready":false,"checks":[{"name":"database","ready":false,"required":true,"reason":"starting","since":""#),
        "{answer}"
    );
    check.up();
    assert!(get(address, "/ready").await.starts_with("HTTP/1.1 200"));
    while !get(address, "/startup").await.starts_with("HTTP/1.1 200") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    check.down("away");
    assert!(get(address, "/ready").await.starts_with("HTTP/1.1 503"));
    assert!(get(address, "/startup").await.starts_with("HTTP/1.1 200"));
    assert!(get(address, "/health").await.starts_with("HTTP/1.1 200"));

    metrics::counter!("ops_test_total").increment(3);
    let metrics = get(address, "/metrics").await;
    assert!(metrics.contains("ops_test_total 3"), "{metrics}");
    assert!(
        metrics.contains(r#"readiness_check_up{check="database"}"#),
        "{metrics}"
    );
    assert!(get(address, "/other").await.starts_with("HTTP/1.1 404"));
    port.close().await;
}

#[tokio::test]
async fn probes_are_answered_while_every_other_thread_is_busy() {
    let port = Port::open().await;
    // This runtime has one thread, which is not given back until the answers are here.
    let address = port.address;
    let probe = || {
        use std::{
            io::{Read, Write},
            net,
        };
        let mut stream = net::TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
            .write_all(b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let answer = probe();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    port.close().await;
}

#[tokio::test]
async fn the_log_level_is_changed_for_a_while() {
    let port = Port::open().await;
    let address = port.address;
    let before = get(address, "/log-level").await;
    assert!(before.contains(r#""secondsLeft":null"#), "{before}");

    let changed = ask(address, "PUT", "/log-level?minutes=2", "warn,h2=trace").await;
    assert!(changed.starts_with("HTTP/1.1 200"), "{changed}");
    assert!(
        changed.contains(r#""directives":"warn,h2=trace""#),
        "{changed}"
    );
    let left = changed.rsplit(':').next().unwrap().trim_end_matches('}');
    assert!(
        (100..=120).contains(&left.parse::<u64>().unwrap()),
        "{changed}"
    );

    for (path, body) in [
        ("/log-level", ""),
        ("/log-level", "a=b=c"),
        ("/log-level", &*"a".repeat(2000)),
        ("/log-level?minutes=0", "info"),
        ("/log-level?minutes=61", "info"),
        ("/log-level?hours=1", "info"),
    ] {
        let refused = ask(address, "PUT", path, body).await;
        assert!(refused.starts_with("HTTP/1.1 400"), "{path}: {refused}");
    }
    let long = ask(address, "PUT", "/log-level", &"a".repeat(BODY_AND_MORE)).await;
    assert!(long.starts_with("HTTP/1.1 413"), "{long}");

    let restored = ask(address, "DELETE", "/log-level", "").await;
    assert!(restored.contains(r#""secondsLeft":null"#), "{restored}");
    port.close().await;
}

const BODY_AND_MORE: usize = log_level::BODY + 1;
