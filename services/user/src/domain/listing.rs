use ring::digest;

use super::{Filter, FilterError, Invalid};

/// How many words a search may have.
const MAX_WORDS: usize = 8;

/// What a list is of, and in which order.
#[derive(Clone, Debug)]
pub struct Listing {
    /// What accounts have to be like.
    pub filter: Option<Filter>,
    /// What has to stand in their names and addresses.
    pub words: Vec<Word>,
    /// Which of them come first.
    pub order: Order,
    /// Whether deleted ones are among them.
    pub with_deleted: bool,
    /// What tells this list from others.
    pub(super) tag: Tag,
}

/// The first bytes of a digest of a query.
pub(super) type Tag = [u8; 8];

/// Why a list cannot be made, by the field of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unlistable {
    /// The filter makes no sense.
    Filter(FilterError),
    /// A field breaks its rule.
    Field(&'static str, Invalid),
}

impl Listing {
    /// Reads a query.
    pub fn parse(
        filter: &str,
        search: &str,
        order_by: &str,
        with_deleted: bool,
    ) -> Result<Self, Unlistable> {
        let order = Order::parse(order_by).map_err(|error| Unlistable::Field("order_by", error))?;
        if with_deleted && order.key != OrderKey::CreateTime {
            let fault = Invalid("must be `create_time` or `create_time desc` with `show_deleted`");
            return Err(Unlistable::Field("order_by", fault));
        }
        let mut hash = digest::Context::new(&digest::SHA256);
        for part in [filter, search, order.name()] {
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        hash.update(&[u8::from(with_deleted)]);
        let digest = hash.finish();
        let tag = digest.as_ref().first_chunk().copied();
        Ok(Self {
            filter: Filter::parse(filter).map_err(Unlistable::Filter)?,
            words: words(search).map_err(|error| Unlistable::Field("search", error))?,
            order,
            with_deleted,
            tag: tag.unwrap_or_default(),
        })
    }

    /// The conditions of the filter that all have to hold.
    pub fn conjuncts(&self) -> &[Filter] {
        self.filter.as_ref().map_or(&[], Filter::conjuncts)
    }
}

/// What accounts are ordered by; the id decides between equals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The field.
    pub key: OrderKey,
    /// Whether the greatest comes first.
    pub descending: bool,
}

/// A field to order by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderKey {
    /// When the account was created.
    CreateTime,
    /// When it was last changed.
    UpdateTime,
    /// The address.
    Email,
    /// What the person is called on screens, without regard to case.
    DisplayName,
}

const ORDERS: [(&str, OrderKey, bool); 8] = [
    ("create_time", OrderKey::CreateTime, false),
    ("create_time desc", OrderKey::CreateTime, true),
    ("update_time", OrderKey::UpdateTime, false),
    ("update_time desc", OrderKey::UpdateTime, true),
    ("email", OrderKey::Email, false),
    ("email desc", OrderKey::Email, true),
    ("display_name", OrderKey::DisplayName, false),
    ("display_name desc", OrderKey::DisplayName, true),
];

impl Order {
    /// Reads an order (AIP-132); nothing is the oldest first.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let name = match words.as_slice() {
            [] => "create_time".to_owned(),
            [field, "asc"] => (*field).to_owned(),
            words => words.join(" "),
        };
        let known = ORDERS.into_iter().find(|order| order.0 == name);
        known
            .map(|(_, key, descending)| Self { key, descending })
            .ok_or(Invalid(
                "must be one of `create_time`, `update_time`, `email` and `display_name`, with ` desc` \
                 behind it for the other direction",
            ))
    }

    fn name(self) -> &'static str {
        ORDERS
            .into_iter()
            .find(|order| (order.1, order.2) == (self.key, self.descending))
            .map_or("", |order| order.0)
    }
}

/// A word that is searched for.
#[derive(Clone, PartialEq, Eq)]
pub struct Word(String);

impl Word {
    /// The word as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is looked for at the beginning of names and of the address alone. Less than three
    /// characters say too little to be looked for everywhere.
    pub fn begins(&self) -> bool {
        self.0.chars().nth(2).is_none()
    }
}

/// What is searched for may be personal, and `Debug` ends up in logs.
impl std::fmt::Debug for Word {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Word(***)")
    }
}

fn words(search: &str) -> Result<Vec<Word>, Invalid> {
    if search.chars().any(char::is_control) {
        return Err(Invalid("must not have control characters"));
    }
    let words: Vec<Word> = search
        .split_whitespace()
        .map(|word| Word(word.to_owned()))
        .collect();
    if words.len() > MAX_WORDS {
        return Err(Invalid("must have at most 8 words"));
    }
    Ok(words)
}
