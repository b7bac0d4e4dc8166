//! Maps: a repeated message of key and value on the wire, an object in JSON.

use std::collections::{HashMap, HashSet};

use super::{Writer, Written, scalar};
use crate::{
    plan::{FieldPlan, Kind},
    wire::{Reader, Value},
};

/// One entry, with what its message says in pieces put together.
pub(super) struct Entry<'w> {
    pub key: Key<'w>,
    kind: Kind,
    value: Option<Value<'w>>,
    /// All pieces of a message that came in several.
    pieces: Vec<u8>,
}

/// A key as it stands on the wire; `None` is the default.
#[derive(Clone, Copy)]
pub(super) struct Key<'w> {
    kind: Kind,
    value: Option<Value<'w>>,
}

/// What makes two keys the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Identity<'w> {
    Number(u64),
    Text(&'w [u8]),
}

impl<'w> Key<'w> {
    pub fn identity(self) -> Identity<'w> {
        match self.value {
            Some(Value::Bytes(text)) => Identity::Text(text),
            None if self.kind == Kind::String => Identity::Text(b""),
            Some(value) => Identity::Number(scalar::bits(self.kind, value)),
            None => Identity::Number(0),
        }
    }
}

/// The keys of one map.
#[derive(Default)]
pub(super) struct Keys<'w> {
    few: Vec<Identity<'w>>,
    many: HashSet<Identity<'w>>,
}

/// Up to this many keys are compared one by one.
const FEW: usize = 8;

impl<'w> Keys<'w> {
    /// Adds a key; gives `false` when it was there.
    #[inline]
    pub fn insert(&mut self, key: Identity<'w>) -> bool {
        if self.few.len() < FEW {
            let new = !self.few.contains(&key);
            self.few.push(key);
            return new;
        }
        if self.many.is_empty() {
            self.many.extend(&self.few);
        }
        self.many.insert(key)
    }
}

impl Writer<'_> {
    /// Reads an entry. Gives `None` for what does not belong to the map: another wire type, or a value
    /// that a closed enum does not have.
    #[inline]
    pub(super) fn entry<'w>(
        self,
        field: &FieldPlan,
        value: Value<'w>,
    ) -> Written<Option<Entry<'w>>> {
        let (Kind::Message(id), Value::Bytes(bytes)) = (field.kind, value) else {
            return Ok(None);
        };
        // The compiler of the plans made sure that there are two.
        let [key, held, ..] = &*self.plans.get(id).fields else {
            return Ok(None);
        };
        let mut entry = Entry {
            key: Key {
                kind: key.kind,
                value: None,
            },
            kind: held.kind,
            value: None,
            pieces: Vec::new(),
        };
        let mut reader = Reader::new(bytes);
        while let Some((number, value)) = reader.next()? {
            match number {
                1 if scalar::fits(key.kind, value) => entry.key.value = Some(value),
                2 if scalar::fits(held.kind, value) => entry.add(value),
                _ => {}
            }
        }
        // Of several values the last one counts.
        let belongs = entry
            .value
            .is_none_or(|value| self.is_named(held.kind, value));
        Ok(belongs.then_some(entry))
    }

    /// Writes key, colon and value.
    #[inline]
    pub(super) fn put_entry(self, entry: &Entry<'_>, depth: u32, out: &mut Vec<u8>) -> Written {
        scalar::put_key(entry.key.kind, entry.key.value, out)?;
        out.push(b':');
        match entry.value {
            Some(Value::Bytes(_)) if !entry.pieces.is_empty() => {
                self.value(entry.kind, Value::Bytes(&entry.pieces), depth, out)
            }
            Some(value) => self.value(entry.kind, value, depth, out),
            None => self.default_value(entry.kind, depth, out),
        }
    }

    /// Writes a whole map from its entries on the wire; the last of equal keys counts.
    pub(super) fn map<'w>(
        self,
        field: &FieldPlan,
        values: impl Iterator<Item = Value<'w>>,
        depth: u32,
        out: &mut Vec<u8>,
    ) -> Written {
        let mut entries: Vec<Entry<'w>> = Vec::new();
        let mut places: HashMap<Identity<'w>, usize> = HashMap::new();
        for value in values {
            let Some(entry) = self.entry(field, value)? else {
                continue;
            };
            if let Some(&place) = places.get(&entry.key.identity()) {
                entries[place] = entry;
            } else {
                places.insert(entry.key.identity(), entries.len());
                entries.push(entry);
            }
        }
        out.push(b'{');
        for (place, entry) in entries.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            self.put_entry(entry, depth, out)?;
        }
        out.push(b'}');
        Ok(())
    }

    /// Writes what a value is that is not there.
    pub(super) fn default_value(self, kind: Kind, depth: u32, out: &mut Vec<u8>) -> Written {
        let value = match kind {
            Kind::Message(id) | Kind::Group(id) => return self.message(id, &[], depth, out),
            Kind::Enum(id) => {
                Value::Varint(i64::from(self.plans.get_enum(id).default).cast_unsigned())
            }
            Kind::String | Kind::Bytes => Value::Bytes(&[]),
            Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => Value::Fixed64(0),
            Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => Value::Fixed32(0),
            _ => Value::Varint(0),
        };
        self.value(kind, value, depth, out)
    }
}

impl<'w> Entry<'w> {
    #[inline]
    fn add(&mut self, value: Value<'w>) {
        if let (Kind::Message(_), Some(Value::Bytes(before)), Value::Bytes(piece)) =
            (self.kind, self.value, value)
        {
            if self.pieces.is_empty() {
                self.pieces.extend_from_slice(before);
            }
            self.pieces.extend_from_slice(piece);
        }
        self.value = Some(value);
    }
}
