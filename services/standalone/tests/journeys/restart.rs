//! The standalone as its user meets it: one command, a folder, and a second start.

use std::{fs, net::TcpListener, path::Path};

use tempfile::TempDir;

use crate::{
    client::Client,
    process::{Process, free_port},
    world::{PASSWORD, QUICK},
};

/// Starts the process and does not wait until it is ready.
fn launch(data: &Path, port: u16, more: &[(&str, &str)]) -> Process {
    let mut settings = vec![
        ("GATEWAY__LISTEN".to_owned(), format!("127.0.0.1:{port}")),
        (
            "OPS__LISTEN".to_owned(),
            format!("127.0.0.1:{}", free_port()),
        ),
    ];
    settings.extend(QUICK.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let more = more
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    settings.extend(more);
    let folder = data.display().to_string();
    let log = data.with_extension(format!("{port}.log"));
    Process::start("portico", &["--data-dir", &folder], &settings, &log)
}

/// The standalone as a process on a data folder.
pub struct Standalone {
    pub process: Process,
    pub client: Client,
}

impl Standalone {
    pub async fn start(data: &Path) -> Self {
        Self::start_with(data, &[]).await
    }

    pub async fn start_with(data: &Path, more: &[(&str, &str)]) -> Self {
        let port = free_port();
        let mut process = launch(data, port, more);
        let url = format!("http://127.0.0.1:{port}");
        process.ready(&url).await;
        Self {
            process,
            client: Client::new(&url),
        }
    }

    /// What stands behind a label on a line of its own.
    pub fn printed(&self, label: &str) -> Option<String> {
        self.process.output().lines().find_map(|line| {
            line.trim()
                .strip_prefix(label)
                .map(|rest| rest.trim().to_owned())
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_keeps_every_account_and_prints_no_password() {
    let folder = TempDir::new().expect("a temporary folder");
    let data = folder.path().join("data");

    let first = Standalone::start(&data).await;
    let email = first
        .printed("e-mail:")
        .expect("the first start prints an address");
    let password = first
        .printed("password:")
        .expect("the first start prints a password");
    first.client.login(&email, &password).await.tokens();
    first
        .client
        .register("ada@example.org", PASSWORD)
        .await
        .ok();
    drop(first);

    let second = Standalone::start(&data).await;
    assert!(!second.process.output().contains(&password));
    assert_eq!(second.printed("password:"), None);
    second.client.login(&email, &password).await.tokens();
    second
        .client
        .login("ada@example.org", PASSWORD)
        .await
        .tokens();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_could_not_show_the_administrator_leaves_that_to_the_next() {
    let folder = TempDir::new().expect("a temporary folder");
    let data = folder.path().join("data");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("it is bound").port();
    let failed = launch(&data, port, &[]).failure().await;
    assert!(failed.contains("cannot listen"), "{failed}");
    assert!(!failed.contains("password:"), "{failed}");

    let second = Standalone::start(&data).await;
    let email = second.printed("e-mail:").expect("an address");
    let password = second.printed("password:").expect("a password");
    second.client.login(&email, &password).await.tokens();
    drop(second);
    let third = Standalone::start(&data).await;
    assert_eq!(third.printed("password:"), None);
    let mut paths = vec![data];
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("lists");
            paths.extend(entries.map(|entry| entry.expect("an entry").path()));
            continue;
        }
        let bytes = fs::read(&path).expect("reads");
        let found = bytes
            .windows(password.len())
            .any(|window| window == password.as_bytes());
        assert!(!found, "{}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_at_a_time_serves_from_a_folder() {
    let folder = TempDir::new().expect("a temporary folder");
    let data = folder.path().join("data");
    let first = Standalone::start(&data).await;
    let refused = launch(&data, free_port(), &[]).failure().await;
    assert!(
        refused.contains("another process serves from it"),
        "{refused}"
    );
    first.process.kill();
    Standalone::start(&data).await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_data_folder_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let folder = TempDir::new().expect("a temporary folder");
    let data = folder.path().join("data");
    let _system = Standalone::start(&data).await;
    let mode = |path: &Path| path.metadata().expect("it is there").permissions().mode() & 0o077;
    assert_eq!(mode(&data), 0);
    assert_eq!(mode(&data.join("master.key")), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_session_stays_ended_after_a_restart() {
    let folder = TempDir::new().expect("a temporary folder");
    let data = folder.path().join("data");
    let first = Standalone::start(&data).await;
    first
        .client
        .register("ada@example.org", PASSWORD)
        .await
        .ok();
    let tokens = first
        .client
        .login("ada@example.org", PASSWORD)
        .await
        .tokens();
    let logout = first
        .client
        .post("/api/v1/auth/logout", serde_json::json!({}));
    logout.bearer(&tokens.access).send().await.ok();
    drop(first);

    let second = Standalone::start(&data).await;
    let me = second
        .client
        .get("/api/v1/users/me")
        .bearer(&tokens.access)
        .send()
        .await;
    me.problem(401, "SESSION_REVOKED");
}
