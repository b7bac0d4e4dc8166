//! OTLP over HTTP.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio::{runtime::Handle, time::timeout};

use crate::init::{Error, variable};

/// The longest answer that is read, in bytes. A collector's is a few.
const ANSWER: usize = 64 * 1024;

/// How long an export may take when `OTEL_EXPORTER_OTLP_TIMEOUT` does not say, in milliseconds.
const TIMEOUT: u64 = 10_000;

/// A client whose requests run on the runtime that it was made in: the thread that exports has none.
pub(super) struct Client {
    inner: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    runtime: Handle,
    timeout: Duration,
}

impl Client {
    /// A client for one endpoint. Only one that is secure needs the machine's certificate roots.
    pub(super) fn new(endpoint: &str) -> Result<Self, Error> {
        let secure = endpoint.starts_with("https:");
        let builder = HttpsConnectorBuilder::new();
        let builder = if secure {
            let provider = ring::default_provider();
            builder
                .with_provider_and_native_roots(provider)
                .map_err(Error::Roots)?
        } else {
            let config = ClientConfig::builder_with_provider(ring::default_provider().into())
                .with_safe_default_protocol_versions()
                .map_err(|error| Error::Roots(std::io::Error::other(error)))?;
            let config = config.with_root_certificates(RootCertStore::empty());
            builder.with_tls_config(config.with_no_client_auth())
        };
        let connector = builder.https_or_http().enable_http1().build();
        let milliseconds = variable("OTEL_EXPORTER_OTLP_TIMEOUT").and_then(|it| it.parse().ok());
        Ok(Self {
            inner: legacy::Client::builder(TokioExecutor::new()).build(connector),
            runtime: Handle::try_current().map_err(|_| Error::NoRuntime)?,
            timeout: Duration::from_millis(milliseconds.unwrap_or(TIMEOUT)),
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.inner.clone();
        let exchange = async move {
            let answer = client.request(request.map(Full::new)).await?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER).collect().await?.to_bytes();
            Ok(Response::from_parts(head, body))
        };
        let longest = self.timeout;
        // Timed over there, since the thread that waits here has no clock of the runtime's.
        let limited = async move { timeout(longest, exchange).await };
        self.runtime.spawn(limited).await??
    }
}
