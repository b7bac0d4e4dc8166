//! The program itself.

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use portico_proto::auth::v1::{
    GetJsonWebKeySetRequest, LoginRequest, auth_service_client::AuthServiceClient,
    key_service_client::KeyServiceClient,
};
use portico_service::Backend;

use crate::support::{EMAIL, MASTER_KEY, PASSWORD};

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address")
}

fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portico-auth"));
    command
        .env_clear()
        .current_dir(folder)
        .env("AUTH__MASTER_KEY", MASTER_KEY)
        .env("AUTH__ARGON2_MEMORY_KIB", "64")
        .env("AUTH__ARGON2_ITERATIONS", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Kills the program when a test fails.
struct Running(Option<Child>);

impl Running {
    /// Asks the program to stop and waits for it.
    fn stop(mut self) -> Output {
        let child = self.0.take().expect("it runs");
        let id = child.id().to_string();
        let killed = Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .expect("kill runs");
        assert!(killed.success());
        child.wait_with_output().expect("it ends")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_serves_on_sqlite_and_stops_when_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let (listen, ops, nobody) = (free_address(), free_address(), free_address());
    let child = program(folder.path())
        .arg("serve")
        .env("AUTH__LISTEN", listen.to_string())
        .env("OPS__LISTEN", ops.to_string())
        .env("USER__URL", format!("http://{nobody}"))
        .spawn()
        .expect("it starts");
    let running = Running(Some(child));

    let backend = Backend::connect(&format!("http://{listen}")).expect("an address");
    let mut keys = KeyServiceClient::new(backend.clone());
    let began = Instant::now();
    let set = loop {
        match keys.get_json_web_key_set(GetJsonWebKeySetRequest {}).await {
            Ok(set) => break set.into_inner(),
            Err(status) => {
                assert!(began.elapsed() < Duration::from_secs(30), "{status}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    assert_eq!(set.keys.len(), 2);
    let login = LoginRequest {
        email: EMAIL.to_owned(),
        password: PASSWORD.to_owned(),
        scope: String::new(),
        ..LoginRequest::default()
    };
    let status = AuthServiceClient::new(backend)
        .login(login)
        .await
        .expect_err("nobody yet");
    assert_eq!(status.code(), tonic::Code::Unauthenticated);

    let health = program(folder.path())
        .arg("healthcheck")
        .env("OPS__LISTEN", ops.to_string())
        .output()
        .expect("it runs");
    assert!(health.status.success());
    assert!(folder.path().join("data/auth.db").exists());
    let output = running.stop();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    assert!(log.contains("ready after"), "{log}");
    assert!(
        !log.contains(EMAIL) && !log.contains(PASSWORD) && !log.contains(MASTER_KEY),
        "{log}"
    );
}

#[tokio::test]
async fn without_a_master_key_it_says_what_is_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = program(folder.path())
        .env_remove("AUTH__MASTER_KEY")
        .env("AUTH__LISTEN", free_address().to_string())
        .env("OPS__LISTEN", free_address().to_string())
        .output()
        .expect("it runs");
    assert!(!output.status.success());
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.to_lowercase().contains("master_key"), "{log}");
}

#[tokio::test]
async fn migrate_makes_the_tables_and_ends() {
    for database in portico_testing::databases() {
        let folder = tempfile::tempdir().expect("a folder");
        for _ in 0..2 {
            let output = program(folder.path())
                .arg("migrate")
                .env("DATABASE_URL", &database.url)
                .output()
                .expect("it runs");
            let log = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}: {log}", database.name);
        }
    }
}
