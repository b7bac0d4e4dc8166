//! Reaching one address.

use std::{
    error::Error,
    fmt, io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use http::{
    Uri,
    uri::{Authority, Scheme},
};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::pki_types::ServerName;
use tokio::time::timeout;
use tower::{Service, ServiceExt};

use super::{CONNECT, TCP_KEEP_ALIVE, chance};
use crate::tls::{Client, Stream};

/// How long an address that could not be reached is left alone, at first and at most.
const REST: Duration = Duration::from_millis(50);
const LONGEST_REST: Duration = Duration::from_secs(1);

/// Where to connect, and as what the one there goes.
#[derive(Clone)]
pub(super) struct Dial {
    pub address: SocketAddr,
    pub authority: Authority,
    pub tls: Option<(Client, ServerName<'static>)>,
}

impl Dial {
    pub fn scheme(&self) -> Scheme {
        match self.tls {
            Some(_) => Scheme::HTTPS,
            None => Scheme::HTTP,
        }
    }

    /// Connects, within [`CONNECT`].
    pub async fn connect(&self) -> Result<Stream, Away> {
        let connecting = async {
            let mut connector = HttpConnector::new();
            connector.set_nodelay(true);
            connector.set_keepalive(Some(TCP_KEEP_ALIVE));
            let uri: Uri = format!("http://{}", self.address)
                .parse()
                .map_err(Away::new)?;
            let tcp = connector.ready().await.map_err(Away::new)?.call(uri).await;
            let tcp = tcp.map_err(Away::new)?.into_inner();
            match &self.tls {
                None => Ok(Stream::Plain(tcp)),
                Some((tls, name)) => {
                    let shaken = tls.connect(name.clone(), tcp).await;
                    shaken.map_err(Away::new)
                }
            }
        };
        timeout(CONNECT, connecting).await.map_err(Away::new)?
    }
}

/// Why there is no connection.
#[derive(Clone, Debug)]
pub(super) struct Away(Arc<dyn Error + Send + Sync>);

impl Away {
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(error.into().into())
    }

    pub fn because(reason: &'static str) -> Self {
        Self::new(io::Error::other(reason))
    }
}

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no connection")
    }
}

impl Error for Away {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// When an address that could not be reached is tried again for its own sake.
#[derive(Default)]
pub(super) struct Rest(Mutex<(u32, Option<Instant>)>);

impl Rest {
    /// Takes note of an attempt.
    pub fn note(&self, reached: bool) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = if reached {
            (0, None)
        } else {
            let whole = REST.saturating_mul(1 << state.0.min(8)).min(LONGEST_REST);
            (
                state.0 + 1,
                Some(Instant::now() + whole.mul_f32(0.5 + chance() / 2.0)),
            )
        };
    }

    pub fn is_over(&self) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.1.is_none_or(|until| until <= Instant::now())
    }
}
