//! A gateway in this process, on a port of its own.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use portico_cache::{Denylist, Quotas};
use portico_caller::{Keys, Verifier};
use portico_gateway::{Server, Upstream};
use portico_service::{Backend, Clock, Config, Frame, Shape};
use prost::Message;
use prost_types::FileDescriptorSet;
use reqwest::{Client, Method, RequestBuilder};
use tokio::net::TcpListener;
use tonic::{service::Routes, transport::server::TcpIncoming};
use tonic_reflection::server::Builder;

use super::{Accounts, Issuer};

/// A running gateway with the user and auth services of the tests behind it.
pub struct Edge {
    pub addr: SocketAddr,
    pub accounts: Accounts,
    pub issuer: Arc<Issuer>,
    pub denylist: Denylist,
    pub frame: Frame,
    server: Option<Server>,
    client: Client,
}

/// How to start one.
#[derive(Default)]
pub struct Start {
    /// Strangers: name and address.
    pub upstreams: Vec<(&'static str, String)>,
    /// Configuration beside the tests' own.
    pub settings: Vec<(&'static str, &'static str)>,
    /// Whether the reflection of the user service loses options.
    pub forgetful: bool,
    /// The Redis that limits are shared in.
    pub redis: Option<String>,
}

impl Edge {
    pub async fn start() -> Self {
        Self::start_with(Start::default()).await
    }

    pub async fn start_with(start: Start) -> Self {
        let settings = [
            ("GATEWAY__LISTEN", "127.0.0.1:0"),
            ("GATEWAY__WORKERS", "1"),
            ("GATEWAY__REFLECT_INTERVAL_SECONDS", "1"),
        ];
        let pairs = settings.into_iter().chain(start.settings);
        let pairs = pairs.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let config = Config::from_pairs(Shape::Gateway, pairs).unwrap();

        let frame = Frame::new(Clock::system());
        let accounts = Accounts::default();
        let issuer = Arc::new(Issuer::new());
        let cache = portico_cache::connect(None).await.unwrap();
        let denylist = Denylist::start(cache, &frame.tasks, frame.stop.clone());
        let verifier = Verifier::new(
            Issuer::NAME,
            Issuer::AUDIENCE,
            Keys::new(issuer.clone()),
            denylist.clone(),
            frame.clock.clone(),
        );
        let (user, auth) = (
            portico_proto::user::DESCRIPTOR_SET,
            portico_proto::auth::DESCRIPTOR_SET,
        );
        let ours = [
            upstream(
                "user",
                serve(accounts.user(), reflect(user, start.forgetful), &frame).await,
                Some(user),
            ),
            upstream(
                "auth",
                serve(accounts.auth(), reflect(auth, false), &frame).await,
                Some(auth),
            ),
        ];
        let strangers = start.upstreams.into_iter();
        let strangers = strangers.map(|(name, url)| upstream(name, url, None));
        let upstreams = ours.into_iter().chain(strangers).collect();
        let shared = match start.redis {
            Some(url) => Some(portico_cache::connect(Some(&url)).await.unwrap()),
            None => None,
        };
        let quotas = Quotas::new(shared);
        let server = portico_gateway::bind(
            &config,
            upstreams,
            verifier,
            denylist.clone(),
            quotas,
            &frame,
        );
        let server = server.unwrap();
        let client = Client::builder()
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap();
        Self {
            addr: server.addr,
            accounts,
            issuer,
            denylist,
            frame,
            server: Some(server),
            client,
        }
    }

    /// A request without a token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("http://{}{path}", self.addr))
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    /// A request with a token that may read and write accounts.
    pub fn admin(&self, method: Method, path: &str) -> RequestBuilder {
        let token = self.issuer.token("users:read users:write");
        self.request(method, path).bearer_auth(token)
    }

    /// Stops gracefully and waits for the end.
    pub async fn stop(mut self) {
        self.frame.stop.cancel();
        let server = self.server.take().expect("it stops once");
        server.run().await.unwrap();
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.frame.stop.cancel();
    }
}

fn upstream(name: &str, url: String, descriptors: Option<&'static [u8]>) -> Upstream {
    Upstream {
        name: name.to_owned(),
        backend: Arc::new(move || Backend::connect(&url).unwrap()),
        descriptors,
    }
}

/// Reflection of a descriptor set, whole or without what prost does not know.
fn reflect(set: &'static [u8], forgetful: bool) -> Builder<'static> {
    if forgetful {
        let set = FileDescriptorSet::decode(set).unwrap();
        return Builder::configure().register_file_descriptor_set(set);
    }
    Builder::configure().register_encoded_file_descriptor_set(set)
}

/// One service on a port of its own, described by reflection as the real ones are.
async fn serve(routes: Routes, reflection: Builder<'static>, frame: &Frame) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let stop = frame.stop.clone().cancelled_owned();
    let serving = tonic::transport::Server::builder()
        .add_routes(routes.add_service(reflection.build_v1().unwrap()))
        .serve_with_incoming_shutdown(TcpIncoming::from(listener), stop);
    frame.tasks.spawn(async move { serving.await.unwrap() });
    url
}
