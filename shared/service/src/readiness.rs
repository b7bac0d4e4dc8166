//! Whether the process can serve, and what is missing when it cannot.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};
use metrics::gauge;
use serde::Serialize;
use tokio::sync::watch;

use crate::Clock;

/// The named checks of a process. It is ready when every one that it needs is up.
#[derive(Clone)]
pub struct Readiness(Arc<Shared>);

struct Shared {
    clock: Clock,
    checks: Mutex<BTreeMap<Cow<'static, str>, Entry>>,
    ready: watch::Sender<bool>,
}

struct Entry {
    required: bool,
    reason: Option<Cow<'static, str>>,
    since: DateTime<Utc>,
}

/// A snapshot of all checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct State {
    /// Whether every required check is up.
    pub ready: bool,
    /// The checks, by name.
    pub checks: Vec<CheckState>,
}

/// A snapshot of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckState {
    /// What is checked, such as `database`.
    pub name: Cow<'static, str>,
    /// Whether it is up.
    pub ready: bool,
    /// Whether the process can serve nobody without it.
    pub required: bool,
    /// Why it is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'static, str>>,
    /// Since when it has been in this state.
    pub since: DateTime<Utc>,
}

impl Readiness {
    /// Without any check, and so ready.
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Shared {
            clock,
            checks: Mutex::default(),
            ready: watch::Sender::new(true),
        }))
    }

    /// Adds a check, which is down (`starting`) until it is said to be up. A name that is there
    /// already gives the same check.
    pub fn check(&self, name: &'static str) -> Check {
        let check = self.add(name.into(), true);
        check.show();
        check
    }

    /// Adds a check of something that the process can be without, such as one upstream of several. It is
    /// shown like the others and keeps nobody out.
    pub fn dependency(&self, name: impl Into<Cow<'static, str>>) -> Check {
        self.add(name.into(), false)
    }

    fn add(&self, name: Cow<'static, str>, required: bool) -> Check {
        let since = self.0.clock.now();
        self.0.change(|checks| {
            checks.entry(name.clone()).or_insert(Entry {
                required,
                reason: Some("starting".into()),
                since,
            });
        });
        Check {
            shared: Arc::clone(&self.0),
            name,
            required,
        }
    }

    /// All checks as they are now.
    pub fn state(&self) -> State {
        let checks: Vec<CheckState> = self
            .0
            .lock()
            .iter()
            .map(|(name, entry)| CheckState {
                name: name.clone(),
                ready: entry.reason.is_none(),
                required: entry.required,
                reason: entry.reason.clone(),
                since: entry.since,
            })
            .collect();
        State {
            ready: checks.iter().all(|check| check.ready || !check.required),
            checks,
        }
    }

    /// Whether every required check is up.
    pub fn is_ready(&self) -> bool {
        *self.0.ready.borrow()
    }

    /// Follows [`is_ready`](Self::is_ready).
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.0.ready.subscribe()
    }

    /// Waits until every required check is up.
    pub async fn wait(&self) {
        let mut ready = self.watch();
        // The sender lives in `self`.
        let _ = ready.wait_for(|ready| *ready).await;
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Cow<'static, str>, Entry>> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<Cow<'static, str>, Entry>)) {
        let mut checks = self.lock();
        change(&mut checks);
        let ready = checks
            .values()
            .all(|entry| entry.reason.is_none() || !entry.required);
        // Sent under the lock, so that two changes cannot be seen in the wrong order.
        self.ready
            .send_if_modified(|was| std::mem::replace(was, ready) != ready);
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state().fmt(f)
    }
}

/// A handle to one check. It stays as it was last set when the handle is dropped.
#[derive(Clone)]
pub struct Check {
    shared: Arc<Shared>,
    name: Cow<'static, str>,
    required: bool,
}

impl Check {
    /// What is checked can be used.
    pub fn up(&self) {
        self.set(None);
    }

    /// What is checked cannot be used. The reason is shown on the ops port: a few words, no secret.
    pub fn down(&self, why: impl Into<Cow<'static, str>>) {
        self.set(Some(why.into()));
    }

    fn show(&self) {
        let up = self
            .shared
            .lock()
            .get(&self.name)
            .is_some_and(|it| it.reason.is_none());
        gauge!("readiness_check_up", "check" => self.name.clone()).set(u32::from(up));
    }

    fn set(&self, reason: Option<Cow<'static, str>>) {
        let now = self.shared.clock.now();
        let mut turned = false;
        self.shared.change(|checks| {
            let Some(entry) = checks.get_mut(&self.name) else {
                return;
            };
            if entry.reason.is_some() != reason.is_some() {
                entry.since = now;
                turned = true;
            }
            entry.reason.clone_from(&reason);
        });
        // Whoever follows a dependency says so in words of its own.
        if !self.required {
            return;
        }
        self.show();
        let check = &*self.name;
        match reason {
            Some(reason) if turned => tracing::warn!(check, %reason, "not ready"),
            None if turned => tracing::info!(check, "ready"),
            _ => {}
        }
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Check({})", self.name)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn ready_means_that_every_check_is_up() {
        let start = DateTime::from_timestamp_micros(1_700_000_000_000_000).unwrap();
        let (clock, hand) = Clock::fixed(start);
        let readiness = Readiness::new(clock);
        assert!(readiness.is_ready());

        let (database, keys) = (readiness.check("database"), readiness.check("keys"));
        assert!(!readiness.is_ready());
        database.up();
        assert!(!readiness.is_ready());
        keys.up();
        readiness.wait().await;

        hand.advance(Duration::from_secs(5));
        keys.down("no key");
        hand.advance(Duration::from_secs(5));
        keys.down("still no key");
        let state = readiness.state();
        assert!(!state.ready);
        assert_eq!(state.checks[1].name, "keys");
        assert_eq!(state.checks[1].reason.as_deref(), Some("still no key"));
        assert_eq!(state.checks[1].since, start + Duration::from_secs(5));
        assert_eq!(state.checks[0].since, start);
    }

    #[test]
    fn a_dependency_is_shown_and_keeps_nobody_out() {
        let readiness = Readiness::new(Clock::system());
        let orders = readiness.dependency("upstream orders".to_owned());
        assert!(readiness.is_ready());
        orders.up();
        orders.down("cannot be reached");
        let state = readiness.state();
        assert!(state.ready && readiness.is_ready());
        assert_eq!(state.checks[0].name, "upstream orders");
        assert!(!state.checks[0].ready && !state.checks[0].required);
        assert_eq!(state.checks[0].reason.as_deref(), Some("cannot be reached"));
    }
}
