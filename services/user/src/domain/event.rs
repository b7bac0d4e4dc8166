use chrono::{DateTime, Utc};

/// An event at its place in the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The place: grows with each event, and leaves numbers out.
    pub sequence: i64,
    /// When the change was made.
    pub time: DateTime<Utc>,
    /// The encoded `portico.user.v1.UserEvent`, without its sequence.
    pub payload: Vec<u8>,
}
