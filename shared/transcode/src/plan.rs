//! Message descriptors, compiled once into flat tables that both directions run over.

mod compile;
mod names;

use std::collections::HashMap;

use prost_reflect::DescriptorPool;

pub(crate) use names::Names;

/// The messages and enums of one descriptor pool, ready to be read and written.
///
/// It holds no descriptor, so many threads can use one without sharing a reference count.
#[derive(Debug)]
pub struct Plans {
    messages: Vec<MessagePlan>,
    enums: Vec<EnumPlan>,
    by_name: HashMap<Box<str>, MessageId>,
}

/// A message of the [`Plans`] that gave it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MessageId(u32);

/// An enum of the [`Plans`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EnumId(u32);

#[derive(Debug)]
pub(crate) struct MessagePlan {
    pub full_name: Box<str>,
    pub shape: Shape,
    /// In the order of their numbers.
    pub fields: Box<[FieldPlan]>,
    /// JSON names and original names.
    names: Names,
    /// The index of a field by its number, for the small numbers; `NONE` where there is none.
    dense: Box<[u32]>,
}

const NONE: u32 = u32::MAX;

/// Which of the JSON forms of <https://protobuf.dev/programming-guides/json/> a message has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// An object with a member for each field.
    Object,
    /// As `Object`, and an `Any` still puts it under `value`.
    Empty,
    Timestamp,
    Duration,
    FieldMask,
    Struct,
    Value,
    ListValue,
    /// The JSON form of its only field.
    Wrapper,
    Any,
}

impl Shape {
    /// Whether an `Any` puts the JSON form under `value`.
    pub fn is_special(self) -> bool {
        self != Self::Object
    }
}

#[derive(Debug)]
pub(crate) struct FieldPlan {
    pub number: u32,
    pub name: Box<str>,
    pub json_name: Box<str>,
    /// `,"jsonName":`, escaped.
    pub key: Key,
    pub kind: Kind,
    /// The kind's.
    pub wire_type: u32,
    pub label: Label,
    /// Whether a value that equals the default is there all the same.
    pub presence: bool,
    /// The index of the oneof that it belongs to.
    pub oneof: Option<u32>,
    /// Whether `google.api.field_behavior` says `OUTPUT_ONLY`.
    pub output_only: bool,
}

/// What stands before a member's value, with room behind it: a copy of a length that the compiler knows costs
/// a fraction of one that it does not.
#[derive(Debug)]
pub(crate) struct Key {
    padded: Box<[u8]>,
    length: usize,
}

impl Key {
    const COPIED: usize = 32;

    pub fn new(mut padded: Vec<u8>) -> Self {
        let length = padded.len();
        padded.resize(length + Self::COPIED, 0);
        Self {
            padded: padded.into(),
            length,
        }
    }

    /// Writes it, but for its first bytes.
    #[inline]
    pub fn write_from(&self, start: usize, out: &mut Vec<u8>) {
        let end = out.len() + self.length - start;
        match self.padded[start..].first_chunk::<{ Self::COPIED }>() {
            Some(chunk) if self.length - start <= Self::COPIED => {
                out.extend_from_slice(chunk);
                out.truncate(end);
            }
            _ => out.extend_from_slice(&self.padded[start..self.length]),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    Singular,
    Repeated {
        packed: bool,
    },
    /// The field's kind is the entry, whose first field is the key and whose second is the value.
    Map,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    String,
    Bytes,
    Enum(EnumId),
    Message(MessageId),
    /// A message between a start and an end tag.
    Group(MessageId),
}

#[derive(Debug)]
pub(crate) struct EnumPlan {
    /// Whether numbers without a name do not belong to the enum.
    pub closed: bool,
    /// Whether it is `google.protobuf.NullValue`.
    pub is_null: bool,
    /// The number of the first value.
    pub default: i32,
    /// Each number with its first name in quotes, in the order of the numbers.
    values: Box<[(i32, Box<str>)]>,
    names: Names,
}

impl Plans {
    /// Compiles every message and enum of a pool. Make the pool with [`pool`](crate::pool), so that
    /// files of protobuf editions keep their meaning.
    pub fn compile(pool: &DescriptorPool) -> Self {
        compile::compile(pool)
    }

    /// The message of that full name, such as `portico.user.v1.User`.
    pub fn message(&self, full_name: &str) -> Option<MessageId> {
        self.by_name.get(full_name).copied()
    }

    /// A field path with original names, as services put it into violations, in JSON names:
    /// `user.display_name` becomes `user.displayName`. What is no field of the message stays as it is.
    pub fn json_path(&self, id: MessageId, path: &str) -> String {
        let mut out = String::with_capacity(path.len());
        let (mut at, mut rest) = (Some(id), path);
        while !rest.is_empty() {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (name, tail) = rest.split_at(end);
            let field = at.and_then(|id| self.field(id, name));
            out.push_str(field.map_or(name, |field| &field.json_name));
            at = field.and_then(|field| self.inner(field));
            rest = tail;
            if rest.starts_with('[') {
                let end = subscript_end(rest);
                out.push_str(&rest[..end]);
                rest = &rest[end..];
            }
            if let Some(tail) = rest.strip_prefix('.') {
                out.push('.');
                rest = tail;
            }
        }
        out
    }

    #[inline]
    pub(crate) fn get(&self, id: MessageId) -> &MessagePlan {
        &self.messages[id.0 as usize]
    }

    #[inline]
    pub(crate) fn get_enum(&self, id: EnumId) -> &EnumPlan {
        &self.enums[id.0 as usize]
    }

    /// A field of a message by either name.
    pub(crate) fn field(&self, id: MessageId, name: &str) -> Option<&FieldPlan> {
        let plan = self.get(id);
        plan.index_of_name(name.as_bytes())
            .map(|index| &plan.fields[index])
    }

    /// The message that a field holds; for a map the message of its values.
    pub(crate) fn inner(&self, field: &FieldPlan) -> Option<MessageId> {
        let id = field.kind.message()?;
        match field.label {
            Label::Map => self.get(id).fields[1].kind.message(),
            _ => Some(id),
        }
    }

    /// Whether JSON `null` is a value of the kind, and not the absence of one.
    #[inline]
    pub(crate) fn null_is_value(&self, kind: Kind) -> bool {
        match kind {
            Kind::Enum(id) => self.get_enum(id).is_null,
            Kind::Message(id) | Kind::Group(id) => self.get(id).shape == Shape::Value,
            _ => false,
        }
    }
}

/// The length of a subscript such as `[3]` or `["a]b"]` at the start of a text.
fn subscript_end(text: &str) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ']' if !quoted => return at + 1,
            _ => {}
        }
    }
    text.len()
}

impl MessagePlan {
    /// The index of the field with a number. `hint` is the index that is most likely.
    #[inline]
    pub fn index_of(&self, number: u32, hint: usize) -> Option<usize> {
        if self.fields.get(hint).is_some_and(|f| f.number == number) {
            return Some(hint);
        }
        match self.dense.get(number as usize) {
            Some(&NONE) => None,
            Some(&index) => Some(index as usize),
            None => self.fields.binary_search_by_key(&number, |f| f.number).ok(),
        }
    }

    /// The index of the field with a JSON name or an original name.
    #[inline]
    pub fn index_of_name(&self, name: &[u8]) -> Option<usize> {
        self.names.get(name).map(|index| index as usize)
    }
}

impl Kind {
    /// The message that it holds, if it holds one.
    #[inline]
    pub fn message(self) -> Option<MessageId> {
        match self {
            Self::Message(id) | Self::Group(id) => Some(id),
            _ => None,
        }
    }

    /// Whether several values can stand in one length-delimited field.
    #[inline]
    pub fn is_packable(self) -> bool {
        !matches!(
            self,
            Self::String | Self::Bytes | Self::Message(_) | Self::Group(_)
        )
    }

    /// The wire type of one value.
    #[inline]
    pub fn wire_type(self) -> u32 {
        use crate::wire::{BYTES, FIXED32, FIXED64, START_GROUP, VARINT};
        match self {
            Self::Double | Self::Fixed64 | Self::Sfixed64 => FIXED64,
            Self::Float | Self::Fixed32 | Self::Sfixed32 => FIXED32,
            Self::String | Self::Bytes | Self::Message(_) => BYTES,
            Self::Group(_) => START_GROUP,
            _ => VARINT,
        }
    }
}

impl EnumPlan {
    /// A value's first name in quotes.
    #[inline]
    pub fn name(&self, number: i32) -> Option<&str> {
        // Most enums count from zero.
        let guess = usize::try_from(number)
            .ok()
            .and_then(|i| self.values.get(i));
        if let Some((found, name)) = guess
            && *found == number
        {
            return Some(name);
        }
        let at = self.values.binary_search_by_key(&number, |v| v.0).ok()?;
        Some(&self.values[at].1)
    }

    /// The number of a value by any of its names.
    #[inline]
    pub fn number(&self, name: &[u8]) -> Option<i32> {
        self.names.get(name).map(u32::cast_signed)
    }
}

#[cfg(test)]
mod tests;
