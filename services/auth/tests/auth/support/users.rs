//! A user service that is made up: accounts and a feed in memory, which a test may stop and start.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use portico_proto::{
    error::Reason,
    user::v1::{
        AcknowledgeRequest, ConfirmEmailRequest, ConfirmEmailResponse, ExportUsersRequest,
        ExportUsersResponse, ImportOutcome, ImportUserBatchRequest, ImportUserBatchResponse,
        ImportUserResult, ProvisionUserRequest, ProvisionUserResponse, Role, RoleDeletion,
        SnapshotRequest, SnapshotResponse, User, UserChange, UserEvent, UserStatus, WatchRequest,
        WatchResponse,
        provisioning_service_server::{ProvisioningService, ProvisioningServiceServer},
        transfer_service_server::{TransferService, TransferServiceServer},
        user_event::Change,
        user_events_server::{UserEvents, UserEventsServer},
    },
};
use portico_service::Backend;
use tokio::sync::watch;
use tokio_stream::{Stream, StreamExt, wrappers::WatchStream};
use tonic::{Request, Response, Status, service::Routes};

#[derive(Clone)]
pub struct FakeUsers(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    /// Grows with each event, and with each stop, which ends all streams.
    pulse: watch::Sender<u64>,
    away: AtomicBool,
    /// How often it was stopped; each stop ends the streams of before.
    stops: AtomicUsize,
    /// Streams stand still.
    held: AtomicBool,
    /// Accounts are created, and the answer is lost.
    deaf: AtomicBool,
    provisions: AtomicUsize,
    watches: AtomicUsize,
    snapshots: AtomicUsize,
    acknowledged: AtomicI64,
    /// How many calls fail before one is answered.
    failing: AtomicUsize,
}

#[derive(Default)]
struct State {
    accounts: BTreeMap<String, UserChange>,
    events: Vec<UserEvent>,
    /// Events up to here are gone.
    removed_through: i64,
    /// What came in by batches.
    batches: Vec<ImportUserBatchRequest>,
}

impl Default for FakeUsers {
    fn default() -> Self {
        let users = Self(Arc::new(Inner {
            state: Mutex::default(),
            pulse: watch::Sender::new(0),
            away: AtomicBool::new(false),
            stops: AtomicUsize::new(0),
            held: AtomicBool::new(false),
            deaf: AtomicBool::new(false),
            provisions: AtomicUsize::new(0),
            watches: AtomicUsize::new(0),
            snapshots: AtomicUsize::new(0),
            acknowledged: AtomicI64::new(0),
            failing: AtomicUsize::new(0),
        }));
        users.role("user", &[]);
        users.role(
            "admin",
            &[
                "sessions:read",
                "sessions:write",
                "users:read",
                "users:write",
            ],
        );
        users
    }
}

impl FakeUsers {
    pub fn backend(&self) -> Backend {
        let routes = Routes::new(ProvisioningServiceServer::new(self.clone()))
            .add_service(UserEventsServer::new(self.clone()))
            .add_service(TransferServiceServer::new(self.clone()));
        Backend::new(routes.prepare())
    }

    /// Goes away: calls fail and streams end.
    pub fn stop(&self) {
        self.0.away.store(true, Ordering::SeqCst);
        self.0.stops.fetch_add(1, Ordering::SeqCst);
        self.0.pulse.send_modify(|beat| *beat += 1);
    }

    pub fn start(&self) {
        self.0.away.store(false, Ordering::SeqCst);
    }

    /// Keeps events back.
    pub fn hold_feed(&self) {
        self.0.held.store(true, Ordering::SeqCst);
    }

    /// Creates accounts and loses the answers, as a crash in between would.
    pub fn lose_answers(&self, lose: bool) {
        self.0.deaf.store(lose, Ordering::SeqCst);
    }

    pub fn provisions(&self) -> usize {
        self.0.provisions.load(Ordering::SeqCst)
    }

    pub fn watches(&self) -> usize {
        self.0.watches.load(Ordering::SeqCst)
    }

    pub fn role(&self, name: &str, scopes: &[&str]) {
        let role = Role {
            name: name.to_owned(),
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            ..Role::default()
        };
        self.publish(&mut self.state(), Change::Role(role));
    }

    pub fn delete_role(&self, name: &str) {
        let name = name.to_owned();
        self.publish(
            &mut self.state(),
            Change::DeletedRole(RoleDeletion { name }),
        );
    }

    /// Removes every event there is but the last one.
    pub fn forget_events(&self) {
        let mut state = self.state();
        if let Some(last) = state.events.pop() {
            state.removed_through = last.sequence - 1;
            state.events = vec![last];
        }
    }

    /// How often a snapshot was read.
    pub fn snapshots(&self) -> usize {
        self.0.snapshots.load(Ordering::SeqCst)
    }

    /// How far the consumer said that it is.
    pub fn acknowledged(&self) -> i64 {
        self.0.acknowledged.load(Ordering::SeqCst)
    }

    /// Lets the next batches fail.
    pub fn fail_batches(&self, times: usize) {
        self.0.failing.store(times, Ordering::SeqCst);
    }

    /// The batches that were taken in.
    pub fn batches(&self) -> Vec<ImportUserBatchRequest> {
        self.state().batches.clone()
    }

    /// An account that an administrator made.
    pub fn create(&self, id: &str, email: &str, roles: &[&str]) {
        let user = User {
            id: id.to_owned(),
            email: email.to_owned(),
            roles: roles.iter().map(|&role| role.to_owned()).collect(),
            status: UserStatus::Active.into(),
            ..User::default()
        };
        self.save(&mut self.state(), user);
    }

    pub fn change(&self, id: &str, change: impl FnOnce(&mut User)) {
        let mut state = self.state();
        let known = state.accounts.get(id).and_then(|known| known.user.clone());
        let mut user = known.expect("the account exists");
        change(&mut user);
        self.save(&mut state, user);
    }

    pub fn status(&self, id: &str, status: UserStatus) {
        self.change(id, |user| user.status = status.into());
    }

    /// An event as it comes, in order or not.
    pub fn publish_raw(&self, change: UserChange) {
        self.publish(&mut self.state(), Change::User(change));
    }

    pub fn account(&self, email: &str) -> Option<User> {
        let state = self.state();
        let mut users = state
            .accounts
            .values()
            .filter_map(|known| known.user.clone());
        users.find(|user| user.email.eq_ignore_ascii_case(email))
    }

    pub fn accounts(&self) -> usize {
        self.state().accounts.len()
    }

    /// The sequence of the last event.
    pub fn last(&self) -> i64 {
        self.state().events.last().map_or(0, |event| event.sequence)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("no panic")
    }

    fn save(&self, state: &mut State, user: User) -> UserChange {
        let before = state
            .accounts
            .get(&user.id)
            .map_or(0, |known| known.revision);
        let change = UserChange {
            revision: before + 1,
            user: Some(user.clone()),
        };
        state.accounts.insert(user.id, change.clone());
        self.publish(state, Change::User(change.clone()));
        change
    }

    fn publish(&self, state: &mut State, change: Change) {
        let last = state.events.last().map_or(0, |event| event.sequence);
        state.events.push(UserEvent {
            // Numbers may be left out.
            sequence: last + 3,
            time: None,
            change: Some(change),
            traceparent: String::new(),
        });
        self.0.pulse.send_modify(|beat| *beat += 1);
    }

    fn let_in<T>(&self, request: &Request<T>) -> Result<(), Status> {
        if self.0.away.load(Ordering::SeqCst) {
            return Err(Status::unavailable("away"));
        }
        let value = request.metadata().get("authorization");
        let token = value.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let Some(token) = token else {
            return Err(Reason::TokenMissing.status("no token"));
        };
        let claims = super::claims(token);
        let good = claims["sub"] == "service:auth" && claims["scope"] == "portico.internal";
        good.then_some(())
            .ok_or_else(|| Reason::InternalOnly.status("not a service"))
    }
}

#[tonic::async_trait]
impl ProvisioningService for FakeUsers {
    async fn provision_user(
        &self,
        request: Request<ProvisionUserRequest>,
    ) -> Result<Response<ProvisionUserResponse>, Status> {
        self.let_in(&request)?;
        self.0.provisions.fetch_add(1, Ordering::SeqCst);
        let message = request.into_inner();
        let mut user = message.user.expect("a user");
        let mut state = self.state();
        let same = |known: &&UserChange| {
            let known = known.user.as_ref().expect("a user");
            known.email.eq_ignore_ascii_case(&user.email)
        };
        let known = state.accounts.values().find(same).cloned();
        let change = match known {
            Some(known)
                if known
                    .user
                    .as_ref()
                    .is_some_and(|user| user.id == message.id) =>
            {
                known
            }
            Some(_) => return Err(Reason::EmailTaken.status("taken")),
            None if state.accounts.contains_key(&message.id) => {
                return Err(Reason::IdempotencyKeyReused.status("another address"));
            }
            None => {
                user.id = message.id;
                user.status = UserStatus::Active.into();
                self.save(&mut state, user)
            }
        };
        if self.0.deaf.load(Ordering::SeqCst) {
            return Err(Status::unavailable("the answer was lost"));
        }
        let change = Some(change);
        Ok(Response::new(ProvisionUserResponse { change }))
    }

    async fn confirm_email(
        &self,
        request: Request<ConfirmEmailRequest>,
    ) -> Result<Response<ConfirmEmailResponse>, Status> {
        self.let_in(&request)?;
        let message = request.into_inner();
        let mut state = self.state();
        let taken = state.accounts.values().any(|known| {
            let known = known.user.as_ref().expect("a user");
            known.id != message.id && known.email.eq_ignore_ascii_case(&message.email)
        });
        let Some(known) = state.accounts.get(&message.id).cloned() else {
            return Err(Reason::UserNotFound.status("unknown"));
        };
        let mut user = known.user.clone().expect("a user");
        let has = |email: &str| user.email.eq_ignore_ascii_case(email);
        let change = if !has(&message.email) && !has(&message.previous_email) {
            return Err(Reason::StatusConflict.status("another address"));
        } else if taken {
            return Err(Reason::EmailTaken.status("taken"));
        } else if has(&message.email) && user.email_verified {
            known
        } else {
            user.email = message.email;
            user.email_verified = true;
            self.save(&mut state, user)
        };
        if self.0.deaf.load(Ordering::SeqCst) {
            return Err(Status::unavailable("the answer was lost"));
        }
        let change = Some(change);
        Ok(Response::new(ConfirmEmailResponse { change }))
    }
}

#[tonic::async_trait]
impl UserEvents for FakeUsers {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;
    type SnapshotStream = Pin<Box<dyn Stream<Item = Result<SnapshotResponse, Status>> + Send>>;

    /// One account in each part.
    async fn snapshot(
        &self,
        request: Request<SnapshotRequest>,
    ) -> Result<Response<Self::SnapshotStream>, Status> {
        self.let_in(&request)?;
        self.0.snapshots.fetch_add(1, Ordering::SeqCst);
        let state = self.state();
        let mut roles: BTreeMap<String, Role> = BTreeMap::new();
        for event in &state.events {
            match &event.change {
                Some(Change::Role(role)) => drop(roles.insert(role.name.clone(), role.clone())),
                Some(Change::DeletedRole(role)) => drop(roles.remove(&role.name)),
                _ => {}
            }
        }
        let head = SnapshotResponse {
            sequence: state.events.last().map_or(0, |event| event.sequence),
            roles: roles.into_values().collect(),
            users: Vec::new(),
        };
        let accounts = state.accounts.values().map(|change| SnapshotResponse {
            users: vec![change.clone()],
            ..SnapshotResponse::default()
        });
        let parts: Vec<_> = std::iter::once(head).chain(accounts).map(Ok).collect();
        Ok(Response::new(Box::pin(tokio_stream::iter(parts))))
    }

    async fn acknowledge(
        &self,
        request: Request<AcknowledgeRequest>,
    ) -> Result<Response<()>, Status> {
        self.let_in(&request)?;
        let sequence = request.into_inner().sequence;
        self.0.acknowledged.fetch_max(sequence, Ordering::SeqCst);
        Ok(Response::new(()))
    }

    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        self.let_in(&request)?;
        self.0.watches.fetch_add(1, Ordering::SeqCst);
        let mut after = request.into_inner().after;
        let users = self.clone();
        let stops = self.0.stops.load(Ordering::SeqCst);
        let beats = WatchStream::new(self.0.pulse.subscribe());
        // A beat now and then, so that a test that adds events fast gets them in small batches.
        let beats = beats.timeout_repeating(tokio::time::interval(Duration::from_millis(50)));
        let stream = beats
            .map(move |_| {
                if users.0.stops.load(Ordering::SeqCst) > stops {
                    return Err(Status::unavailable("stopped"));
                }
                if users.0.held.load(Ordering::SeqCst) {
                    return Ok(WatchResponse::default());
                }
                let state = users.state();
                if state.removed_through > after {
                    return Err(Reason::EventsExpired.status("gone"));
                }
                let news = state.events.iter().filter(|event| event.sequence > after);
                let events: Vec<UserEvent> = news.take(7).cloned().collect();
                after = events.last().map_or(after, |event| event.sequence);
                Ok(WatchResponse { events })
            })
            .filter(|answer| {
                answer
                    .as_ref()
                    .map_or(true, |answer| !answer.events.is_empty())
            });
        Ok(Response::new(Box::pin(stream)))
    }
}

#[tonic::async_trait]
impl TransferService for FakeUsers {
    type ExportUsersStream =
        Pin<Box<dyn Stream<Item = Result<ExportUsersResponse, Status>> + Send>>;

    async fn export_users(
        &self,
        _request: Request<ExportUsersRequest>,
    ) -> Result<Response<Self::ExportUsersStream>, Status> {
        Err(Status::unimplemented("nobody asks the made-up service"))
    }

    /// Creates what it does not know by its address, and refuses what has none.
    async fn import_user_batch(
        &self,
        request: Request<ImportUserBatchRequest>,
    ) -> Result<Response<ImportUserBatchResponse>, Status> {
        self.let_in(&request)?;
        let batch = request.into_inner();
        let failing = |left: usize| left.checked_sub(1);
        let failed = self
            .0
            .failing
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, failing);
        let mut results = Vec::new();
        for user in &batch.users {
            let known = self.account(&user.email);
            let (outcome, id) = match known {
                _ if user.email.is_empty() => (ImportOutcome::Refused, String::new()),
                Some(known) => (ImportOutcome::Skipped, known.id),
                None if batch.validate_only => (ImportOutcome::Created, String::new()),
                None => {
                    let id = uuid::Uuid::now_v7().to_string();
                    self.create(&id, &user.email, &["user"]);
                    (ImportOutcome::Created, id)
                }
            };
            results.push(ImportUserResult {
                id,
                outcome: outcome.into(),
                ..ImportUserResult::default()
            });
        }
        self.state().batches.push(batch);
        if failed.is_ok() {
            // It was done, and the answer is lost.
            return Err(Status::unavailable("away"));
        }
        Ok(Response::new(ImportUserBatchResponse { results }))
    }
}
