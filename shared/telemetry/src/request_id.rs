//! The id by which a person finds a request in every log.

use uuid::Uuid;

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
        _ => Uuid::now_v7().to_string(),
    }
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
