//! PostgreSQL.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use anyhow::{Context, Result, bail};

use tempfile::TempDir;

use crate::{
    find, require,
    server::{Product, Server},
};

const BINARIES: [&str; 3] = ["initdb", "postgres", "createdb"];
const DEBIAN: &str = "/usr/lib/postgresql";
/// The superuser's name within the server; no password is asked on loopback.
const SUPERUSER: &str = "postgres";

/// The server that all tests of this process share, started on first use. None, and one line on
/// stderr, when the machine has no PostgreSQL.
pub fn postgres() -> Option<&'static Postgres> {
    static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
    SHARED.get_or_init(own_postgres).as_ref()
}

/// A server for the caller alone, which may stop it and start it again.
pub fn own_postgres() -> Option<Postgres> {
    let Some(binaries) =
        find::on_path(&BINARIES).or_else(|| find::newest(Path::new(DEBIAN), &BINARIES))
    else {
        require::absent("postgres", "PostgreSQL");
        return None;
    };
    Some(Postgres::launch(binaries).unwrap_or_else(|error| panic!("{error:?}")))
}

/// A running PostgreSQL server. It commits as a real one does, save that nothing waits for the disk.
pub struct Postgres {
    server: Server<Programs>,
    /// Counts the databases, to name them.
    databases: AtomicU32,
}

impl Postgres {
    fn launch(binaries: PathBuf) -> Result<Self> {
        let folder = folder()?;
        let programs = Programs {
            binaries,
            account: account(folder.path())?,
        };
        programs.initialize(folder.path())?;
        Self::serve(programs, folder)
    }

    /// A hot standby of this server, which follows it for as long as both run. It answers the URLs of the same
    /// databases, [`url`](Self::url), to readers alone.
    #[must_use]
    pub fn replica(&self) -> Self {
        self.follow().unwrap_or_else(|error| panic!("{error:?}"))
    }

    fn follow(&self) -> Result<Self> {
        let folder = folder()?;
        let of = self.server.product();
        let programs = Programs {
            binaries: of.binaries.clone(),
            account: of.account,
        };
        programs.copy(folder.path(), self.server.port())?;
        Self::serve(programs, folder)
    }

    fn serve(programs: Programs, folder: TempDir) -> Result<Self> {
        Ok(Self {
            server: Server::start(programs, folder)?,
            databases: AtomicU32::new(0),
        })
    }

    /// Creates an empty database and answers its URL.
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let output = Command::new(self.server.product().binaries.join("createdb"))
            .args(["--host=127.0.0.1", "--no-password"])
            .arg(format!("--port={}", self.server.port()))
            .arg(format!("--username={SUPERUSER}"))
            .arg(&name)
            .output()
            .expect("createdb was found before");
        assert!(
            output.status.success(),
            "createdb {name}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        self.url(&name)
    }

    /// The URL of the database of that name, whether it exists or not.
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgres://{SUPERUSER}@127.0.0.1:{}/{database}",
            self.server.port()
        )
    }

    /// Ends every connection and the server, and waits until it is gone. Its data stays.
    pub fn stop(&mut self) {
        self.server
            .stop()
            .unwrap_or_else(|error| panic!("{error:?}"));
    }

    /// Starts the server again, with the data and on the port that it had.
    pub fn start(&mut self) {
        self.server
            .resume()
            .unwrap_or_else(|error| panic!("{error:?}"));
    }
}

fn folder() -> Result<TempDir> {
    let mut folder = tempfile::Builder::new();
    Ok(folder.prefix("portico-postgres-").tempdir()?)
}

/// The programs of one installation, and who runs them.
struct Programs {
    binaries: PathBuf,
    account: Option<Account>,
}

#[derive(Clone, Copy)]
struct Account {
    user: u32,
    group: u32,
}

impl Programs {
    fn program(&self, name: &str, folder: &Path) -> Command {
        let mut command = Command::new(self.binaries.join(name));
        // The test's own folder may be closed to the account, and the log is searched in English.
        command
            .current_dir(folder)
            .env("LC_ALL", "C")
            .process_group(0);
        if let Some(Account { user, group }) = self.account {
            command.uid(user).gid(group);
        }
        command
    }

    /// Copies a running server, and has the copy follow it.
    fn copy(&self, folder: &Path, port: u16) -> Result<()> {
        self.hand_over(folder)?;
        let output = self
            .program("pg_basebackup", folder)
            .args(["--host=127.0.0.1", "--no-password", "--no-sync"])
            .args(["--checkpoint=fast", "--wal-method=stream"])
            .arg("--write-recovery-conf")
            .arg(format!("--port={port}"))
            .arg(format!("--username={SUPERUSER}"))
            .arg("--pgdata")
            .arg(folder.join("data"))
            .output()
            .context("pg_basebackup does not run")?;
        if !output.status.success() {
            bail!("pg_basebackup: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    fn hand_over(&self, folder: &Path) -> Result<()> {
        if let Some(Account { user, group }) = self.account {
            chown(folder, Some(user), Some(group))?;
        }
        Ok(())
    }

    fn initialize(&self, folder: &Path) -> Result<()> {
        self.hand_over(folder)?;
        let output = self
            .program("initdb", folder)
            .args(["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .arg(format!("--username={SUPERUSER}"))
            .arg("--pgdata")
            .arg(folder.join("data"))
            .output()
            .context("initdb does not run")?;
        if !output.status.success() {
            bail!("initdb: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }
}

impl Product for Programs {
    const NAME: &'static str = "PostgreSQL";
    const SIGNAL: &'static str = "INT";
    // A standby goes on with "read-only".
    const READY: &'static str = "database system is ready to accept ";

    fn command(&self, folder: &Path, port: u16) -> Command {
        let mut command = self.program("postgres", folder);
        command.arg("-D").arg(folder.join("data"));
        command.arg("-p").arg(port.to_string());
        command.arg("-k").arg(folder);
        for setting in [
            "listen_addresses=127.0.0.1",
            "max_connections=200",
            "fsync=off",
            "full_page_writes=off",
        ] {
            command.arg("-c").arg(setting);
        }
        command
    }
}

/// Whom to run the server as: it refuses root. The folder, just made, tells who we are.
fn account(folder: &Path) -> Result<Option<Account>> {
    if fs::metadata(folder)?.uid() != 0 {
        return Ok(None);
    }
    let accounts = fs::read_to_string("/etc/passwd")?;
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| find_account(&accounts, name))
        .map(Some)
        .context("PostgreSQL refuses root, and there is no account `postgres` or `nobody`")
}

fn find_account(accounts: &str, name: &str) -> Option<Account> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let user = fields.nth(1)?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        Some(Account { user, group })
    })
}
