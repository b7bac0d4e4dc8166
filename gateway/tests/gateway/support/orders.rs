//! A stranger's service on a real port, described by nothing but its own reflection.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use protox::Compiler;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Response, Status,
    body::Body,
    codegen::{Service, http},
    server::{Grpc, NamedService, UnaryService},
    transport::{Server, server::TcpIncoming},
};
use tonic_prost::ProstCodec;

/// The message of `orders.proto`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Order {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(int64, tag = "2")]
    pub cents: i64,
    #[prost(string, tag = "3")]
    pub said: String,
}

/// A running service. Dropping it ends it.
pub struct Orders {
    pub addr: SocketAddr,
    stop: CancellationToken,
    running: Option<JoinHandle<()>>,
}

/// Which versions of reflection it offers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reflection {
    V1,
    V1Alpha,
}

impl Orders {
    /// Starts on a free port with the routes of the file.
    pub async fn start() -> Self {
        Self::deploy("127.0.0.1:0", "", Reflection::V1).await
    }

    /// Starts with more RPCs in its file than `orders.proto` has.
    pub async fn deploy(listen: &str, more: &str, reflection: Reflection) -> Self {
        Self::serve(listen, &descriptors(more), reflection).await
    }

    /// Starts with descriptors that name a type which does not exist.
    pub async fn deploy_broken(listen: &str) -> Self {
        let mut set = descriptors("");
        let (name, wrong) = (b".orders.v1.Order", b".orders.v1.Ordre");
        let found = (0..set.len() - name.len()).filter(|&at| set[at..].starts_with(name));
        for at in found.collect::<Vec<_>>() {
            set[at..at + wrong.len()].copy_from_slice(wrong);
        }
        Self::serve(listen, &set, Reflection::V1).await
    }

    async fn serve(listen: &str, set: &[u8], reflection: Reflection) -> Self {
        Self::run(Shop, listen, set, reflection).await
    }

    /// Runs another service in place of the orders.
    pub async fn serve_with<S>(service: S, listen: &str, set: &[u8]) -> Self
    where
        S: Serve,
    {
        Self::run(service, listen, set, Reflection::V1).await
    }

    async fn run<S: Serve>(service: S, listen: &str, set: &[u8], reflection: Reflection) -> Self {
        let builder = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(set);
        let mut server = Server::builder();
        let router = match reflection {
            Reflection::V1 => server.add_service(builder.build_v1().unwrap()),
            Reflection::V1Alpha => server.add_service(builder.build_v1alpha().unwrap()),
        };
        let listener = TcpListener::bind(listen).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let serving = router
            .add_service(service)
            .serve_with_incoming_shutdown(TcpIncoming::from(listener), stopped);
        #[expect(clippy::disallowed_methods, reason = "the test waits for it by itself")]
        let running = tokio::spawn(async move { serving.await.unwrap() });
        Self {
            addr,
            stop,
            running: Some(running),
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Stops, so that the port is free again.
    pub async fn stop(mut self) {
        self.stop.cancel();
        self.running.take().expect("it runs once").await.unwrap();
    }
}

impl Drop for Orders {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A gRPC service by its paths.
pub trait Serve:
    Service<
        http::Request<Body>,
        Response = http::Response<Body>,
        Error = Infallible,
        Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>,
    > + NamedService
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Serve for S where
    S: Service<
            http::Request<Body>,
            Response = http::Response<Body>,
            Error = Infallible,
            Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>,
        > + NamedService
        + Clone
        + Send
        + Sync
        + 'static
{
}

fn descriptors(more: &str) -> Vec<u8> {
    protos("orders/v1/orders.proto", more)
}

/// The descriptor set of a file below `tests/proto`, with further RPCs where it says so.
pub fn protos(file: &str, more: &str) -> Vec<u8> {
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/proto");
    let contract = concat!(env!("CARGO_MANIFEST_DIR"), "/../proto");
    let third_party = concat!(env!("CARGO_MANIFEST_DIR"), "/../proto/third_party");
    let folder = tempfile::tempdir().unwrap();
    let source = std::fs::read_to_string(format!("{here}/{file}")).unwrap();
    assert!(more.is_empty() || source.contains("// MORE"));
    let written = folder.path().join(file);
    std::fs::create_dir_all(written.parent().unwrap()).unwrap();
    std::fs::write(&written, source.replace("// MORE", more)).unwrap();
    let mut compiler = Compiler::new([
        folder.path().as_os_str(),
        contract.as_ref(),
        third_party.as_ref(),
    ])
    .unwrap();
    compiler.include_imports(true);
    compiler.open_file(file).unwrap();
    compiler.encode_file_descriptor_set()
}

#[derive(Clone)]
struct Shop;

impl NamedService for Shop {
    const NAME: &'static str = "orders.v1.Orders";
}

impl Service<http::Request<Body>> for Shop {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let method = request
            .uri()
            .path()
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned();
        async move {
            let mut grpc = Grpc::new(ProstCodec::<Order, Order>::default());
            Ok(grpc.unary(Answer(method), request).await)
        }
        .boxed()
    }
}

struct Answer(String);

impl UnaryService<Order> for Answer {
    type Response = Order;
    type Future = BoxFuture<'static, Result<Response<Order>, Status>>;

    fn call(&mut self, request: Request<Order>) -> Self::Future {
        let method = self.0.clone();
        async move {
            let order = request.into_inner();
            match order.name.as_str() {
                "slow" => tokio::time::sleep(Duration::from_secs(30)).await,
                "second" => tokio::time::sleep(Duration::from_secs(1)).await,
                _ => {}
            }
            let mut response = Response::new(Order {
                said: method,
                ..order
            });
            let claimed = "s-1".parse().unwrap();
            response
                .metadata_mut()
                .insert("portico-ended-session", claimed);
            Ok(response)
        }
        .boxed()
    }
}
