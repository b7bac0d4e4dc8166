use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::*;
use crate::Clock;

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn probes_and_metrics_are_answered() {
    let telemetry = portico_telemetry::init("test", portico_telemetry::LogFormat::Json).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let readiness = Readiness::new(Clock::system());
    let check = readiness.check("database");
    let stop = CancellationToken::new();
    let server = serve(listener, telemetry.metrics(), readiness, stop.clone());
    let server = tokio::runtime::Handle::current().spawn(server);

    assert!(get(address, "/health").await.starts_with("HTTP/1.1 200"));
    let answer = get(address, "/ready").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(
        answer.contains("content-type: application/json"),
        "{answer}"
    );
    assert!(
        answer.contains(r#"{"ready":false,"checks":[{"name":"database","ready":false,"reason":"starting","since":""#),
        "{answer}"
    );
    check.up();
    assert!(get(address, "/ready").await.starts_with("HTTP/1.1 200"));

    metrics::counter!("ops_test_total").increment(3);
    assert!(get(address, "/metrics").await.contains("ops_test_total 3"));
    assert!(get(address, "/other").await.starts_with("HTTP/1.1 404"));

    stop.cancel();
    server.await.unwrap().unwrap();
}
