//! The side that calls.

use std::{fmt, fs, io, path::Path, sync::Arc};

use anyhow::Context;
use arc_swap::ArcSwap;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Files, H2, Identity, Stream, VERSIONS, authorities, expiry, provider, reload};

/// Opens TLS connections that speak HTTP/2.
#[derive(Clone)]
pub struct Client(Arc<ArcSwap<ClientConfig>>);

impl Client {
    /// Trusts whom the machine trusts, and shows no certificate.
    pub fn machine() -> anyhow::Result<Self> {
        Ok(Self::of(trusting(None)?))
    }

    /// What that configuration says, over HTTP/2.
    pub(super) fn of(mut config: ClientConfig) -> Self {
        config.alpn_protocols = vec![H2.to_vec()];
        Self(Arc::new(ArcSwap::from_pointee(config)))
    }

    /// Shows the certificate, and trusts whom the files' CA has signed; beyond that, with `machine`, whom
    /// the machine trusts. Must be called within a tokio runtime, which follows the files.
    pub fn mutual(files: &Files, machine: bool) -> anyhow::Result<Self> {
        let build = move |contents: &[Vec<u8>]| config(Identity::parse(contents)?, machine);
        Ok(Self(reload::follow(files.all(), build)?))
    }

    /// Shakes hands with the one who goes by that name. For how long, the caller limits.
    pub(crate) async fn connect(
        &self,
        name: ServerName<'static>,
        io: TcpStream,
    ) -> io::Result<Stream> {
        let connector = TlsConnector::from(self.0.load_full());
        let stream = connector.connect(name, io).await?;
        if stream.get_ref().1.alpn_protocol() != Some(H2) {
            return Err(io::Error::other("the peer speaks no HTTP/2"));
        }
        Ok(Stream::Tls(Box::new(stream.into())))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

fn config(identity: Identity, machine: bool) -> anyhow::Result<ClientConfig> {
    let Identity { certs, key, roots } = identity;
    let end = expiry::first(&certs);
    let mut roots = roots.context("a CA is needed")?;
    if machine {
        roots.extend(machine_roots().roots);
    }
    let config =
        ClientConfig::builder_with_provider(provider()).with_protocol_versions(&VERSIONS)?;
    let mut config = config
        .with_root_certificates(roots)
        .with_client_auth_cert(certs, key)?;
    expiry::show("client", end);
    config.alpn_protocols = vec![H2.to_vec()];
    Ok(config)
}

/// For a client of whatever protocol, that shows no certificate: trusts whom the machine trusts, and whom the
/// CA in that PEM file has signed.
pub fn trusting(ca: Option<&Path>) -> anyhow::Result<ClientConfig> {
    let mut roots = machine_roots();
    if let Some(path) = ca {
        let pem = fs::read(path).with_context(|| path.display().to_string())?;
        let more = authorities(&pem).with_context(|| path.display().to_string())?;
        roots.extend(more.roots);
    }
    let config =
        ClientConfig::builder_with_provider(provider()).with_protocol_versions(&VERSIONS)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn machine_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        tracing::warn!(%error, "a certificate of the machine cannot be read");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    roots
}
