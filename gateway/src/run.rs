//! Starting and stopping: actix runs in a system of its own, beside whatever runtime calls.

use std::{io, net::SocketAddr, sync::Arc, thread, time::Duration};

use actix_web::rt::System;
use anyhow::Context;
use portico_cache::{Denylist, Quotas};
use portico_caller::Verifier;
use portico_service::{Backend, Config, Endpoints, Frame, tls};
use thiserror::Error;
use tokio::{net::TcpSocket, runtime::Handle, sync::oneshot, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    contract::{self, Contracts, Descriptors, Mount, Source},
    edge::{Edge, Shared},
    listen::{self, Bounds},
    openapi::Reference,
    overload::Gate,
    retry::Absence,
    stream::Places,
};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// How long after a request's deadline its worker is waited for when the process stops.
const GRACE: Duration = Duration::from_secs(1);

/// A service whose RPCs become REST routes.
#[derive(Clone)]
pub struct Upstream {
    /// Its name in logs and metrics.
    pub name: String,
    /// Makes a connection. Called once per worker inside its runtime, once for reflection, and once for
    /// each stream.
    pub backend: Arc<dyn Fn() -> Backend + Send + Sync>,
    /// Its descriptors as they were when the gateway was built. Given for the services of Portico only:
    /// it also makes their word on ended sessions count.
    pub descriptors: Option<&'static [u8]>,
}

impl Upstream {
    /// One that is reached by its URL, or several with `|` between. What is known of its endpoints all
    /// workers share; connections each has of its own. Must be called within a tokio runtime, which
    /// looks names up.
    pub fn remote(
        name: &str,
        urls: &str,
        tls: Option<&tls::Client>,
        descriptors: Option<&'static [u8]>,
    ) -> anyhow::Result<Self> {
        let endpoints = Endpoints::new(urls, tls)
            .with_context(|| format!("the upstream {name} has a bad address"))?;
        Ok(Self {
            name: name.to_owned(),
            backend: Arc::new(move || endpoints.backend()),
            descriptors,
        })
    }

    /// The services of other teams that the configuration names (`UPSTREAMS`).
    pub fn strangers(config: &Config) -> anyhow::Result<Vec<Self>> {
        let tls = config.tls.client_for_strangers()?;
        let strangers = config.gateway.upstreams.iter();
        strangers
            .map(|(name, urls)| Self::remote(name, urls, tls.as_ref(), None))
            .collect()
    }
}

/// Why the gateway does not start, or stopped.
#[derive(Debug, Error)]
pub enum Error {
    /// The address cannot be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, #[source] io::Error),
    /// An embedded descriptor set does not compile.
    #[error("the embedded descriptors of {0} are invalid: {1}")]
    Descriptors(String, String),
    /// The edge's certificate or key is no good.
    #[error("cannot speak TLS: {0:#}")]
    Tls(anyhow::Error),
    /// The server failed.
    #[error("the http server failed: {0}")]
    Serve(#[from] io::Error),
    /// The server's thread ended without a word.
    #[error("the http server's thread panicked")]
    Panicked,
}

/// A gateway that accepts connections.
#[derive(Debug)]
pub struct Server {
    /// Where it listens; with port 0 in the configuration, on a free port.
    pub addr: SocketAddr,
    done: oneshot::Receiver<io::Result<()>>,
}

impl Server {
    /// Waits until the gateway has stopped: after the frame's `stop` it accepts nothing more, finishes
    /// what runs within the request timeout, and closes.
    pub async fn run(self) -> Result<(), Error> {
        self.done
            .await
            .map_err(|_closed| Error::Panicked)?
            .map_err(Error::Serve)
    }
}

/// Starts the gateway. Must be called inside a tokio runtime, which follows the upstreams' contracts;
/// requests are served on threads of their own.
pub fn bind(
    config: &Config,
    upstreams: Vec<Upstream>,
    verifier: Verifier,
    denylist: Denylist,
    quotas: Quotas,
    frame: &Frame,
) -> Result<Server, Error> {
    // Down until connections are accepted.
    frame.readiness.check("gateway");
    let contracts = Arc::new(Contracts::new(upstreams.len()));
    mount_embedded(&contracts, &upstreams)?;
    let every = Duration::from_secs(config.gateway.reflect_interval_seconds.max(1));
    for (index, upstream) in upstreams.iter().enumerate() {
        let source = Source {
            index,
            name: upstream.name.clone(),
            ours: upstream.descriptors.is_some(),
            backend: (upstream.backend)(),
        };
        Arc::clone(&contracts).follow(source, every, frame);
    }

    let listen = config.gateway.listen;
    let tls = config.gateway.tls().map(|files| tls::Server::edge(&files));
    let tls = tls.transpose().map_err(Error::Tls)?;
    let secure = tls.is_some();
    let listener = listener(listen).map_err(|error| Error::Listen(listen, error))?;
    let addr = listener.local_addr()?;
    let reference = Reference::new(&contracts, frame);
    let shared = Shared::new(
        config, contracts, reference, verifier, denylist, quotas, frame,
    );
    let bounds = Bounds::new(
        &config.gateway,
        shared.proxies.clone(),
        shared.request_timeout + GRACE,
    );
    let workers = match config.gateway.workers {
        0 => thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    };
    let (finished, done) = oneshot::channel();
    let frame = frame.clone();
    thread::Builder::new()
        .name("gateway".to_owned())
        .spawn(move || {
            let serving = serve(listener, tls, workers, bounds, shared, upstreams, frame);
            let result = System::new().block_on(serving);
            // Nobody may be waiting for the end.
            let _ = finished.send(result);
        })?;
    info!(%addr, workers, secure, "listening");
    Ok(Server { addr, done })
}

fn mount_embedded(contracts: &Contracts, upstreams: &[Upstream]) -> Result<(), Error> {
    for (
        index,
        Upstream {
            name, descriptors, ..
        },
    ) in upstreams.iter().enumerate()
    {
        let Some(set) = descriptors else { continue };
        let invalid =
            |error: &dyn std::error::Error| Error::Descriptors(name.clone(), error.to_string());
        let descriptors = Descriptors::embedded(set).map_err(|error| invalid(&error))?;
        let mount = Mount::compile(index, name, true, descriptors);
        contracts.mount(
            name,
            mount.map_err(|error: contract::Error| invalid(&error))?,
        );
    }
    Ok(())
}

fn listener(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

async fn serve(
    listener: std::net::TcpListener,
    tls: Option<tls::Server>,
    workers: usize,
    bounds: Bounds,
    shared: Shared,
    upstreams: Vec<Upstream>,
    frame: Frame,
) -> io::Result<()> {
    let (drain, delay) = (shared.drain.clone(), shared.drain_delay);
    let edge = move || {
        portico_telemetry::watch_runtime("gateway", &Handle::current());
        Edge {
            backends: upstreams.iter().map(|it| (it.backend)()).collect(),
            absences: upstreams.iter().map(|_| Absence::default()).collect(),
            gates: upstreams
                .iter()
                .map(|it| Gate::new(&it.name, shared.concurrency))
                .collect(),
            upstreams: upstreams.clone(),
            places: Places::default(),
            shared: shared.clone(),
        }
    };
    let closing = CancellationToken::new();
    let server = listen::server(listener, tls, workers, bounds, closing.clone(), edge)?;
    let handle = server.handle();
    let check = frame.readiness.check("gateway");
    check.up();
    let stopped = async {
        frame.stop.cancelled().await;
        check.down("stopping");
        // Whoever sends requests here learns of it from `/ready` first.
        sleep(delay).await;
        closing.cancel();
        let all_closed = handle.stop(true);
        drain.quiet().await;
        drop(all_closed);
    };
    // Connections on which nothing happens are not waited for: a dropped server closes them.
    tokio::select! {
        result = server => result,
        () = stopped => Ok(()),
    }
}
