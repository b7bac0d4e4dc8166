//! What requests about clients, service accounts and API keys have in common.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use portico_proto::error::{Violation, invalid};
use prost_types::{Duration, FieldMask};
use tonic::Status;
use uuid::Uuid;

/// How many a page holds when nobody says.
const PAGE_SIZE: usize = 50;

/// A UUID that a field's rule has looked at already.
pub(super) fn id_of(text: &str, field: &str) -> Result<Uuid, Status> {
    Uuid::parse_str(text).map_err(|_| invalid([Violation::new(field, "must be a UUID")]))
}

/// How much longer an old secret is asked to be good.
pub(super) fn overlap(duration: Option<Duration>) -> Result<Option<TimeDelta>, Status> {
    let Some(duration) = duration else {
        return Ok(None);
    };
    let nanos = u32::try_from(duration.nanos).ok();
    let overlap = nanos.and_then(|nanos| TimeDelta::new(duration.seconds, nanos));
    let fault = "must be between 0s and 2592000s (30 days)";
    overlap
        .map(Some)
        .ok_or_else(|| invalid([Violation::new("overlap", fault)]))
}

/// A page of things in the order of their ids.
pub(super) struct Page {
    pub(super) behind: Uuid,
    size: usize,
}

impl Page {
    pub(super) fn of(size: i32, token: &str) -> Result<Self, Status> {
        let behind = if token.is_empty() {
            Some(Uuid::nil())
        } else {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok();
            bytes.and_then(|bytes| Uuid::from_slice(&bytes).ok())
        };
        let fault = "is no next_page_token of this list";
        let behind = behind.ok_or_else(|| invalid([Violation::new("page_token", fault)]))?;
        let size = match usize::try_from(size) {
            Ok(size @ 1..) => size,
            _ => PAGE_SIZE,
        };
        Ok(Self { behind, size })
    }

    /// How many to look for: one more than the page holds tells whether there is another.
    pub(super) fn more(&self) -> u32 {
        u32::try_from(self.size + 1).unwrap_or(u32::MAX)
    }

    /// The page of what was found, and the token of the next one.
    pub(super) fn cut<T>(&self, mut found: Vec<T>, id: impl Fn(&T) -> Uuid) -> (Vec<T>, String) {
        let more = found.len() > self.size;
        found.truncate(self.size);
        let next = found.last().filter(|_| more).map(id);
        let token = next.map(|id| BASE64_URL_SAFE_NO_PAD.encode(id.as_bytes()));
        (found, token.unwrap_or_default())
    }
}

/// The fields that a change is about.
pub(super) struct Mask(Vec<String>);

impl Mask {
    /// The paths of a mask, all of which must be among `fields`.
    pub(super) fn of(mask: Option<FieldMask>, fields: &[&str]) -> Result<Self, Status> {
        let paths = mask.unwrap_or_default().paths;
        if paths.is_empty() {
            let fault = format!("must name what to change, of {}", fields.join(", "));
            return Err(invalid([Violation::new("update_mask", fault)]));
        }
        // A field of messages is replaced as a whole, whatever of it was written.
        let paths: Vec<String> = paths
            .into_iter()
            .map(|path| path.split('.').next().unwrap_or_default().to_owned())
            .collect();
        match paths.iter().find(|path| !fields.contains(&path.as_str())) {
            Some(other) => {
                let fault = format!("{other} cannot be changed; accepted: {}", fields.join(", "));
                Err(invalid([Violation::new("update_mask", fault)]))
            }
            None => Ok(Self(paths)),
        }
    }

    /// The value, if the field is to be changed.
    pub(super) fn some<T>(&self, field: &str, value: T) -> Option<T> {
        self.0.iter().any(|path| path == field).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_where_the_next_one_begins() {
        let ids: Vec<Uuid> = (1..=4).map(Uuid::from_u128).collect();
        let page = Page::of(3, "").expect("a page");
        assert_eq!((page.behind, page.more()), (Uuid::nil(), 4));
        let (found, token) = page.cut(ids.clone(), |id| *id);
        assert_eq!(found, ids[..3]);
        assert_eq!(Page::of(0, &token).expect("a token").behind, ids[2]);
        assert_eq!(page.cut(ids[..3].to_vec(), |id| *id).1, "");
        assert!(Page::of(0, "?").is_err() && Page::of(0, "AAAA").is_err());
    }

    #[test]
    fn a_mask_names_fields_that_can_be_changed() {
        let mask = |paths: &[&str]| {
            let paths = paths.iter().map(ToString::to_string).collect();
            Mask::of(Some(FieldMask { paths }), &["name", "keys"])
        };
        let some = mask(&["keys.list"]).expect("a mask");
        assert_eq!(
            (some.some("keys", 1), some.some("name", 1)),
            (Some(1), None)
        );
        assert!(mask(&["id"]).is_err() && mask(&[]).is_err());
    }
}
