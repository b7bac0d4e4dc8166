//! Randomness as a parameter.

use std::{fmt, sync::Arc};

use chrono::{DateTime, Utc};
use ring::rand::{SecureRandom, SystemRandom};
use uuid::Uuid;

/// Where random bytes come from.
#[derive(Clone)]
pub(crate) struct Random(Arc<dyn Fn(&mut [u8]) + Send + Sync>);

impl Random {
    /// The operating system's.
    pub(crate) fn system() -> Self {
        let system = SystemRandom::new();
        Self(Arc::new(move |bytes| {
            system
                .fill(bytes)
                .expect("an operating system that gives no random bytes cannot run this service");
        }))
    }

    /// That many bytes that nobody can guess.
    pub(crate) fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.0)(&mut bytes);
        bytes
    }

    /// A UUIDv7: ids that are made later sort later.
    pub(crate) fn uuid(&self, now: DateTime<Utc>) -> Uuid {
        let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &self.bytes()).into_uuid()
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}
