use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Datelike, Utc};
use uuid::Uuid;

use super::{
    Account, Invalid, UserId,
    listing::{Listing, OrderKey},
};

const VERSION: u8 = 2;

/// A place in a list of accounts: just behind one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// What the list is ordered by.
    pub key: Key,
    /// The account's id, which decides between equals.
    pub id: UserId,
}

/// What an account is ordered by.
#[derive(Clone, PartialEq, Eq)]
pub enum Key {
    /// A time.
    Time(DateTime<Utc>),
    /// A text, as it is compared.
    Text(String),
}

/// Names and addresses are personal data, and `Debug` ends up in logs.
impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Time(time) => write!(f, "{time}"),
            Self::Text(_) => f.write_str("***"),
        }
    }
}

impl Cursor {
    /// The page token: opaque, and good for this list alone.
    pub fn token(&self, listing: &Listing) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend(listing.tag);
        bytes.extend(Uuid::from(self.id).as_bytes());
        match &self.key {
            Key::Time(time) => bytes.extend(time.timestamp_micros().to_be_bytes()),
            Key::Text(text) => bytes.extend(text.as_bytes()),
        }
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a page token of that list, where an empty one is the beginning.
    pub fn parse(token: &str, listing: &Listing) -> Result<Option<Self>, Invalid> {
        if token.is_empty() {
            return Ok(None);
        }
        Self::decode(token, listing).map(Some).ok_or(Invalid(
            "must be the `next_page_token` of an earlier answer to the same query",
        ))
    }

    fn decode(token: &str, listing: &Listing) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
        let (version, rest) = bytes.split_first()?;
        let (tag, rest) = rest.split_first_chunk::<8>()?;
        let (id, key) = rest.split_first_chunk::<16>()?;
        if *version != VERSION || *tag != listing.tag {
            return None;
        }
        let key = match listing.order.key {
            OrderKey::CreateTime | OrderKey::UpdateTime => {
                let micros = i64::from_be_bytes(key.try_into().ok()?);
                Key::Time(DateTime::from_timestamp_micros(micros).filter(is_ordinary)?)
            }
            OrderKey::Email | OrderKey::DisplayName => {
                let text = std::str::from_utf8(key).ok()?;
                // No database of ours takes it in a text.
                Key::Text((!text.contains('\0')).then(|| text.to_owned())?)
            }
        };
        Some(Self {
            key,
            id: Uuid::from_bytes(*id).into(),
        })
    }
}

/// Whether a time lies where both databases have times; that of an account does.
fn is_ordinary(time: &DateTime<Utc>) -> bool {
    (DateTime::UNIX_EPOCH..DateTime::<Utc>::MAX_UTC).contains(time) && time.year() < 10_000
}

/// One page of a list.
#[derive(Debug)]
pub struct Page {
    /// The accounts.
    pub accounts: Vec<Account>,
    /// Where the next page begins.
    pub next: Option<Cursor>,
}

/// How many accounts a list has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TotalSize {
    /// As many were counted.
    pub counted: u32,
    /// Counting was given up there: there may be more.
    pub is_minimum: bool,
    /// About how many accounts there are at all, where that says something of the list.
    pub estimate: Option<u64>,
}

/// How many accounts a page has at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageSize(u16);

impl PageSize {
    const DEFAULT: u16 = 50;
    const MAX: u16 = 1000;

    /// Reads 1 to 1000, or 0 for the default of 50.
    pub fn parse(size: i32) -> Result<Self, Invalid> {
        match u16::try_from(size) {
            Ok(0) => Ok(Self(Self::DEFAULT)),
            Ok(size) if size <= Self::MAX => Ok(Self(size)),
            _ => Err(Invalid("must be 0 to 1000")),
        }
    }

    /// The number.
    pub fn get(self) -> usize {
        self.0.into()
    }
}
