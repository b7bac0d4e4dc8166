//! A running system under test, and the people in it.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use portico_service::{Clock, Config, Frame, Shape};
use tempfile::TempDir;
use tokio::{
    sync::OnceCell,
    time::{Instant, sleep},
};

use crate::{
    client::{Client, Tokens},
    process::{Fleet, Process, free_port},
};

pub const PASSWORD: &str = "a perfectly fine passphrase";
pub const ADMIN: (&str, &str) = ("root@example.org", "the first administrator's own");

/// Cheap hashing, a short grace, and room for many people behind one address: the journeys are about
/// behaviour, not about figures.
pub const QUICK: [(&str, &str); 7] = [
    ("AUTH__ARGON2_MEMORY_KIB", "64"),
    ("AUTH__ARGON2_ITERATIONS", "1"),
    ("AUTH__REFRESH_GRACE_SECONDS", "1"),
    ("AUTH__GUESSES_PER_ACCOUNT", "1000"),
    ("AUTH__GUESSES_PER_ADDRESS", "0"),
    ("AUTH__MAILS_PER_ADDRESS", "0"),
    ("GATEWAY__RATE_LIMITS", "credentials=address:100000/1m"),
];

/// A running system.
pub struct World {
    client: Client,
    admin: (String, String),
    admin_tokens: OnceCell<Tokens>,
    next: AtomicU32,
    run: String,
    home: Home,
}

enum Home {
    InProcess { frame: Frame, data: TempDir },
    Processes(Box<Fleet>),
    Process(Alone),
    Elsewhere,
}

/// The standalone as a process.
struct Alone {
    process: Process,
    ops: String,
    folder: TempDir,
}

/// Somebody with an account.
pub struct Person {
    pub id: String,
    pub email: String,
    pub tokens: Tokens,
}

/// The system that `E2E_URL` names, when it does.
pub fn running() -> Option<World> {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests have no configuration of their own"
    )]
    let var = |name: &str| std::env::var(name).ok();
    let url = var("E2E_URL")?;
    let admin = var("E2E_ADMIN_EMAIL").zip(var("E2E_ADMIN_PASSWORD"));
    let (email, password) = admin.expect("E2E_URL needs E2E_ADMIN_EMAIL and E2E_ADMIN_PASSWORD");
    Some(World::new(&url, (&email, &password), Home::Elsewhere))
}

impl World {
    /// The standalone in this process, on SQLite and memory unless the settings say otherwise.
    pub async fn standalone(settings: &[(&str, String)]) -> Self {
        let data = tempfile::tempdir().expect("a temporary folder");
        let mut pairs = vec![
            ("DATA_DIR".to_owned(), data.path().display().to_string()),
            ("GATEWAY__LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("OPS__LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("AUTH__BOOTSTRAP_ADMIN_EMAIL".to_owned(), ADMIN.0.to_owned()),
            (
                "AUTH__BOOTSTRAP_ADMIN_PASSWORD".to_owned(),
                ADMIN.1.to_owned(),
            ),
        ];
        pairs.extend(QUICK.map(|(name, value)| (name.to_owned(), value.to_owned())));
        pairs.extend(
            settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone())),
        );
        let config = Config::from_pairs(Shape::Standalone, pairs).expect("the settings are right");
        let frame = Frame::new(Clock::system());
        let system = portico::start(&config, &frame)
            .await
            .expect("the standalone starts");
        let url = format!("http://{}", system.gateway.addr);
        frame.tasks.spawn(system.run());
        Self::new(&url, ADMIN, Home::InProcess { frame, data })
    }

    /// The standalone as a process of its own, on SQLite and memory.
    pub async fn standalone_process(more: &[(&str, String)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (port, ops) = (free_port(), free_port());
        let mut settings = vec![
            ("DATA_DIR".to_owned(), folder.path().display().to_string()),
            ("GATEWAY__LISTEN".to_owned(), format!("127.0.0.1:{port}")),
            ("OPS__LISTEN".to_owned(), format!("127.0.0.1:{ops}")),
            ("AUTH__BOOTSTRAP_ADMIN_EMAIL".to_owned(), ADMIN.0.to_owned()),
            (
                "AUTH__BOOTSTRAP_ADMIN_PASSWORD".to_owned(),
                ADMIN.1.to_owned(),
            ),
        ];
        settings.extend(QUICK.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let more = more.iter();
        settings.extend(more.map(|(name, value)| ((*name).to_owned(), value.clone())));
        let log = folder.path().join("portico.log");
        let mut process = Process::start("portico", &["serve"], &settings, &log);
        let url = format!("http://127.0.0.1:{port}");
        process.ready(&url).await;
        let home = Home::Process(Alone {
            process,
            ops: format!("http://127.0.0.1:{ops}"),
            folder,
        });
        Self::new(&url, ADMIN, home)
    }

    /// Gateway, user and auth as processes of their own; `None` without PostgreSQL or Redis.
    pub async fn three_processes() -> Option<Self> {
        Self::three_processes_with(&[]).await
    }

    /// The same with further settings for all of them.
    pub async fn three_processes_with(more: &[(&str, String)]) -> Option<Self> {
        let fleet = Fleet::start(more).await?;
        let url = fleet.gateway_url();
        Some(Self::new(&url, ADMIN, Home::Processes(Box::new(fleet))))
    }

    fn new(url: &str, admin: (&str, &str), home: Home) -> Self {
        Self {
            client: Client::new(url),
            admin: (admin.0.to_owned(), admin.1.to_owned()),
            admin_tokens: OnceCell::new(),
            next: AtomicU32::new(0),
            run: format!("{:x}", std::process::id() ^ now_nanos()),
            home,
        }
    }

    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The processes of which the system is made, when it is made of processes.
    pub fn fleet(&mut self) -> &mut Fleet {
        match &mut self.home {
            Home::Processes(fleet) => fleet,
            _ => panic!("this world has no processes"),
        }
    }

    /// Where this system's mails lie, if it is ours: a system elsewhere sends them.
    pub fn mail_folder(&self) -> Option<PathBuf> {
        match &self.home {
            Home::InProcess { data, .. } => Some(data.path().join("mail")),
            Home::Processes(fleet) => Some(fleet.mail_folder()),
            Home::Process(alone) => Some(alone.folder.path().join("mail")),
            Home::Elsewhere => None,
        }
    }

    /// The ops ports of the processes of which the system is made.
    pub fn ops(&self) -> Vec<String> {
        match &self.home {
            Home::Processes(fleet) => fleet.ops(),
            Home::Process(alone) => vec![alone.ops.clone()],
            Home::InProcess { .. } | Home::Elsewhere => Vec::new(),
        }
    }

    /// Everything that they have written.
    pub fn output(&self) -> String {
        match &self.home {
            Home::Processes(fleet) => fleet.output(),
            Home::Process(alone) => alone.process.output(),
            Home::InProcess { .. } | Home::Elsewhere => String::new(),
        }
    }

    /// How long a used refresh token is forgiven: what [`QUICK`] says, and the default elsewhere.
    pub fn grace(&self) -> Duration {
        Duration::from_secs(if matches!(self.home, Home::Elsewhere) {
            10
        } else {
            1
        })
    }

    /// A word that nothing else in this world bears.
    pub fn unique(&self) -> String {
        format!("{}-{}", self.run, self.next.fetch_add(1, Ordering::Relaxed))
    }

    pub fn fresh_email(&self) -> String {
        format!("person-{}@example.org", self.unique())
    }

    pub fn admin_credentials(&self) -> (&str, &str) {
        (&self.admin.0, &self.admin.1)
    }

    /// The administrator, signed in.
    pub async fn admin(&self) -> &Tokens {
        let sign_in = async || {
            let (email, password) = self.admin_credentials();
            self.client.login(email, password).await.tokens()
        };
        self.admin_tokens.get_or_init(sign_in).await
    }

    /// A new person, registered and signed in.
    pub async fn person(&self) -> Person {
        let email = self.fresh_email();
        self.client.register(&email, PASSWORD).await.ok();
        let tokens = self.client.login(&email, PASSWORD).await.tokens();
        let me = self
            .client
            .get("/api/v1/users/me")
            .bearer(&tokens.access)
            .send()
            .await
            .ok();
        let id = me["id"].as_str().expect("an account has an id").to_owned();
        Person { id, email, tokens }
    }

    /// Waits until something holds that is promised soon rather than at once.
    pub async fn eventually(&self, what: &str, holds: impl AsyncFnMut() -> bool) {
        self.within(Duration::from_secs(10), what, holds).await;
    }

    /// Waits until something holds that is promised within a time.
    pub async fn within(&self, limit: Duration, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let deadline = Instant::now() + limit;
        while !holds().await {
            assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn stop(self) {
        if let Home::InProcess { frame, .. } = self.home {
            frame.stop.cancel();
            frame.tasks.close();
            frame.tasks.wait().await;
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "any bits make a name")]
fn now_nanos() -> u32 {
    std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .map_or(0, |elapsed| elapsed.as_nanos() as u32)
}
