//! The life of a process: its command line, its signals, and an orderly end.

mod cli;
mod healthcheck;
mod signal;

use std::{
    future::Future,
    net::SocketAddr,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::{CommandFactory, FromArgMatches};
use cli::{Cli, Command};
pub use healthcheck::healthcheck;
use portico_telemetry::Telemetry;
pub use signal::Signals;
use tokio::{net::TcpListener, runtime::Handle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{Backend, Clock, Config, Frame, Shape, grpc, ops::Ops, tls};

/// How long tasks may take to end after `stop`: what gRPC gives its calls, and a moment more.
const DRAIN: Duration = Duration::from_secs(12);

/// The check that is up between the start of a process and its stop.
const CHECK: &str = "process";

/// A process of one service: what [`run`] needs to know of it.
pub trait Program {
    /// Which process it is.
    const SHAPE: Shape;

    /// What the help tells of commands that the program has beside those of every process.
    const COMMANDS: &'static str = "";

    /// Starts everything, and returns once it is started: long work goes to [`Process::spawn`].
    fn serve(process: &Process) -> impl Future<Output = anyhow::Result<()>>;

    /// Brings the database up to date. Without one there is nothing to do, which is an error.
    fn migrate(_config: &Config) -> impl Future<Output = anyhow::Result<()>> {
        async { anyhow::bail!("{} has no database", Self::SHAPE.name()) }
    }
}

/// A process that is running.
#[derive(Debug)]
pub struct Process {
    /// The effective configuration.
    pub config: Config,
    /// What tasks share.
    pub frame: Frame,
    /// Logs, metrics and traces.
    pub telemetry: Telemetry,
    started: Instant,
    failed: Arc<AtomicBool>,
    /// The ops port's tasks, and what ends them when all others have ended: whoever watches a stop needs the port
    /// until then.
    ops: TaskTracker,
    over: CancellationToken,
}

/// `main` of a process: understands `serve` (also without a command), `migrate` and `healthcheck`, with
/// `--config FILE` and `--print-config`; stops on SIGTERM and SIGINT.
pub fn run<P: Program>() -> ExitCode {
    let started = Instant::now();
    let parsed = Cli::command()
        .name(P::SHAPE.name())
        .after_help(P::COMMANDS)
        .try_get_matches()
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too.
            let _ = error.print();
            return u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    let config = match Config::load(P::SHAPE, cli.config.as_deref(), cli.data_dir) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    if cli.print_config {
        print!("{}", config.print());
        return ExitCode::SUCCESS;
    }
    let command = cli.command.unwrap_or_default();
    if let Command::Healthcheck = command {
        return healthcheck(config.ops.listen);
    }

    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(async {
        let result = match command {
            Command::Migrate => migrate::<P>(&config).await.map(|()| ExitCode::SUCCESS),
            _ => serve::<P>(config, started).await,
        };
        result.unwrap_or_else(|error| {
            eprintln!("{}: {error:#}", P::SHAPE.name());
            ExitCode::FAILURE
        })
    });
    // Whatever still blocks a thread has had its time.
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

async fn migrate<P: Program>(config: &Config) -> anyhow::Result<()> {
    let telemetry = portico_telemetry::init(P::SHAPE.name(), config.log.format)?;
    let result = P::migrate(config).await;
    if result.is_ok() {
        tracing::info!("database is up to date");
    }
    telemetry.shutdown().await;
    result
}

async fn serve<P: Program>(config: Config, started: Instant) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new().context("cannot listen for signals")?;
    let process = Process::start(P::SHAPE, config, started).await?;
    tokio::select! {
        result = P::serve(&process) => if let Err(error) = result {
            process.frame.stop.cancel();
            process.end(&mut signals).await;
            return Err(error);
        },
        () = signals.next() => process.frame.stop.cancel(),
    }
    Ok(process.run(signals).await)
}

impl Process {
    /// Starts logs, metrics, traces and the ops port. `started` is when the process began, for the line
    /// that says how long it took to be ready. Must be called within a tokio runtime.
    pub async fn start(shape: Shape, config: Config, started: Instant) -> anyhow::Result<Self> {
        let telemetry = portico_telemetry::init(shape.name(), config.log.format)?;
        let process = Self {
            frame: Frame::new(Clock::system()),
            telemetry,
            started,
            failed: Arc::default(),
            ops: TaskTracker::new(),
            over: CancellationToken::new(),
            config,
        };
        // Without any check the process would count as ready before its parts have named theirs.
        process.frame.readiness.check(CHECK);
        let listener = bind(process.config.ops.listen).await?;
        portico_telemetry::watch_runtime("main", &Handle::current());
        let readiness = process.frame.readiness.clone();
        let ops = Ops::new(process.telemetry.clone(), readiness);
        let serving = ops.start(listener, process.over.clone())?;
        process.ops.spawn(process.guarded("ops", serving));
        Ok(process)
    }

    /// Runs what must not end before the process does. If it fails, the process stops with an error.
    pub fn spawn<E>(
        &self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) where
        E: Into<anyhow::Error>,
    {
        self.frame.tasks.spawn(self.guarded(name, task));
    }

    fn guarded<E>(
        &self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static
    where
        E: Into<anyhow::Error>,
    {
        let (stop, failed) = (self.frame.stop.clone(), Arc::clone(&self.failed));
        async move {
            if let Err(error) = task.await {
                let error = format!("{:#}", error.into());
                tracing::error!(task = name, error, "stopping");
                failed.store(true, Ordering::SeqCst);
                stop.cancel();
            }
        }
    }

    /// Serves a gRPC backend on that address for as long as the process runs, with mutual TLS where that
    /// is configured. Returns the address, which tells the port when 0 was asked for.
    pub async fn serve_grpc(
        &self,
        listen: SocketAddr,
        backend: Backend,
    ) -> anyhow::Result<SocketAddr> {
        let files = self.config.tls.files();
        let tls = files.map(|it| tls::Server::grpc(&it)).transpose()?;
        let listener = bind(listen).await?;
        let address = listener.local_addr()?;
        let secure = tls.is_some();
        self.spawn(
            "grpc",
            grpc::serve(listener, tls, backend, self.frame.stop.clone()),
        );
        tracing::info!(%address, secure, "serving gRPC");
        Ok(address)
    }

    /// To be called when everything is started: says when the process is ready, waits until it is told to stop, and lets its tasks end.
    pub async fn run(self, mut signals: Signals) -> ExitCode {
        let stop = self.frame.stop.clone();
        self.frame.readiness.check(CHECK).up();
        let ready = async {
            self.frame.readiness.wait().await;
            let milliseconds =
                u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(milliseconds, "ready after {milliseconds} ms");
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = signals.next() => stop.cancel(),
            () = ready => {}
        }
        self.end(&mut signals).await;
        let failed = self.failed.load(Ordering::SeqCst);
        self.telemetry.shutdown().await;
        if failed {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }

    /// Waits for all tasks, though not for ever; a second signal ends the wait.
    async fn end(&self, signals: &mut Signals) {
        tracing::info!("stopping");
        self.frame.readiness.check(CHECK).down("stopping");
        self.frame.tasks.close();
        // A gateway's tasks begin to end only then.
        let delay = Duration::from_secs(self.config.gateway.drain_delay_seconds);
        tokio::select! {
            () = self.frame.tasks.wait() => tracing::info!("stopped"),
            () = tokio::time::sleep(DRAIN + delay) => {
                tracing::warn!(tasks = self.frame.tasks.len(), "stopped with tasks still running");
            }
            () = signals.next() => tracing::warn!("stopped at once, at a second signal"),
        }
        self.over.cancel();
        self.ops.close();
        // It ends at once; if not, the process does.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.ops.wait()).await;
    }
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))
}

#[cfg(test)]
mod tests;
