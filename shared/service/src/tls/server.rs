//! The side that is called.

use std::{fmt, io, sync::Arc};

use arc_swap::ArcSwap;
use rustls::{ServerConfig, server::WebPkiClientVerifier};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::{Files, H2, HTTP1, Identity, Stream, VERSIONS, expiry, provider, reload};

/// Accepts TLS connections.
#[derive(Clone)]
pub struct Server(Arc<ArcSwap<ServerConfig>>);

impl Server {
    /// For HTTP/2 and HTTP/1.1, and anybody unless the files name a CA. Must be called within a tokio
    /// runtime, which follows the files.
    pub fn edge(files: &Files) -> anyhow::Result<Self> {
        Self::new(files, &[H2, HTTP1])
    }

    /// For gRPC. With a CA, a caller without a certificate that it signed is refused. Must be called
    /// within a tokio runtime, which follows the files.
    pub fn grpc(files: &Files) -> anyhow::Result<Self> {
        Self::new(files, &[H2])
    }

    fn new(files: &Files, protocols: &'static [&'static [u8]]) -> anyhow::Result<Self> {
        let build = move |contents: &[Vec<u8>]| config(Identity::parse(contents)?, protocols);
        Ok(Self(reload::follow(files.all(), build)?))
    }

    /// Shakes hands. For how long, the caller limits.
    pub async fn accept(&self, io: TcpStream) -> io::Result<Stream> {
        let accepted = TlsAcceptor::from(self.0.load_full()).accept(io).await?;
        Ok(Stream::Tls(Box::new(accepted.into())))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Server")
    }
}

fn config(identity: Identity, protocols: &[&[u8]]) -> anyhow::Result<ServerConfig> {
    let Identity { certs, key, roots } = identity;
    let end = expiry::first(&certs);
    let config =
        ServerConfig::builder_with_provider(provider()).with_protocol_versions(&VERSIONS)?;
    let config = match roots {
        Some(roots) => {
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build()?;
            config.with_client_cert_verifier(verifier)
        }
        None => config.with_no_client_auth(),
    };
    let mut config = config.with_single_cert(certs, key)?;
    expiry::show("server", end);
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}
