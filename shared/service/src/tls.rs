//! TLS 1.2 and 1.3 (RFC 5246, RFC 8446), with certificates from PEM files that may change while they are
//! in use: connections that are open stay open, new ones get what the files hold now.

mod client;
mod expiry;
mod reload;
mod server;
mod stream;

#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context, bail};
use rustls::{
    RootCertStore, SupportedProtocolVersion,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    version::{TLS12, TLS13},
};

pub use client::{Client, trusting};
pub use server::Server;
pub use stream::Stream;

/// Nothing older is spoken, in either direction.
const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];

/// How a side names HTTP/2 and HTTP/1.1 in the handshake (RFC 7301).
const H2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// The PEM files of one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Who signs the other side's certificates. Without it, the other side needs none, or one that the
    /// machine trusts.
    pub ca: Option<PathBuf>,
    /// This side's certificate, and those between it and the one who signed it.
    pub cert: PathBuf,
    /// Its private key (PKCS#8, PKCS#1 or SEC1).
    pub key: PathBuf,
}

impl Files {
    fn all(&self) -> Vec<PathBuf> {
        let own = [self.cert.clone(), self.key.clone()];
        own.into_iter().chain(self.ca.clone()).collect()
    }
}

/// What the files hold.
struct Identity {
    certs: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    roots: Option<RootCertStore>,
}

impl Identity {
    /// From the contents of [`Files::all`].
    fn parse(contents: &[Vec<u8>]) -> anyhow::Result<Self> {
        let [cert, key, ca @ ..] = contents else {
            bail!("a certificate and a key are needed");
        };
        let roots = ca.first().map(|ca| authorities(ca));
        Ok(Self {
            certs: certificates(cert).context("the certificate's file")?,
            key: PrivateKeyDer::from_pem_slice(key).context("the key's file")?,
            roots: roots.transpose()?,
        })
    }
}

fn authorities(pem: &[u8]) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for cert in certificates(pem).context("the CA's file")? {
        roots.add(cert).context("the CA's file")?;
    }
    Ok(roots)
}

fn certificates(pem: &[u8]) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let certs: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certs = certs.context("no PEM")?;
    if certs.is_empty() {
        bail!("no certificate in it");
    }
    Ok(certs)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
