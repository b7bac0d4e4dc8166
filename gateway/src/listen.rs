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
use metrics::counter;
use portico_service::{
    config::GatewayConfig,
    tls::{self, Stream},
};
use portico_telemetry::http::Connection;
use socket2::SockRef;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    admission::{Gate, Peer, Proxies},
    edge::Edge,
    server,
};

/// How a client may take its time when a connection is closed.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How every HTTP/2 connection with prior knowledge begins (RFC 9113, section 3.4).
const PREFACE: [u8; 12] = *b"PRI * HTTP/2";

/// How long the rest of a preface that came in pieces is waited for before the next look.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// What connections may hold, and for how long.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Connections that one worker holds at once.
    connections: usize,
    /// Connections of one client.
    gate: Gate,
    /// The proxies, who may have more.
    proxies: Proxies,
    /// How long a client may take to say its first bytes, and then to send the head of a request.
    head: Duration,
    /// How long a connection may be idle.
    keep_alive: Duration,
    /// How long a client may take nothing of what is sent to it.
    write: Duration,
    /// How long a worker that stops is waited for.
    patience: Duration,
}

impl Bounds {
    /// Those of the configuration.
    pub fn new(config: &GatewayConfig, proxies: Proxies, patience: Duration) -> Self {
        Self {
            connections: config.connections,
            gate: Gate::new(config.connections_per_address),
            proxies,
            head: Duration::from_secs(config.head_timeout_seconds),
            keep_alive: Duration::from_secs(config.keep_alive_seconds),
            write: Duration::from_secs(config.write_timeout_seconds),
            patience,
        }
    }
}

/// Starts a server, with TLS or plain. `edge` makes a worker's own part, inside the worker; connections end after `stop`.
pub fn server(
    listener: TcpListener,
    tls: Option<tls::Server>,
    workers: usize,
    bounds: Bounds,
    stop: CancellationToken,
    edge: impl Fn() -> Edge + Clone + Send + 'static,
) -> io::Result<Server> {
    let server = Server::build()
        .workers(workers)
        .max_concurrent_connections(bounds.connections)
        .shutdown_timeout(bounds.patience.as_secs())
        .disable_signals()
        .listen("gateway", listener, move || {
            let (stopping, bounds) = (stop.clone(), bounds.clone());
            let Bounds { gate, proxies, .. } = bounds.clone();
            let app = App::new().configure(server::configure(edge()));
            let http = HttpService::build()
                .keep_alive(bounds.keep_alive)
                .client_request_timeout(bounds.head)
                .client_disconnect_timeout(DISCONNECT_TIMEOUT)
                // Who closes has gone: else a stream to nobody would go on until its next message.
                .h1_allow_half_closed(false)
                .graceful_shutdown_signal(move || stopping.clone().cancelled_owned())
                .on_connect_ext(move |io: &Stream, extensions| {
                    extensions.insert(Connection::open());
                    if let Ok(address) = io.tcp().peer_addr() {
                        extensions.insert(Peer::new(address, &proxies, &gate));
                    }
                })
                .finish(map_config(
                    actix_service::IntoServiceFactory::into_factory(app)
                        .map_err(|error: Error| error.error_response()),
                    |()| AppConfig::default(),
                ));
            let (tls, stopping) = (tls.clone(), stop.clone());
            fn_service(move |io| begin(io, tls.clone(), bounds.clone(), stopping.clone()))
                .and_then(http)
        })?;
    Ok(server.run())
}

/// Shakes hands, or looks at a connection's first bytes and leaves them where they are. A client that has all
/// the connections that it may have gets no more.
async fn begin(
    io: TcpStream,
    tls: Option<tls::Server>,
    bounds: Bounds,
    stop: CancellationToken,
) -> Result<(Stream, Protocol, Option<std::net::SocketAddr>), DispatchError> {
    let peer = io.peer_addr().ok();
    // Until the connection itself holds a seat.
    let mut seat = None;
    if let Some(address) = peer.map(|peer| peer.ip()) {
        let exempt = bounds.proxies.trust(address);
        if !exempt && !bounds.gate.has_room(address) {
            counter!("gateway_refusals_total", "rule" => "connections").increment(1);
            return Err(DispatchError::Io(io::ErrorKind::ConnectionRefused.into()));
        }
        seat = Some(bounds.gate.enter(address, exempt));
    }
    io.set_nodelay(true)?;
    // A reader that stops reading would else hold its answer for ever: this ends the connection, also while
    // it says that it has no room.
    #[cfg(target_os = "linux")]
    SockRef::from(&io).set_tcp_user_timeout(Some(bounds.write))?;
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
    let begun = stop.run_until_cancelled(timeout(bounds.head, beginning));
    let Some(Ok(begun)) = begun.await else {
        return Err(DispatchError::SlowRequestTimeout);
    };
    let (io, protocol) = begun?;
    drop(seat);
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
