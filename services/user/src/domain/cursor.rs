use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use ring::digest;
use uuid::Uuid;

use super::{Account, Invalid, UserId};

const VERSION: u8 = 1;
/// What the page is of. A token for another order or filter is refused, since it names another place.
const QUERY: &[u8] = b"users by create_time, id; all";
const TAG: usize = 4;
const LENGTH: usize = 1 + TAG + 8 + 16;

/// A place in the list of accounts: just behind one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// When the account was created.
    pub create_time: DateTime<Utc>,
    /// Its id, which decides between accounts of the same time.
    pub id: UserId,
}

impl Cursor {
    /// The place just behind that account.
    pub fn behind(account: &Account) -> Self {
        Self {
            create_time: account.create_time,
            id: account.id,
        }
    }

    /// The page token: opaque, and good for this list alone.
    pub fn token(&self) -> String {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.push(VERSION);
        bytes.extend(tag());
        bytes.extend(self.create_time.timestamp_micros().to_be_bytes());
        bytes.extend(Uuid::from(self.id).as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a page token, where an empty one is the beginning of the list.
    pub fn parse(token: &str) -> Result<Option<Self>, Invalid> {
        if token.is_empty() {
            return Ok(None);
        }
        Self::decode(token).map(Some).ok_or(Invalid(
            "must be the `next_page_token` of an earlier answer to the same query",
        ))
    }

    fn decode(token: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
        let (version, rest) = bytes.split_first()?;
        let (query, rest) = rest.split_at_checked(TAG)?;
        if *version != VERSION || query != tag() {
            return None;
        }
        let (micros, id) = rest.split_first_chunk::<8>()?;
        Some(Self {
            create_time: DateTime::from_timestamp_micros(i64::from_be_bytes(*micros))?,
            id: Uuid::from_slice(id).ok()?.into(),
        })
    }
}

fn tag() -> [u8; TAG] {
    let digest = digest::digest(&digest::SHA256, QUERY);
    let (tag, _) = digest
        .as_ref()
        .split_first_chunk()
        .expect("a SHA-256 digest has 32 bytes");
    *tag
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
