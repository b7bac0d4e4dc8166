//! A running service on a database of its own, and the ways to knock at its door.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::{DateTime, Utc};
use portico_caller::{Keys, Verifier};
use portico_proto::{
    error::Reason,
    user::v1::{
        self as pb, provisioning_service_client::ProvisioningServiceClient,
        user_events_client::UserEventsClient, user_service_client::UserServiceClient,
    },
};
use portico_service::{Backend, Clock, ClockHand, Config, Frame, Secret, Shape, database};
use portico_testing::{Database, databases};
use portico_user::Migrator;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend};
use serde_json::{Value, json};
use tonic::{Request, Response, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::signer::Signer;

const ISSUER: &str = "http://issuer.test";
const AUDIENCE: &str = "portico";
const POOL: u32 = 24;

pub struct House {
    pub database: &'static str,
    pub db: DatabaseConnection,
    pub frame: Frame,
    pub clock: ClockHand,
    pub backend: Backend,
    statements: Arc<Mutex<Vec<String>>>,
    signer: Arc<Signer>,
    /// Keeps the file of SQLite for as long.
    folder: Option<Database>,
}

/// Runs a test on each database that the machine has.
pub async fn on_each(test: impl AsyncFn(&House)) {
    for database in databases() {
        let house = House::open(database).await;
        test(&house).await;
        house.close().await;
    }
}

impl House {
    /// A service on an empty, migrated database.
    pub async fn open(database: Database) -> Self {
        let house = Self::open_unmigrated(database).await;
        database::migrate::<Migrator>(&house.db).await.unwrap();
        house.forget_statements();
        house
    }

    /// A service on an empty database.
    pub async fn open_unmigrated(database: Database) -> Self {
        let mut house = Self::open_at(database.name, &database.url).await;
        house.folder = Some(database);
        house
    }

    /// A service on a database that the test looks after.
    pub async fn open_at(name: &'static str, url: &str) -> Self {
        let start = DateTime::from_timestamp_micros(1_780_000_000_123_456).unwrap();
        Self::open_at_time(name, url, start).await
    }

    /// The same, at a time of its own.
    pub async fn open_at_time(name: &'static str, url: &str, start: DateTime<Utc>) -> Self {
        let config = Config::from_pairs(Shape::User, []).unwrap();
        Self::open_with_at(name, url, &config, start).await
    }

    /// A service on a database that the test looks after, configured as it likes.
    pub async fn open_with(name: &'static str, url: &str, config: &Config) -> Self {
        let start = DateTime::from_timestamp_micros(1_780_000_000_123_456).unwrap();
        Self::open_with_at(name, url, config, start).await
    }

    async fn open_with_at(
        name: &'static str,
        url: &str,
        config: &Config,
        start: DateTime<Utc>,
    ) -> Self {
        let url = Secret::from(url);
        let mut db = database::connect(&url, POOL).await.unwrap();
        let statements: Arc<Mutex<Vec<String>>> = Arc::default();
        let record = Arc::clone(&statements);
        db.set_metric_callback(move |info| {
            record.lock().unwrap().push(info.statement.sql.clone());
        });

        let (clock, hand) = Clock::fixed(start);
        let frame = Frame::new(clock.clone());
        let cache = portico_cache::connect(None).await.unwrap();
        let denylist = portico_cache::Denylist::start(cache, &frame.tasks, frame.stop.clone());
        let signer = Arc::new(Signer::new());
        let keys = Keys::new(Arc::clone(&signer) as _);
        let verifier = Verifier::new(ISSUER, AUDIENCE, keys, denylist, clock);
        let backend = portico_user::start(config, db.clone(), verifier, &frame)
            .await
            .unwrap();
        Self {
            database: name,
            db,
            frame,
            clock: hand,
            backend,
            statements,
            signer,
            folder: None,
        }
    }

    pub async fn close(self) {
        self.frame.stop.cancel();
        self.frame.tasks.close();
        tokio::time::timeout(Duration::from_secs(5), self.frame.tasks.wait())
            .await
            .expect("every task ends on stop");
        self.db.close().await.unwrap();
    }

    pub fn users(&self) -> UserServiceClient<Backend> {
        UserServiceClient::new(self.backend.clone())
    }

    pub fn provisioning(&self) -> ProvisioningServiceClient<Backend> {
        ProvisioningServiceClient::new(self.backend.clone())
    }

    pub fn events(&self) -> UserEventsClient<Backend> {
        UserEventsClient::new(self.backend.clone())
    }

    /// The statements since the last time that somebody asked, save those of checks and upkeep.
    pub fn statements(&self) -> Vec<String> {
        std::mem::take(&mut *self.statements.lock().unwrap())
            .into_iter()
            .filter(|sql| sql.contains("users") || sql.contains("outbox"))
            .filter(|sql| !is_upkeep(sql))
            .collect()
    }

    pub fn forget_statements(&self) {
        self.statements.lock().unwrap().clear();
    }

    pub fn claims(&self, subject: &str, scope: &str) -> Value {
        let now = self.frame.clock.now().timestamp();
        json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "client_id": "test",
            "jti": Uuid::now_v7().to_string(), "iat": now, "exp": now + 600,
            "scope": scope, "roles": [],
        })
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.signer.sign(claims)
    }

    /// A request of somebody with those scopes.
    pub fn request<T>(&self, subject: &str, scope: &str, message: T) -> Request<T> {
        with_token(message, &self.sign(&self.claims(subject, scope)))
    }

    /// A request of an administrator who has no account here.
    pub fn admin<T>(&self, message: T) -> Request<T> {
        let subject = "01900000-0000-7000-8000-00000000ad00";
        self.request(subject, "users:read users:write", message)
    }

    /// A request of a plain person.
    pub fn person<T>(&self, id: &str, message: T) -> Request<T> {
        self.request(id, "", message)
    }

    /// A request of another service.
    pub fn service<T>(&self, message: T) -> Request<T> {
        self.request("service:auth", portico_caller::INTERNAL_SCOPE, message)
    }

    pub async fn create(&self, email: &str) -> pb::User {
        self.try_create(email).await.unwrap()
    }

    pub async fn try_create(&self, email: &str) -> Result<pb::User, Status> {
        let request = pb::CreateUserRequest {
            user: Some(pb::User {
                email: email.into(),
                ..pb::User::default()
            }),
            ..pb::CreateUserRequest::default()
        };
        answer(self.users().create_user(self.admin(request)).await)
    }

    pub async fn get(&self, id: &str) -> Result<pb::User, Status> {
        let request = pb::GetUserRequest {
            id: id.into(),
            ..pb::GetUserRequest::default()
        };
        answer(self.users().get_user(self.admin(request)).await)
    }

    pub async fn update(&self, user: pb::User, mask: &[&str]) -> Result<pb::User, Status> {
        let request = pb::UpdateUserRequest {
            user: Some(user),
            update_mask: Some(prost_types::FieldMask {
                paths: mask.iter().map(ToString::to_string).collect(),
            }),
        };
        answer(self.users().update_user(self.admin(request)).await)
    }

    pub async fn suspend(&self, id: &str, etag: &str) -> Result<pb::User, Status> {
        let (id, etag) = (id.into(), etag.into());
        let request = self.admin(pb::SuspendUserRequest { id, etag });
        answer(self.users().suspend_user(request).await)
    }

    pub async fn reactivate(&self, id: &str, etag: &str) -> Result<pb::User, Status> {
        let (id, etag) = (id.into(), etag.into());
        let request = self.admin(pb::ReactivateUserRequest { id, etag });
        answer(self.users().reactivate_user(request).await)
    }

    pub async fn delete(&self, id: &str, etag: &str) -> Result<(), Status> {
        let (id, etag) = (id.into(), etag.into());
        let request = self.admin(pb::DeleteUserRequest { id, etag });
        answer(self.users().delete_user(request).await)
    }

    pub async fn list(&self, size: i32, token: &str) -> Result<pb::ListUsersResponse, Status> {
        self.query(pb::ListUsersRequest {
            page_size: size,
            page_token: token.into(),
            ..pb::ListUsersRequest::default()
        })
        .await
    }

    pub async fn query(
        &self,
        request: pb::ListUsersRequest,
    ) -> Result<pb::ListUsersResponse, Status> {
        answer(self.users().list_users(self.admin(request)).await)
    }

    pub async fn provision(
        &self,
        id: &str,
        email: &str,
        roles: &[&str],
    ) -> Result<pb::UserChange, Status> {
        let request = pb::ProvisionUserRequest {
            id: id.into(),
            user: Some(pb::User {
                email: email.into(),
                roles: roles.iter().map(ToString::to_string).collect(),
                ..pb::User::default()
            }),
        };
        let answer = answer(
            self.provisioning()
                .provision_user(self.service(request))
                .await,
        )?;
        Ok(answer.change.unwrap())
    }

    /// Accounts as the first release wrote them: `n` of them, one second apart, beside what is there.
    pub async fn fill(&self, n: u32) {
        let (id, numbers) = match self.db.get_database_backend() {
            DbBackend::Postgres => (
                "gen_random_uuid()",
                format!("generate_series(1, {n}) AS numbers (n)"),
            ),
            _ => (
                "randomblob(16)",
                format!(
                    "(WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers \
                     WHERE n < {n}) SELECT n FROM numbers)"
                ),
            ),
        };
        let time = match self.db.get_database_backend() {
            DbBackend::Postgres => "timestamptz '2026-01-01T00:00:00Z' + n * interval '1 second'",
            _ => "strftime('%Y-%m-%dT%H:%M:%S+00:00', '2026-01-01', n || ' seconds')",
        };
        let sql = format!(
            "INSERT INTO users (id, email, email_key, email_verified, display_name, locale, \
             time_zone, status, roles, administrator, revision, create_time, update_time) \
             SELECT {id}, 'person' || n || '@example.org', 'person' || n || '@example.org', \
             n % 2 = 0, 'Person ' || n, 'de', 'UTC', 1, 'user', FALSE, 1, {time}, {time} \
             FROM {numbers}"
        );
        self.db.execute_unprepared(&sql).await.unwrap();
        self.db.execute_unprepared("ANALYZE").await.unwrap();
        self.forget_statements();
    }

    /// The events behind a place, `count` of them.
    pub async fn read(&self, after: i64, count: usize) -> Vec<pb::UserEvent> {
        let request = self.service(pb::WatchRequest { after });
        let mut stream = self.events().watch(request).await.unwrap().into_inner();
        let mut events = Vec::new();
        while events.len() < count {
            let next = tokio::time::timeout(Duration::from_secs(10), stream.message());
            let batch = next.await.expect("an event within ten seconds").unwrap();
            events.extend(batch.expect("the stream goes on").events);
        }
        events
    }
}

/// Whether a statement counts or removes old events, which happens by itself.
fn is_upkeep(sql: &str) -> bool {
    let of_events = [
        "SELECT COUNT(*) AS events",
        "UPDATE feed_bounds",
        "SELECT removed_through",
        "DELETE FROM outbox",
    ];
    of_events.iter().any(|start| sql.starts_with(start))
        || sql.starts_with("SELECT sequence, time FROM outbox")
}

pub fn with_token<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    let value = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

pub fn answer<T>(result: Result<Response<T>, Status>) -> Result<T, Status> {
    result.map(Response::into_inner)
}

pub fn new_id() -> String {
    Uuid::now_v7().to_string()
}

/// The call must have been refused for that reason, with its code.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(result: Result<T, Status>, reason: Reason) {
    let status = result.expect_err("the call should have been refused");
    assert_eq!(Reason::of(&status), Some(reason), "{status:?}");
    assert_eq!(status.code(), reason.code());
}

/// The call must have been refused because of that field alone.
#[track_caller]
pub fn refused_field<T: std::fmt::Debug>(result: Result<T, Status>, field: &str) {
    let status = result.expect_err("the call should have been refused");
    assert_eq!(
        Reason::of(&status),
        Some(Reason::InvalidArgument),
        "{status:?}"
    );
    let details = status.get_details_bad_request().expect("details");
    let fields: Vec<&str> = details
        .field_violations
        .iter()
        .map(|v| v.field.as_str())
        .collect();
    assert_eq!(fields, [field], "{status:?}");
}
