/// How often an account has been changed: 1 when it is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(i64);

impl Revision {
    /// Of a new account.
    pub const FIRST: Self = Self(1);

    /// The one after a change.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The number.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// What a client sends back to say which state it has seen.
    pub fn etag(self) -> Etag {
        Etag(self.0.to_string())
    }
}

impl From<i64> for Revision {
    fn from(number: i64) -> Self {
        Self(number)
    }
}

/// The state of an account that a client has seen: the revision in decimal.
///
/// Any text may come as one. What the service never gave matches nothing, and that is the whole check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Etag(String);

impl Etag {
    /// What came in a request, where empty means that any state will do.
    pub fn expected(text: String) -> Option<Self> {
        (!text.is_empty()).then_some(Self(text))
    }

    /// The text for the answer.
    pub fn into_string(self) -> String {
        self.0
    }
}
