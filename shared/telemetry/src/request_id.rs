//! The id by which a person finds a request in every log.

use std::{
    cell::Cell,
    hash::{BuildHasher, RandomState},
    time::SystemTime,
};

use uuid::{Builder, Uuid};

/// The header, and the gRPC metadata key, that carries it.
pub const HEADER: &str = "x-request-id";

/// The longest id that is taken over from a client, in bytes.
const LONGEST: usize = 128;

/// Whether an id may be taken over: 1 to 128 characters of `A–Z a–z 0–9 . _ -`. Anything else could
/// forge log lines.
pub fn is_sane(id: &str) -> bool {
    (1..=LONGEST).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// The id that the client sent when it is sane, otherwise a new UUID (version 7).
pub fn accept_or_new(sent: Option<&str>) -> String {
    match sent {
        Some(id) if is_sane(id) => id.to_owned(),
        _ => fresh().to_string(),
    }
}

/// A new UUID (version 7). An id has to differ from others, not to be a secret, so its random part is
/// counted through a hash with a random key of the thread's own: the system is not asked each time.
fn fresh() -> Uuid {
    thread_local! {
        static KEY: RandomState = RandomState::new();
        static COUNT: Cell<u64> = const { Cell::new(0) };
    }
    let since_1970 = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let count = COUNT.replace(COUNT.get().wrapping_add(1));
    let (high, low) = KEY.with(|key| (key.hash_one((count, 0_u8)), key.hash_one((count, 1_u8))));
    let mut random = [0; 10];
    random[..8].copy_from_slice(&high.to_ne_bytes());
    random[8..].copy_from_slice(&low.to_ne_bytes()[..2]);
    let milliseconds = u64::try_from(since_1970.as_millis()).unwrap_or_default();
    Builder::from_unix_timestamp_millis(milliseconds, &random).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sane_id_is_kept() {
        assert_eq!(accept_or_new(Some("req-1.A_b")), "req-1.A_b");
        assert_eq!(accept_or_new(Some(&"a".repeat(128))).len(), 128);
    }

    #[test]
    fn anything_else_is_replaced() {
        for bad in ["", "a b", "a\nb", "é", "a\"b", &"a".repeat(129)] {
            let id = accept_or_new(Some(bad));
            assert_ne!(id, bad);
            assert!(Uuid::parse_str(&id).is_ok());
        }
        assert_ne!(accept_or_new(None), accept_or_new(None));
    }
}
