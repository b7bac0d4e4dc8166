//! Randomness as a parameter.

use chrono::{DateTime, Utc};
use ring::rand::{SecureRandom, SystemRandom};
use uuid::Uuid;

/// Where random bytes come from: the operating system.
#[derive(Clone, Debug)]
pub(crate) struct Random(SystemRandom);

impl Random {
    pub(crate) fn system() -> Self {
        Self(SystemRandom::new())
    }

    /// That many bytes that nobody can guess.
    pub(crate) fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0
            .fill(&mut bytes)
            .expect("an operating system that gives no random bytes cannot run this service");
        bytes
    }

    /// A `UUIDv7`: ids that are made later sort later.
    pub(crate) fn uuid(&self, now: DateTime<Utc>) -> Uuid {
        let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &self.bytes()).into_uuid()
    }
}
