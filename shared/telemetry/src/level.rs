//! What is logged, changed while the process runs.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tracing_subscriber::{EnvFilter, reload};

use crate::filter;

/// The longest list of directives that is taken, in bytes.
pub const LONGEST: usize = 1024;

/// For how long a change holds at most: whoever makes one at night forgets it.
pub const MOST: Duration = Duration::from_hours(1);

/// What is logged. Clones share it.
#[derive(Clone)]
pub struct LogLevel(Arc<Shared>);

struct Shared {
    start: String,
    state: Mutex<State>,
    put: Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>,
}

#[derive(Clone)]
struct State {
    directives: String,
    until: Option<Instant>,
}

impl LogLevel {
    /// Begins with `start`, which must parse.
    pub(crate) fn new(
        start: &str,
        put: impl Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Shared {
            start: start.to_owned(),
            state: Mutex::new(State {
                directives: start.to_owned(),
                until: None,
            }),
            put: Box::new(put),
        }))
    }

    /// The directives that hold, and for how much longer when they are not those of the start.
    pub fn current(&self) -> (String, Option<Duration>) {
        let state = self.lock().clone();
        let left = state
            .until
            .map(|it| it.saturating_duration_since(Instant::now()));
        (state.directives, left)
    }

    /// Logs after these directives, in the form of `RUST_LOG`, for so long and at most `MOST`. What nobody
    /// may read stays unheard.
    ///
    /// # Errors
    ///
    /// Why the directives are none, in a sentence.
    pub fn set(&self, directives: &str, time: Duration) -> Result<(), String> {
        let directives = directives.trim();
        if directives.is_empty() || directives.len() > LONGEST {
            return Err(format!(
                "the body must hold directives as RUST_LOG does (`info`, \
                 `info,portico_auth=debug`), of at most {LONGEST} bytes"
            ));
        }
        let until = Instant::now() + time.min(MOST);
        self.put(directives, Some(until))?;
        tracing::warn!(
            directives,
            seconds = time.min(MOST).as_secs(),
            "log level changed"
        );
        Ok(())
    }

    /// Logs again as at the start.
    pub fn reset(&self) {
        if let Err(error) = self.put(&self.0.start, None) {
            tracing::warn!(error, "the log level stays as it is");
        } else {
            tracing::warn!(directives = self.0.start, "log level as at the start");
        }
    }

    /// Ends a change whose time is over. To be called every few seconds.
    pub fn look(&self) {
        let until = self.lock().until;
        if until.is_some_and(|until| until <= Instant::now()) {
            self.reset();
        }
    }

    fn put(&self, directives: &str, until: Option<Instant>) -> Result<(), String> {
        let filter = filter::directives(directives).map_err(|error| error.to_string())?;
        (self.0.put)(filter).map_err(|error| error.to_string())?;
        *self.lock() = State {
            directives: directives.to_owned(),
            until,
        };
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogLevel({})", self.current().0)
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn a_change_holds_for_its_time_and_no_longer() {
        let filter = filter::directives("warn").unwrap();
        let (layer, handle) = reload::Layer::new(filter);
        let level = LogLevel::new("warn", move |filter| handle.reload(filter));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let debug = || tracing::enabled!(tracing::Level::DEBUG);
            assert!(!debug());
            level.set("debug", Duration::from_hours(30)).unwrap();
            assert!(debug());
            let (directives, left) = level.current();
            assert_eq!(directives, "debug");
            assert!(left.is_some_and(|left| left <= MOST));
            level.look();
            assert!(debug(), "its time is not over");

            level.set("debug", Duration::ZERO).unwrap();
            level.look();
            assert!(!debug());
            assert_eq!(level.current(), ("warn".to_owned(), None));
        });
    }

    #[test]
    fn what_is_no_directive_changes_nothing() {
        let level = LogLevel::new("warn", |_| Ok(()));
        for bad in ["", " ", "a=b=c", &"a".repeat(LONGEST + 1)] {
            assert!(level.set(bad, MOST).is_err(), "{bad}");
        }
        assert_eq!(level.current(), ("warn".to_owned(), None));
    }
}
