use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
};

use super::*;

fn config() -> Config {
    let pairs = [("OPS__LISTEN", "127.0.0.1:0"), ("LOG__FORMAT", "json")];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Config::from_pairs(Shape::User, pairs).unwrap()
}

async fn started() -> Process {
    Process::start(Shape::User, config(), Instant::now())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_stop_waits_for_tasks() {
    let process = started().await;
    let (stop, done) = (process.frame.stop.clone(), Arc::new(AtomicBool::new(false)));
    let (told, finished) = (stop.clone(), Arc::clone(&done));
    process.spawn("slow", async move {
        told.cancelled().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        finished.store(true, Ordering::SeqCst);
        anyhow::Ok(())
    });
    let readiness = process.frame.readiness.clone();
    assert!(!readiness.is_ready(), "not before everything is started");
    stop.cancel();
    let code = process.run(Signals::new().unwrap()).await;
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::SUCCESS));
    assert!(done.load(Ordering::SeqCst));
    assert!(!readiness.is_ready());
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_are_answered_until_the_last_task_has_ended() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut config = config();
    config.ops.listen = address;
    let process = Process::start(Shape::User, config, Instant::now())
        .await
        .unwrap();
    let (release, held) = oneshot::channel::<()>();
    process.spawn("slow", async {
        held.await.ok();
        anyhow::Ok(())
    });
    let stop = process.frame.stop.clone();
    let probing = async {
        stop.cancel();
        tokio::time::sleep(Duration::from_millis(200)).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = b"GET /ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        release.send(()).unwrap();
        answer
    };
    let (_, answer) = tokio::join!(process.run(Signals::new().unwrap()), probing);
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
}

#[tokio::test]
async fn a_task_that_fails_stops_the_process() {
    let process = started().await;
    process.spawn("broken", async { Err(anyhow::anyhow!("no")) });
    let code = process.run(Signals::new().unwrap()).await;
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::FAILURE));
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let mut config = config();
    config.ops.listen = address;
    let error = Process::start(Shape::User, config, Instant::now())
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), format!("cannot listen on {address}"));
}
