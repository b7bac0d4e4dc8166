use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Handle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, service::Routes};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::*;
use crate::{Backend, Clock, Endpoints, Readiness, grpc};

const SOON: Duration = Duration::from_secs(10);

/// Who signs.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// Writes a certificate for this machine and its key, and names the files.
    fn issue(&self, folder: &Path, name: &str) -> Files {
        let file = |kind| folder.join(format!("{name}.{kind}"));
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let params = CertificateParams::new(names).unwrap();
        let cert = params.signed_by(&key, &self.0).unwrap();
        let write = |kind, text: String| {
            let path: PathBuf = file(kind);
            fs::write(&path, text).unwrap();
            path
        };
        Files {
            ca: Some(write("ca", self.0.pem())),
            cert: write("cert", cert.pem()),
            key: write("key", key.serialize_pem()),
        }
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// A process of ours that demands certificates.
async fn served(files: &Files) -> SocketAddr {
    let readiness = Readiness::new(Clock::system());
    let backend = grpc::assemble(
        Routes::default(),
        portico_proto::user::DESCRIPTOR_SET,
        readiness,
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tls = Server::grpc(files).unwrap();
    let serving = grpc::serve(listener, Some(tls), backend, CancellationToken::new());
    Handle::current().spawn(async { serving.await.unwrap() });
    address
}

fn calling(address: SocketAddr, tls: &Client) -> Backend {
    let url = format!("https://localhost:{}", address.port());
    Endpoints::new(&url, Some(tls)).unwrap().backend()
}

/// How a call over TLS ends, by a generated client.
async fn code(backend: Backend) -> Code {
    let mut client = HealthClient::new(backend);
    let check = client.check(HealthCheckRequest::default());
    match timeout(SOON, check).await.unwrap() {
        Ok(_) => Code::Ok,
        Err(status) => status.code(),
    }
}

#[tokio::test]
async fn a_caller_that_the_ca_has_signed_is_served() {
    let (folder, ca) = (folder(), Authority::new());
    let address = served(&ca.issue(folder.path(), "service")).await;
    let tls = Client::mutual(&ca.issue(folder.path(), "gateway"), false).unwrap();
    assert_eq!(code(calling(address, &tls)).await, Code::Ok);
}

#[tokio::test]
async fn a_caller_without_a_certificate_is_refused() {
    let (folder, ca) = (folder(), Authority::new());
    let files = ca.issue(folder.path(), "service");
    let address = served(&files).await;
    // It trusts the service, so that nothing else can be what is missing.
    let roots = Identity::parse(&[
        fs::read(&files.cert).unwrap(),
        fs::read(&files.key).unwrap(),
        fs::read(files.ca.as_ref().unwrap()).unwrap(),
    ]);
    let config = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&VERSIONS)
        .unwrap()
        .with_root_certificates(roots.unwrap().roots.unwrap())
        .with_no_client_auth();
    let tls = Client::of(config);
    assert_eq!(code(calling(address, &tls)).await, Code::Unavailable);
}

#[tokio::test]
async fn a_caller_of_somebody_elses_is_refused_and_so_is_such_a_service() {
    let (folder, ca, other) = (folder(), Authority::new(), Authority::new());
    let service = ca.issue(folder.path(), "service");
    let address = served(&service).await;
    let mut stranger = other.issue(folder.path(), "stranger");
    // Signed by another one, but trusting the service.
    stranger.ca.clone_from(&service.ca);
    let tls = Client::mutual(&stranger, false).unwrap();
    assert_eq!(code(calling(address, &tls)).await, Code::Unavailable);

    let mut wary = ca.issue(folder.path(), "wary");
    wary.ca = other.issue(folder.path(), "unused").ca;
    let tls = Client::mutual(&wary, false).unwrap();
    assert_eq!(code(calling(address, &tls)).await, Code::Unavailable);
}

#[tokio::test]
async fn a_plain_caller_gets_nowhere() {
    let (folder, ca) = (folder(), Authority::new());
    let address = served(&ca.issue(folder.path(), "service")).await;
    let plain = Backend::connect(&format!("http://{address}")).unwrap();
    assert_eq!(code(plain).await, Code::Unavailable);
}

/// The certificate that a new connection is shown.
async fn shown(address: SocketAddr, client: &Client) -> CertificateDer<'static> {
    let tcp = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let Ok(Stream::Tls(tls)) = client.connect(name, tcp).await else {
        panic!("no handshake");
    };
    tls.get_ref().1.peer_certificates().unwrap()[0]
        .clone()
        .into_owned()
}

#[tokio::test]
async fn a_certificate_that_was_replaced_is_shown_and_what_is_open_stays() {
    let (folder, ca) = (folder(), Authority::new());
    let files = ca.issue(folder.path(), "service");
    let address = served(&files).await;
    let tls = Client::mutual(&ca.issue(folder.path(), "gateway"), false).unwrap();
    let before = shown(address, &tls).await;
    let open = calling(address, &tls);
    assert_eq!(code(open.clone()).await, Code::Ok);

    // One whose key has not followed yet changes nothing.
    let fresh = ca.issue(folder.path(), "fresh");
    fs::copy(&fresh.cert, &files.cert).unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(shown(address, &tls).await, before);
    fs::copy(&fresh.key, &files.key).unwrap();
    let replaced = async {
        while shown(address, &tls).await == before {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, replaced).await.unwrap();
    assert_eq!(code(open).await, Code::Ok);
}

#[tokio::test]
async fn files_of_which_nothing_can_be_made_are_named() {
    let folder = folder();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let missing = Files {
        ca: None,
        cert: folder.path().join("nowhere.pem"),
        key: file("key", ""),
    };
    let error = format!("{:#}", Server::edge(&missing).unwrap_err());
    assert!(error.contains("nowhere.pem"), "{error}");
    let empty = Files {
        ca: None,
        cert: file("cert", "nothing"),
        key: file("key", ""),
    };
    let error = format!("{:#}", Server::edge(&empty).unwrap_err());
    assert!(error.contains("the certificate's file"), "{error}");
}
