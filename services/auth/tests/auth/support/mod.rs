//! A running auth service with a user service that is made up, a clock that stands still, and a record
//! of the statements that it runs.

mod factors;
pub mod machines;
mod mails;
mod statements;
mod users;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use portico_auth::{Auth, Migrator};
use portico_cache::{Denylist, Memory};
use portico_proto::auth::v1::{
    LoginRequest, RefreshRequest, RegisterRequest, TokenResponse,
    auth_service_client::AuthServiceClient, email_service_client::EmailServiceClient,
    key_service_client::KeyServiceClient, password_service_client::PasswordServiceClient,
    session_service_client::SessionServiceClient,
};
use portico_service::{Backend, Clock, ClockHand, Config, Frame, Secret, Shape, database};
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use tempfile::TempDir;
use tonic::{Request, Status};

pub use self::{
    factors::{Authenticator, bytes},
    mails::Letter,
    statements::Statements,
    users::FakeUsers,
};

pub const EMAIL: &str = "ada@example.com";
pub const PASSWORD: &str = "correct horse battery";
pub const MASTER_KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
pub const OTHER_MASTER_KEY: &str = "CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=";

/// How long anything may take that happens by itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a world is made of besides its database.
pub struct Setting {
    pub users: FakeUsers,
    pub clock: Clock,
    pub hand: ClockHand,
    pub pairs: Vec<(&'static str, String)>,
    /// Where mails lie.
    pub mails: Arc<TempDir>,
}

impl Setting {
    pub fn new() -> Self {
        let start = DateTime::from_timestamp(1_800_000_000, 0).expect("a time");
        let (clock, hand) = Clock::fixed(start);
        Self {
            users: FakeUsers::default(),
            clock,
            hand,
            pairs: Vec::new(),
            mails: Arc::new(tempfile::tempdir().expect("a folder")),
        }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.pairs.push((name, value.into()));
        self
    }

    pub fn config(&self, url: &str) -> Config {
        let defaults = [
            ("AUTH__DATABASE_URL", url.to_owned()),
            ("AUTH__MASTER_KEY", MASTER_KEY.to_owned()),
            ("AUTH__ARGON2_MEMORY_KIB", "64".to_owned()),
            ("AUTH__ARGON2_ITERATIONS", "1".to_owned()),
            ("AUTH__HASHING_QUEUE", "1000".to_owned()),
            ("AUTH__GUESSES_PER_ACCOUNT", "0".to_owned()),
            ("AUTH__MAILS_PER_ACCOUNT", "0".to_owned()),
            ("AUTH__MAIL_DIR", self.mails.path().display().to_string()),
        ];
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in defaults.into_iter().chain(self.pairs.clone()) {
            pairs.retain(|(known, _)| known != name);
            pairs.push((name.to_owned(), value));
        }
        Config::from_pairs(Shape::Auth, pairs).expect("a good configuration")
    }

    /// Makes the tables and nothing more.
    pub async fn migrate(&self, url: &str) {
        let db = database::connect(&Secret::from(url), 2)
            .await
            .expect("connects");
        database::migrate::<Migrator>(&db).await.expect("migrates");
        db.close().await.expect("closes");
    }

    /// Starts a service on the database, which may have been used by another one before.
    pub async fn start(&self, url: &str) -> World {
        self.try_start(url).await.expect("the service starts")
    }

    pub async fn try_start(&self, url: &str) -> anyhow::Result<World> {
        let config = self.config(url);
        let mut db = database::connect(&Secret::from(url), 8).await?;
        database::migrate::<Migrator>(&db).await?;
        let statements = Statements::default();
        statements.record(&mut db);
        let frame = Frame::new(self.clock.clone());
        let cache = Arc::new(Memory::new());
        let denylist = Denylist::start(cache.clone(), &frame.tasks, frame.stop.clone());
        let users = self.users.backend();
        let auth = portico_auth::start(&config, db.clone(), users, cache, denylist.clone(), &frame)
            .await?;
        Ok(World {
            auth,
            db,
            denylist,
            statements,
            frame,
            users: self.users.clone(),
            hand: self.hand.clone(),
            clock: self.clock.clone(),
            mails: Arc::clone(&self.mails),
        })
    }
}

/// A running auth service.
pub struct World {
    pub auth: Auth,
    pub db: DatabaseConnection,
    pub denylist: Denylist,
    pub statements: Statements,
    pub frame: Frame,
    pub users: FakeUsers,
    pub hand: ClockHand,
    pub clock: Clock,
    mails: Arc<TempDir>,
}

impl World {
    pub async fn start(url: &str) -> Self {
        Setting::new().start(url).await
    }

    /// Stops in good order.
    pub async fn stop(self) {
        self.frame.stop.cancel();
        self.frame.tasks.close();
        tokio::time::timeout(PATIENCE, self.frame.tasks.wait())
            .await
            .expect("the tasks end");
        self.db.close().await.expect("the database closes");
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub fn auth(&self) -> AuthServiceClient<Backend> {
        AuthServiceClient::new(self.auth.backend.clone())
    }

    pub fn sessions(&self) -> SessionServiceClient<Backend> {
        SessionServiceClient::new(self.auth.backend.clone())
    }

    pub fn passwords(&self) -> PasswordServiceClient<Backend> {
        PasswordServiceClient::new(self.auth.backend.clone())
    }

    pub fn emails(&self) -> EmailServiceClient<Backend> {
        EmailServiceClient::new(self.auth.backend.clone())
    }

    pub fn keys(&self) -> KeyServiceClient<Backend> {
        KeyServiceClient::new(self.auth.backend.clone())
    }

    pub async fn register(&self, email: &str, password: &str) -> Result<(), Status> {
        let request = RegisterRequest {
            email: email.to_owned(),
            password: password.to_owned(),
            display_name: "Ada".to_owned(),
        };
        self.auth().register(request).await.map(|_| ())
    }

    pub async fn login(&self, email: &str, password: &str) -> Result<TokenResponse, Status> {
        let request = LoginRequest {
            email: email.to_owned(),
            password: password.to_owned(),
            scope: String::new(),
            ..LoginRequest::default()
        };
        Ok(self.auth().login(request).await?.into_inner())
    }

    /// Signs in on a device that may be known.
    pub async fn login_on(
        &self,
        device_token: &str,
        device_name: &str,
        email: &str,
        password: &str,
    ) -> Result<TokenResponse, Status> {
        let request = LoginRequest {
            email: email.to_owned(),
            password: password.to_owned(),
            device_token: device_token.to_owned(),
            device_name: device_name.to_owned(),
            ..LoginRequest::default()
        };
        Ok(self.auth().login(request).await?.into_inner())
    }

    /// Registers Ada and signs her in.
    pub async fn ada(&self) -> TokenResponse {
        self.register(EMAIL, PASSWORD).await.expect("registers");
        self.login(EMAIL, PASSWORD).await.expect("signs in")
    }

    pub async fn refresh(&self, token: &str) -> Result<TokenResponse, Status> {
        let request = RefreshRequest {
            refresh_token: token.to_owned(),
        };
        Ok(self.auth().refresh(request).await?.into_inner())
    }

    /// Waits until every event is applied.
    pub async fn caught_up(&self) {
        let reached = async || {
            let cursor = self.number("SELECT sequence FROM feed_cursors").await;
            cursor == Some(self.users.last())
        };
        self.until("the feed is followed to its end", reached).await;
    }

    /// The number that a query answers.
    pub async fn number(&self, sql: &str) -> Option<i64> {
        let statement = Statement::from_string(self.db.get_database_backend(), sql);
        let row = self.db.query_one_raw(statement).await.expect("reads")?;
        Some(row.try_get_by_index(0).expect("a number"))
    }

    /// Lets no more events come, so that statements can be counted.
    pub async fn hush(&self) {
        self.caught_up().await;
        self.users.hold_feed();
        self.statements.forget();
    }

    /// Waits until something is so.
    pub async fn until(&self, what: &str, mut so: impl AsyncFnMut() -> bool) {
        let waiting = async {
            while !so().await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(
            tokio::time::timeout(PATIENCE, waiting).await.is_ok(),
            "waited too long until {what}"
        );
    }
}

/// A request with an access token.
pub fn bearing<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let value = format!("Bearer {token}").parse().expect("metadata");
    request.metadata_mut().insert("authorization", value);
    request
}

/// The claims of a token, unverified.
pub fn claims(token: &str) -> serde_json::Value {
    part(token, 1)
}

/// The header of a token.
pub fn header(token: &str) -> serde_json::Value {
    part(token, 0)
}

fn part(token: &str, index: usize) -> serde_json::Value {
    use base64::Engine;
    let text = token.split('.').nth(index).expect("three parts");
    let bytes = base64::prelude::BASE64_URL_SAFE_NO_PAD
        .decode(text)
        .expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}
