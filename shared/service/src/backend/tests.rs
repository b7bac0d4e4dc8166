use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use tokio::{io::AsyncReadExt, net::TcpListener, time::timeout};
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::*;

const SOON: Duration = Duration::from_secs(5);

async fn code(backend: Backend) -> Code {
    let call = async {
        let mut client = HealthClient::new(backend);
        client.check(HealthCheckRequest::default()).await
    };
    timeout(SOON, call).await.unwrap().unwrap_err().code()
}

fn backend(address: SocketAddr) -> Backend {
    Backend::connect(&format!("http://{address}")).unwrap()
}

/// Accepts connections, reads for a moment, and closes them.
async fn closing(after: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    Handle::current().spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = [0; 1024];
            let _ = timeout(after, async {
                while stream.read(&mut bytes).await.unwrap() > 0 {}
            })
            .await;
        }
    });
    address
}

#[tokio::test]
async fn a_service_that_is_not_there_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let backend = backend(address);
    assert_eq!(code(backend.clone()).await, Code::Unavailable);
    assert_eq!(code(backend).await, Code::Unavailable);
}

#[tokio::test]
async fn a_connection_that_dies_is_unavailable() {
    for after in [Duration::ZERO, Duration::from_millis(50)] {
        let backend = backend(closing(after).await);
        for _ in 0..3 {
            assert_eq!(code(backend.clone()).await, Code::Unavailable);
        }
    }
}

#[tokio::test]
async fn a_wrong_url_is_refused() {
    assert!(Backend::connect("http://no host").is_err());
}

/// Answers where it ran, after being told whether it was dropped.
fn service(dropped: Arc<AtomicBool>, patience: Duration) -> Backend {
    struct Guard(Arc<AtomicBool>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    Backend::new(tower::service_fn(move |_: Request| {
        let guard = Guard(Arc::clone(&dropped));
        async move {
            tokio::time::sleep(patience).await;
            drop(guard);
            let mut response = Response::new(Body::empty());
            let name = thread::current().name().unwrap_or_default().to_owned();
            response
                .headers_mut()
                .insert("ran-on", name.parse().unwrap());
            Ok::<_, BoxError>(response)
        }
    }))
}

#[tokio::test]
async fn a_call_runs_on_the_given_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("elsewhere")
        .enable_time()
        .build()
        .unwrap();
    let backend = service(Arc::default(), Duration::ZERO).on(runtime.handle().clone());
    let response = backend.oneshot(Request::new(Body::empty())).await.unwrap();
    assert_eq!(response.headers()["ran-on"], "elsewhere");
    runtime.shutdown_background();
}

#[tokio::test]
async fn a_dropped_call_is_cancelled_over_there() {
    let dropped = Arc::new(AtomicBool::new(false));
    let backend = service(Arc::clone(&dropped), Duration::from_mins(1)).on(Handle::current());
    let call = backend.oneshot(Request::new(Body::empty()));
    assert!(timeout(Duration::from_millis(50), call).await.is_err());
    timeout(SOON, async {
        while !dropped.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_panic_is_an_internal_error() {
    let backend = Backend::new(tower::service_fn(|_: Request| async {
        assert!(std::hint::black_box(false), "on purpose");
        Ok::<_, BoxError>(Response::new(Body::empty()))
    }));
    assert_eq!(code(backend.on(Handle::current())).await, Code::Internal);
}
