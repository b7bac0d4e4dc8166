//! The binaries as processes of their own.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::time::sleep;

use crate::{
    client::Client,
    world::{ADMIN, QUICK},
};

/// One running binary. Dropping it kills it.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts one of the workspace's binaries, with nothing in its environment but `settings`.
    pub fn start(
        name: &str,
        arguments: &[&str],
        settings: &[(String, String)],
        log: &Path,
    ) -> Self {
        let output = File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("a log file");
        let child = command(name, arguments, settings)
            .stdout(
                output
                    .try_clone()
                    .expect("the log file has a second handle"),
            )
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self {
            child,
            log: log.to_owned(),
        }
    }

    /// Ends the process as a crash does.
    pub fn kill(mut self) {
        self.child.kill().expect("the process is ours to kill");
        self.child.wait().expect("a killed process ends");
    }

    /// Waits until it ends by itself, which must be a failure, and answers what it has written.
    pub async fn failure(mut self) -> String {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let ended = self.child.try_wait().expect("the process can be asked");
            if let Some(status) = ended {
                assert!(!status.success(), "{}", self.output());
                return self.output();
            }
            assert!(Instant::now() < deadline, "still runs:\n{}", self.output());
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until its `/ready` says so.
    pub async fn ready(&mut self, url: &str) {
        let client = Client::new(url);
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if matches!(client.get("/ready").try_send().await, Ok(answer) if answer.status == 200) {
                return;
            }
            let ended = self.child.try_wait().expect("the process can be asked");
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "not ready at {url} ({ended:?}):\n{}",
                self.output()
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Everything that it has written.
    pub fn output(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A process that has ended already is just what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs one of the binaries to its end, whatever that is.
pub fn output(name: &str, arguments: &[&str], settings: &[(String, String)]) -> Output {
    let mut command = command(name, arguments, settings);
    command.output().expect("the binary starts")
}

/// Runs one of the binaries to its end, which must be a good one.
pub fn run(name: &str, arguments: &[&str], settings: &[(String, String)]) {
    let output = output(name, arguments, settings);
    assert!(
        output.status.success(),
        "{name} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn command(name: &str, arguments: &[&str], settings: &[(String, String)]) -> Command {
    let folder = Path::new(env!("CARGO_BIN_EXE_portico"))
        .parent()
        .expect("binaries lie in a folder");
    let binary = folder.join(name);
    assert!(
        binary.exists(),
        "{name} is not built: run the tests from the root, or `cargo build --workspace` before"
    );
    let mut command = Command::new(binary);
    command
        .args(arguments)
        .env_clear()
        .envs(settings.iter().cloned())
        .stdin(Stdio::null());
    command
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener
        .local_addr()
        .expect("a bound socket has an address")
        .port()
}

/// Gateway, user and auth on two PostgreSQL databases and Redis.
pub struct Fleet {
    pub gateway: Option<Process>,
    pub user: Option<Process>,
    pub auth: Option<Process>,
    ports: Ports,
    settings: Vec<(String, String)>,
    folder: TempDir,
}

#[derive(Clone, Copy)]
struct Ports {
    gateway: u16,
    user: u16,
    auth: u16,
    gateway_ops: u16,
    user_ops: u16,
    auth_ops: u16,
}

impl Fleet {
    /// Migrates both databases and starts the three, with further settings for all of them; `None` without
    /// PostgreSQL or Redis.
    pub async fn start(more: &[(&str, String)]) -> Option<Self> {
        let (postgres, redis) = (portico_testing::postgres()?, portico_testing::redis()?);
        let ports = Ports {
            gateway: free_port(),
            user: free_port(),
            auth: free_port(),
            gateway_ops: free_port(),
            user_ops: free_port(),
            auth_ops: free_port(),
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut settings = vec![
            setting("DATA_DIR", folder.path().display().to_string()),
            setting("GATEWAY__LISTEN", format!("127.0.0.1:{}", ports.gateway)),
            setting("USER__LISTEN", format!("127.0.0.1:{}", ports.user)),
            setting("USER__URL", format!("http://127.0.0.1:{}", ports.user)),
            setting("USER__DATABASE_URL", postgres.database()),
            setting("AUTH__LISTEN", format!("127.0.0.1:{}", ports.auth)),
            setting("AUTH__URL", format!("http://127.0.0.1:{}", ports.auth)),
            setting("AUTH__DATABASE_URL", postgres.database()),
            setting(
                "AUTH__MASTER_KEY",
                "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
            ),
            setting("AUTH__BOOTSTRAP_ADMIN_EMAIL", ADMIN.0),
            setting("AUTH__BOOTSTRAP_ADMIN_PASSWORD", ADMIN.1),
            setting("CACHE__REDIS_URL", redis.url()),
        ];
        settings.extend(QUICK.map(|(name, value)| setting(name, value)));
        settings.extend(more.iter().map(|(name, value)| setting(name, value)));
        run("portico-user", &["migrate"], &settings);
        run("portico-auth", &["migrate"], &settings);
        let mut fleet = Self {
            gateway: None,
            user: None,
            auth: None,
            ports,
            settings,
            folder,
        };
        fleet.start_user().await;
        fleet.start_auth().await;
        fleet.start_gateway().await;
        fleet.administrator_signs_in().await;
        Some(fleet)
    }

    pub async fn start_gateway(&mut self) {
        self.gateway = Some(self.serve("portico-gateway", self.ports.gateway_ops).await);
    }

    pub async fn start_user(&mut self) {
        self.user = Some(self.serve("portico-user", self.ports.user_ops).await);
    }

    pub async fn start_auth(&mut self) {
        self.auth = Some(self.serve("portico-auth", self.ports.auth_ops).await);
    }

    async fn serve(&self, name: &str, ops: u16) -> Process {
        let mut settings = self.settings.clone();
        settings.push(setting("OPS__LISTEN", format!("127.0.0.1:{ops}")));
        let log = self.folder.path().join(format!("{name}.log"));
        let mut process = Process::start(name, &["serve"], &settings, &log);
        process.ready(&format!("http://127.0.0.1:{ops}")).await;
        process
    }

    /// Waits for the first administrator: auth asks the user service for it after its start.
    async fn administrator_signs_in(&self) {
        let client = Client::new(&self.gateway_url());
        let deadline = Instant::now() + Duration::from_secs(30);
        while client.login(ADMIN.0, ADMIN.1).await.status != 200 {
            let output = self.auth.as_ref().map(Process::output);
            assert!(
                Instant::now() < deadline,
                "no administrator: {}",
                output.unwrap_or_default()
            );
            sleep(Duration::from_millis(50)).await;
        }
    }

    pub fn gateway_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.gateway)
    }

    pub fn mail_folder(&self) -> PathBuf {
        self.folder.path().join("mail")
    }

    pub fn user_grpc(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.user)
    }

    pub fn auth_ops(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.auth_ops)
    }

    /// The ops ports of all three.
    pub fn ops(&self) -> Vec<String> {
        let ports = [
            self.ports.gateway_ops,
            self.ports.user_ops,
            self.ports.auth_ops,
        ];
        ports.map(|port| format!("http://127.0.0.1:{port}")).into()
    }

    /// Everything that they have written.
    pub fn output(&self) -> String {
        let all = [&self.gateway, &self.user, &self.auth];
        all.into_iter().flatten().map(Process::output).collect()
    }
}

fn setting(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}
