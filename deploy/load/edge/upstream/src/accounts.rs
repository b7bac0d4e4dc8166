//! The accounts, encoded once.

use std::collections::HashMap;

use bytes::Bytes;
use portico_proto::user::v1::{ListUsersResponse, User, UserStatus};
use prost::Message;
use prost_types::Timestamp;
use tonic::Status;

/// How many there are.
const COUNT: u32 = 1000;

/// What a page holds when the request names no size.
const DEFAULT_PAGE: usize = 50;

/// Accounts as they are sent.
pub struct Accounts {
    by_id: HashMap<String, Bytes>,
    /// The list of all of them, and where each one ends in it.
    list: Bytes,
    ends: Vec<usize>,
}

impl Accounts {
    /// A thousand accounts with every field filled.
    pub fn new() -> Self {
        let mut by_id = HashMap::new();
        let (mut list, mut ends) = (Vec::new(), Vec::new());
        for number in 0..COUNT {
            let user = user(number);
            by_id.insert(user.id.clone(), user.encode_to_vec().into());
            let page = ListUsersResponse {
                users: vec![user],
                ..ListUsersResponse::default()
            };
            list.extend(page.encode_to_vec());
            ends.push(list.len());
        }
        Self {
            by_id,
            list: list.into(),
            ends,
        }
    }

    /// The id of an account that exists.
    pub fn some_id() -> String {
        id(COUNT / 2)
    }

    /// One account.
    pub fn get(&self, id: &str) -> Result<Bytes, Status> {
        let user = self.by_id.get(id);
        user.cloned()
            .ok_or_else(|| Status::not_found("no such account"))
    }

    /// The first page of the list.
    pub fn first(&self, page_size: i32) -> Result<Bytes, Status> {
        let size = usize::try_from(page_size)
            .map_err(|_negative| Status::invalid_argument("page_size must not be negative"))?;
        let size = if size == 0 { DEFAULT_PAGE } else { size };
        let end = self.ends[size.min(self.ends.len()) - 1];
        Ok(self.list.slice(..end))
    }
}

fn id(number: u32) -> String {
    format!("01932c07-91d4-7d3b-8c5a-{number:012x}")
}

fn user(number: u32) -> User {
    let time = |seconds: i64| Timestamp {
        seconds: 1_732_000_000 + seconds,
        nanos: 123_456_000,
    };
    User {
        id: id(number),
        email: format!("person.{number}@mail.example.com"),
        email_verified: true,
        display_name: format!("Zoë Person the {number}th"),
        locale: "de-AT".to_owned(),
        time_zone: "Europe/Vienna".to_owned(),
        status: UserStatus::Active.into(),
        roles: vec!["auditor".to_owned(), "member".to_owned()],
        create_time: Some(time(i64::from(number))),
        update_time: Some(time(i64::from(number) * 60)),
        etag: format!("{number:016x}"),
        ..User::default()
    }
}
