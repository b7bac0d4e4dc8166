//! Connections: HTTP/1.1 or HTTP/2 on one port, told apart by their first bytes or, with TLS, in the handshake.
//!
//! actix has the same (`listen_auto_h2c`), but waits for those bytes for ever: a client that connects and
//! says nothing would hold its place, and hold up a graceful stop.

use std::{io, net::TcpListener, time::Duration};

use actix_http::{HttpService, Protocol, error::DispatchError};
use actix_service::{ServiceFactoryExt, map_config};
use actix_web::{
    App, Error,
    dev::{AppConfig, Server, fn_service},
    rt::net::TcpStream,
};
use portico_service::tls::{self, Stream};
use portico_telemetry::http::Connection;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{edge::Edge, headers::Peer, server};

/// The most connections that one worker holds at once.
const CONNECTIONS: usize = 10_000;

/// How long a client may take to say its first bytes, and then to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection may be idle. Longer than the minute that load balancers in front keep theirs,
/// so that they close first.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How a client may take its time when a connection is closed.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How every HTTP/2 connection with prior knowledge begins (RFC 9113, section 3.4).
const PREFACE: [u8; 12] = *b"PRI * HTTP/2";

/// How long the rest of a preface that came in pieces is waited for before the next look.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Starts a server, with TLS or plain. `edge` makes a worker's own part, inside the worker; connections end after `stop`.
pub fn server(
    listener: TcpListener,
    tls: Option<tls::Server>,
    workers: usize,
    patience: Duration,
    stop: CancellationToken,
    edge: impl Fn() -> Edge + Clone + Send + 'static,
) -> io::Result<Server> {
    let server = Server::build()
        .workers(workers)
        .max_concurrent_connections(CONNECTIONS)
        .shutdown_timeout(patience.as_secs())
        .disable_signals()
        .listen("gateway", listener, move || {
            let stopping = stop.clone();
            let app = App::new().configure(server::configure(edge()));
            let http = HttpService::build()
                .keep_alive(KEEP_ALIVE)
                .client_request_timeout(HEAD_TIMEOUT)
                .client_disconnect_timeout(DISCONNECT_TIMEOUT)
                // Who closes has gone: else a stream to nobody would go on until its next message.
                .h1_allow_half_closed(false)
                .graceful_shutdown_signal(move || stopping.clone().cancelled_owned())
                .on_connect_ext(|io: &Stream, extensions| {
                    extensions.insert(Connection::open());
                    if let Ok(address) = io.tcp().peer_addr() {
                        extensions.insert(Peer::new(address));
                    }
                })
                .finish(map_config(
                    actix_service::IntoServiceFactory::into_factory(app)
                        .map_err(|error: Error| error.error_response()),
                    |()| AppConfig::default(),
                ));
            let (tls, stopping) = (tls.clone(), stop.clone());
            fn_service(move |io| begin(io, tls.clone(), stopping.clone())).and_then(http)
        })?;
    Ok(server.run())
}

/// Shakes hands, or looks at a connection's first bytes and leaves them where they are.
async fn begin(
    io: TcpStream,
    tls: Option<tls::Server>,
    stop: CancellationToken,
) -> Result<(Stream, Protocol, Option<std::net::SocketAddr>), DispatchError> {
    io.set_nodelay(true)?;
    let peer = io.peer_addr().ok();
    let beginning = async {
        let Some(tls) = tls else {
            let protocol = protocol(&io).await?;
            return io::Result::Ok((Stream::Plain(io), protocol));
        };
        let stream = tls.accept(io).await?;
        let protocol = if stream.is_http2() {
            Protocol::Http2
        } else {
            Protocol::Http1
        };
        Ok((stream, protocol))
    };
    let begun = stop.run_until_cancelled(timeout(HEAD_TIMEOUT, beginning));
    let Some(Ok(begun)) = begun.await else {
        return Err(DispatchError::SlowRequestTimeout);
    };
    let (io, protocol) = begun?;
    Ok((io, protocol, peer))
}

/// Which protocol a client speaks, as soon as its first bytes leave no doubt.
async fn protocol(io: &TcpStream) -> io::Result<Protocol> {
    let mut first = [0; PREFACE.len()];
    loop {
        let seen = io.peek(&mut first).await?;
        let seen = &first[..seen];
        if seen == PREFACE {
            return Ok(Protocol::Http2);
        }
        // Nothing at all: it has closed, and HTTP/1 knows how to end that.
        if seen.is_empty() || !PREFACE.starts_with(seen) {
            return Ok(Protocol::Http1);
        }
        // What is there already makes the next look return at once, whatever came since.
        sleep(LOOK_AGAIN).await;
    }
}
