//! HTTP/1.1 to the gateway, plain or over TLS, with bodies that come and go piece by piece.

use std::{io, path::Path, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Empty, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use portico_service::tls;
use thiserror::Error;
use tokio::{fs::File, io::AsyncReadExt, time::timeout};

const CONNECT: Duration = Duration::from_secs(10);
/// How long the gateway may say nothing. It holds an import back while the services are busy.
const SILENCE: Duration = Duration::from_mins(2);
/// The longest answer that is held as a whole, in bytes.
const LONGEST: usize = 1 << 20;
/// How much of a file is read at a time.
const PIECE: usize = 64 * 1024;

/// What goes up.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Connections to one gateway.
pub struct Client(legacy::Client<HttpsConnector<HttpConnector>, Body>);

/// An answer on its way.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    body: Incoming,
}

/// The connection failed, or was cut.
#[derive(Debug, Error)]
pub enum Failure {
    #[error(transparent)]
    Request(#[from] legacy::Error),
    #[error("the answer was cut off")]
    Cut(#[from] hyper::Error),
    #[error("nothing was said for {} s", SILENCE.as_secs())]
    Silence(#[from] tokio::time::error::Elapsed),
    #[error("the answer is longer than {LONGEST} bytes")]
    TooLong,
}

impl Client {
    /// Trusts whom the machine trusts, and whom the CA in that file has signed.
    pub fn new(ca: Option<&Path>) -> anyhow::Result<Self> {
        let tls = tls::trusting(ca)?;
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = legacy::Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self(client))
    }

    /// The head of an answer; while it comes, the request's body goes on.
    pub async fn send(&self, request: Request<Body>) -> Result<Answer, Failure> {
        let (head, body) = timeout(SILENCE, self.0.request(request))
            .await??
            .into_parts();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
        })
    }
}

impl Answer {
    /// The next piece of the body; none at its end.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, Failure> {
        while let Some(frame) = timeout(SILENCE, self.body.frame()).await? {
            // Trailers say nothing here.
            if let Ok(data) = frame?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// The body as a whole.
    pub async fn whole(mut self) -> Result<Vec<u8>, Failure> {
        let mut whole = Vec::new();
        while let Some(piece) = self.piece().await? {
            if whole.len() + piece.len() > LONGEST {
                return Err(Failure::TooLong);
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }
}

/// No body.
pub fn nothing() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// The rest of a file.
pub fn rest_of(file: File) -> Body {
    let pieces = stream::try_unfold(file, async |mut file| {
        let mut piece = BytesMut::with_capacity(PIECE);
        let more = file.read_buf(&mut piece).await? > 0;
        Ok(more.then(|| (Frame::data(piece.freeze()), file)))
    });
    StreamBody::new(pieces).boxed_unsync()
}
