//! One HTTP/2 connection (RFC 9113), made when it is first needed and again when it has gone.
//!
//! Calls write into it from their own tasks. Left to tonic and hyper, each call would pass through two
//! queues and two more tasks, which cost more than everything that an edge does for it.

use std::{
    error::Error,
    fmt,
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture, future::Shared};
use h2::{
    Ping, PingPong,
    client::{Connection, SendRequest},
};
use http::{Uri, uri::Authority};
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::{
    net::TcpStream,
    runtime::Handle,
    time::{sleep, timeout},
};
use tower::{Service, ServiceExt};

use super::{CONNECT, KEEP_ALIVE, KEEP_ALIVE_ANSWER, TCP_KEEP_ALIVE};

/// How much of one answer, and of all together, may be on its way unread, in bytes.
const STREAM_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = 5 << 20;

/// The connection to one address. It lives as long as this does.
pub(super) struct Http2 {
    uri: Uri,
    authority: Authority,
    current: Mutex<Option<Shared<Connecting>>>,
}

type Connecting = BoxFuture<'static, Result<SendRequest<Bytes>, Away>>;

/// Why there is no connection.
#[derive(Clone, Debug)]
pub(super) struct Away(Arc<dyn Error + Send + Sync>);

impl Http2 {
    /// A connection that is not made yet. The URI has a host.
    pub(super) fn lazy(uri: Uri) -> Option<Self> {
        let authority = uri.authority()?.clone();
        Some(Self {
            uri,
            authority,
            current: Mutex::default(),
        })
    }

    /// The `:authority` of requests.
    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Where a request can be written now. All who ask while a connection is being made wait for the
    /// same one.
    pub(super) async fn ready(&self) -> Result<SendRequest<Bytes>, Away> {
        let connecting = {
            let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
            match current.as_ref().map(Shared::peek) {
                Some(Some(Ok(sender))) => {
                    let mut sender = sender.clone();
                    // Says at once whether the peer has closed the connection, or is about to.
                    let open = poll_fn(|cx| sender.poll_ready(cx)).now_or_never();
                    if matches!(open, Some(Ok(()))) {
                        return Ok(sender);
                    }
                    current.insert(self.connect())
                }
                Some(None) => current.get_or_insert_with(|| self.connect()),
                Some(Some(Err(_))) | None => current.insert(self.connect()),
            }
            .clone()
        };
        connecting.await
    }

    /// Connects in a task of its own, so that no caller who gives up takes the connection with it.
    fn connect(&self) -> Shared<Connecting> {
        let connecting = Handle::current().spawn(connect(self.uri.clone()));
        let connecting = async move {
            match connecting.await {
                Ok(outcome) => outcome,
                Err(error) => Err(Away::new(error)),
            }
        };
        connecting.boxed().shared()
    }
}

impl Away {
    fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(error.into().into())
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

async fn connect(uri: Uri) -> Result<SendRequest<Bytes>, Away> {
    let connecting = timeout(CONNECT, async {
        let mut connector = HttpConnector::new();
        // Shared out among the addresses that the name has.
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        connector.set_keepalive(Some(TCP_KEEP_ALIVE));
        let stream = connector.ready().await.map_err(Away::new)?.call(uri).await;
        let stream = stream.map_err(Away::new)?.into_inner();
        let mut settings = h2::client::Builder::new();
        settings
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        settings.handshake(stream).await.map_err(Away::new)
    });
    let (sender, connection) = connecting.await.map_err(Away::new)??;
    Handle::current().spawn(drive(connection));
    Ok(sender)
}

/// Reads and writes until the connection ends, which it also does when nobody can use it any more.
async fn drive(mut connection: Connection<TcpStream, Bytes>) {
    let Some(pings) = connection.ping_pong() else {
        return;
    };
    tokio::select! {
        biased;
        ended = connection => if let Err(error) = ended {
            tracing::debug!(error = &error as &dyn Error, "connection lost");
        },
        // Whatever waits for an answer learns of it when the connection is dropped.
        () = silence(pings, KEEP_ALIVE, KEEP_ALIVE_ANSWER) => {
            tracing::debug!("connection lost: the peer answers no ping");
        }
    }
}

/// Ends when the peer leaves a ping unanswered for that long.
async fn silence(mut pings: PingPong, every: Duration, patience: Duration) {
    loop {
        sleep(every).await;
        // A connection that is closing takes no pings, and ends by itself.
        let answer = timeout(patience, pings.ping(Ping::opaque()));
        if answer.await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex},
        time::Instant,
    };

    use super::*;

    #[tokio::test]
    async fn a_peer_that_answers_no_ping_is_given_up() {
        const EVERY: Duration = Duration::from_millis(50);
        let (ours, mut theirs) = duplex(4096);
        let (_sender, mut connection) = h2::client::handshake(ours).await.unwrap();
        let pings = connection.ping_pong().unwrap();
        let driven = Handle::current().spawn(connection);
        let reader = Handle::current().spawn(async move {
            // Settings, and not a word more.
            theirs
                .write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])
                .await
                .unwrap();
            let mut read = Vec::new();
            let _ = theirs.read_to_end(&mut read).await;
        });
        let began = Instant::now();
        let given_up = timeout(Duration::from_secs(5), silence(pings, EVERY, EVERY));
        given_up.await.unwrap();
        assert!(began.elapsed() >= 2 * EVERY);
        driven.abort();
        reader.abort();
    }

    #[tokio::test]
    async fn a_peer_that_answers_is_kept() {
        const EVERY: Duration = Duration::from_millis(20);
        let (ours, theirs) = duplex(4096);
        let answering = Handle::current().spawn(async move {
            let mut peer = h2::server::handshake(theirs).await.unwrap();
            while peer.accept().await.is_some() {}
        });
        let (_sender, mut connection) = h2::client::handshake(ours).await.unwrap();
        let pings = connection.ping_pong().unwrap();
        let driven = Handle::current().spawn(connection);
        let given_up = timeout(20 * EVERY, silence(pings, EVERY, Duration::from_secs(5)));
        assert!(given_up.await.is_err());
        driven.abort();
        answering.abort();
    }
}
