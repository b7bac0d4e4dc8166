//! Redis.

use std::{
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use anyhow::Result;

use crate::{
    find, require,
    server::{Product, Server},
};

const BINARY: &str = "redis-server";
/// Far more than a test process asks for; an empty one costs nothing.
const DATABASES: u32 = 1024;

/// The server that all tests of this process share, started on first use. None, and one line on
/// stderr, when the machine has no Redis.
pub fn redis() -> Option<&'static Redis> {
    static SHARED: OnceLock<Option<Redis>> = OnceLock::new();
    SHARED.get_or_init(own_redis).as_ref()
}

/// A server for the caller alone, which may stop it and start it again.
pub fn own_redis() -> Option<Redis> {
    let Some(folder) = find::on_path(&[BINARY]) else {
        require::absent("redis", "Redis");
        return None;
    };
    Some(Redis::launch(&folder).unwrap_or_else(|error| panic!("{error:?}")))
}

/// A running Redis server that keeps everything in memory.
pub struct Redis {
    server: Server<Program>,
    /// Counts the databases that were given out.
    databases: AtomicU32,
}

impl Redis {
    fn launch(binaries: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("portico-redis-")
            .tempdir()?;
        let program = Program(binaries.join(BINARY));
        Ok(Self {
            server: Server::start(program, folder)?,
            databases: AtomicU32::new(1),
        })
    }

    /// The URL of the server's first database.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.server.port())
    }

    /// The URL of a database with keys of its own. Channels are shared by all databases of a server.
    pub fn database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        assert!(number < DATABASES, "all {DATABASES} databases are in use");
        format!("{}/{number}", self.url())
    }

    /// Ends every connection and the server, and waits until it is gone. Its keys are lost.
    pub fn stop(&mut self) {
        self.server
            .stop()
            .unwrap_or_else(|error| panic!("{error:?}"));
    }

    /// Starts the server again, empty, on the port that it had.
    pub fn start(&mut self) {
        self.server
            .resume()
            .unwrap_or_else(|error| panic!("{error:?}"));
    }
}

struct Program(PathBuf);

impl Product for Program {
    const NAME: &'static str = "Redis";
    const SIGNAL: &'static str = "TERM";
    const READY: &'static str = "Ready to accept connections";

    fn command(&self, folder: &Path, port: u16) -> Command {
        let mut command = Command::new(&self.0);
        command
            .args(["--save", "", "--appendonly", "no"])
            .args(["--bind", "127.0.0.1"])
            .args(["--port", &port.to_string()])
            .args(["--databases", &DATABASES.to_string()])
            .arg("--dir")
            .arg(folder)
            .current_dir(folder)
            .process_group(0);
        command
    }
}
