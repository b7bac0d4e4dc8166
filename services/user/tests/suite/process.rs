//! The program itself.

use std::{
    net::{SocketAddr, TcpListener},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use portico_service::Backend;
use tempfile::TempDir;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

struct Program {
    child: Child,
    folder: TempDir,
    listen: SocketAddr,
    ops: SocketAddr,
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

impl Program {
    fn serve() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (listen, ops) = (free(), free());
        let child = command(&folder, listen, ops)
            .arg("serve")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            child,
            folder,
            listen,
            ops,
        }
    }

    fn healthcheck(&self) -> ExitStatus {
        command(&self.folder, self.listen, self.ops)
            .arg("healthcheck")
            .stderr(Stdio::null())
            .status()
            .unwrap()
    }

    async fn health(&self) -> Option<ServingStatus> {
        let backend = Backend::connect(&format!("http://{}", self.listen)).unwrap();
        let request = HealthCheckRequest {
            service: "portico.user.v1.UserService".into(),
        };
        let answer = HealthClient::new(backend).check(request).await.ok()?;
        Some(answer.into_inner().status())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has ended already when the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(folder: &TempDir, listen: SocketAddr, ops: SocketAddr) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portico-user"));
    command
        .current_dir(folder.path())
        .env("DATA_DIR", folder.path().join("data"))
        .env("USER__LISTEN", listen.to_string())
        .env("OPS__LISTEN", ops.to_string());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_serves_answers_its_health_and_stops_when_told() {
    let mut program = Program::serve();
    let patience = Instant::now() + Duration::from_secs(30);
    while program.health().await != Some(ServingStatus::Serving) {
        assert!(program.child.try_wait().unwrap().is_none(), "it ended");
        assert!(Instant::now() < patience, "it does not answer");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(program.healthcheck().success());
    assert!(program.folder.path().join("data/user.db").exists());

    let pid = program.child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    let patience = Instant::now() + Duration::from_secs(15);
    let status = loop {
        if let Some(status) = program.child.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < patience, "it does not stop");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(status.success(), "{status}");
    assert!(!program.healthcheck().success());
}
