//! A server process in a folder of its own.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{port, watchdog::Watchdog};

/// Generous, since several test binaries may start servers on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(10);
/// How many ports to try when others are faster.
const PORTS: usize = 20;

/// How a product's server is run.
pub(crate) trait Product {
    const NAME: &'static str;
    /// The signal that ends it without delay.
    const SIGNAL: &'static str;
    /// What its log says once it takes connections.
    const READY: &'static str;

    /// The command that serves from `folder` on `port` in the foreground.
    fn command(&self, folder: &Path, port: u16) -> Command;
}

/// A server that ends, and whose folder goes, with this value or with the process.
pub(crate) struct Server<P: Product> {
    product: P,
    port: u16,
    log: PathBuf,
    folder: PathBuf,
    child: Option<Child>,
    watchdog: Watchdog,
}

impl<P: Product> Server<P> {
    /// Starts a server in `folder`, which it owns from here on.
    pub(crate) fn start(product: P, folder: tempfile::TempDir) -> Result<Self> {
        let watchdog = Watchdog::start(P::SIGNAL, folder.path())?;
        let folder = folder.keep();
        let mut server = Self {
            product,
            port: 0,
            log: folder.join("server.log"),
            folder,
            child: None,
            watchdog,
        };
        for _ in 0..PORTS {
            server.port = port::free();
            if server.launch()? {
                return Ok(server);
            }
        }
        bail!("{}: {PORTS} free ports were taken by others", P::NAME)
    }

    pub(crate) fn product(&self) -> &P {
        &self.product
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Starts the stopped server on its old port and folder. Does nothing when it runs.
    pub(crate) fn resume(&mut self) -> Result<()> {
        if self.child.is_some() || self.launch()? {
            return Ok(());
        }
        bail!("{}: port {} was taken meanwhile", P::NAME, self.port)
    }

    /// Stops the server and waits until it is gone. Does nothing when it does not run.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        send(P::SIGNAL, child.id())?;
        let end = Instant::now() + PATIENCE;
        while child.try_wait()?.is_none() {
            if Instant::now() > end {
                child.kill()?;
                child.wait()?;
            }
            thread::sleep(POLL);
        }
        self.watchdog.watch(None)
    }

    /// Runs the server and waits until it takes connections; false when the port is another's.
    fn launch(&mut self) -> Result<bool> {
        let log = File::create(&self.log)?;
        let mut child = self
            .product
            .command(&self.folder, self.port)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} does not run", P::NAME))?;
        self.watchdog.watch(Some(child.id()))?;

        let end = Instant::now() + PATIENCE;
        loop {
            // The order matters: what a process that has ended wrote is all in the log. The log is
            // asked, and not the port, which may answer in the name of another server.
            let ended = child.try_wait()?;
            let log = String::from_utf8_lossy(&fs::read(&self.log)?).into_owned();
            if let Some(status) = ended {
                self.watchdog.watch(None)?;
                if log.contains("ddress already in use") {
                    return Ok(false);
                }
                bail!("{} ended with {status}; its log:\n{log}", P::NAME);
            }
            if log.contains(P::READY) {
                self.child = Some(child);
                return Ok(true);
            }
            if Instant::now() > end {
                child.kill()?;
                child.wait()?;
                self.watchdog.watch(None)?;
                bail!(
                    "{} is not ready after {PATIENCE:?}; its log:\n{log}",
                    P::NAME
                );
            }
            thread::sleep(POLL);
        }
    }
}

impl<P: Product> Drop for Server<P> {
    fn drop(&mut self) {
        // Where this fails, the watchdog still has the server's id, and removes the folder anyway.
        let _ = self.stop();
    }
}

/// Sends a signal, by the shell's own `kill`, since the program of that name may be missing.
fn send(signal: &str, process: u32) -> Result<()> {
    let status = Command::new("sh")
        .args(["-c", r#"kill -s "$1" "$2""#, "kill", signal])
        .arg(process.to_string())
        .status()?;
    if !status.success() {
        bail!("process {process} takes no signal {signal}");
    }
    Ok(())
}
