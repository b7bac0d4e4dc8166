//! Protobuf → JSON: reads the wire format and writes `ProtoJSON` as it goes.
//!
//! Encoders nearly always write each field once and each list in one piece. Then a message is written
//! in one pass, whatever the order of its fields ([`Writer::in_one_pass`]). When a field turns up again
//! (a scalar that is overwritten, a list or a nested message in pieces, a second member of a oneof, a
//! map key that repeats), what was written of the message is dropped, and it is gathered first and
//! written then ([`exact`]).

#![expect(
    clippy::unnecessary_box_returns,
    reason = "errors travel in a box, so that success stays small"
)]

mod exact;
mod known;
mod map;
mod scalar;
pub(crate) mod text;

use crate::{
    error::{WireError, WireFault, prepend},
    plan::{FieldPlan, Kind, Label, MessageId, Plans, Shape},
    seen::Seen,
    wire::{MAX_DEPTH, Reader, Value},
};
use map::Keys;

/// Errors travel in a box, so that success stays small.
type Written<T = ()> = Result<T, Box<WireError>>;

impl From<WireFault> for Box<WireError> {
    #[cold]
    fn from(fault: WireFault) -> Self {
        Self::new(WireError {
            path: String::new(),
            fault,
        })
    }
}

impl Plans {
    /// Reads a message in protobuf form and appends its `ProtoJSON` form to `out`, which stays as it
    /// was on error. Fields that the message does not have are passed over.
    pub fn to_json(&self, id: MessageId, wire: &[u8], out: &mut Vec<u8>) -> Result<(), WireError> {
        self.write_whole(out, |writer, out| writer.message(id, wire, 0, out))
    }

    /// Appends the JSON form of one field of a message in protobuf form. A field that is not there
    /// counts as its default, and a message that is not there as an empty one.
    pub(crate) fn field_to_json(
        &self,
        id: MessageId,
        field: &FieldPlan,
        wire: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), WireError> {
        self.write_whole(out, |writer, out| writer.only(id, field, wire, out))
    }

    fn write_whole(
        &self,
        out: &mut Vec<u8>,
        write: impl FnOnce(Writer<'_>, &mut Vec<u8>) -> Written,
    ) -> Result<(), WireError> {
        let before = out.len();
        let writer = Writer {
            plans: self,
            exact: false,
        };
        write(writer, out).map_err(|error| {
            out.truncate(before);
            *error
        })
    }
}

#[derive(Clone, Copy)]
struct Writer<'p> {
    plans: &'p Plans,
    /// Whether a message around this one is being written exactly already. Trying the one pass again
    /// at each level would double the work with each of them.
    exact: bool,
}

/// How a message was written.
#[derive(PartialEq, Eq)]
enum Pass {
    Done,
    /// A field turned up again; what was written means nothing.
    InPieces,
}

impl Writer<'_> {
    fn message(self, id: MessageId, wire: &[u8], depth: u32, out: &mut Vec<u8>) -> Written {
        if depth >= MAX_DEPTH {
            return Err(WireFault::Depth.into());
        }
        match self.plans.get(id).shape {
            Shape::Object | Shape::Empty => {
                out.push(b'{');
                self.members(id, wire, depth, out)?;
                out.push(b'}');
                Ok(())
            }
            shape => self.known(shape, id, wire, depth, out),
        }
    }

    /// Writes the members of an object without its braces.
    fn members(self, id: MessageId, wire: &[u8], depth: u32, out: &mut Vec<u8>) -> Written {
        if self.exact {
            return self.gathered(id, wire, depth, out);
        }
        let before = out.len();
        match self.in_one_pass(id, wire, depth, out) {
            Ok(Pass::Done) => return Ok(()),
            Err(error) if matches!(error.fault, WireFault::Malformed | WireFault::Depth) => {
                return Err(error);
            }
            // A value without a JSON form may be one that is overwritten further on.
            Ok(Pass::InPieces) | Err(_) => {}
        }
        out.truncate(before);
        let exact = Self {
            exact: true,
            ..self
        };
        exact.gathered(id, wire, depth, out)
    }

    fn in_one_pass(
        self,
        id: MessageId,
        wire: &[u8],
        depth: u32,
        out: &mut Vec<u8>,
    ) -> Written<Pass> {
        let plan = self.plans.get(id);
        let mut reader = Reader::new(wire);
        let (mut seen, mut oneofs) = (Seen::default(), Seen::default());
        let mut hint = 0;
        let mut list = List::default();
        while let Some((number, value)) = reader.next()? {
            let Some(index) = plan.index_of(number, hint) else {
                continue;
            };
            let field = &plan.fields[index];
            match field.label {
                Label::Singular => {
                    if value.wire_type() != field.wire_type || !self.is_named(field.kind, value) {
                        continue;
                    }
                    list.close(out);
                    let again = !seen.insert(index)
                        || field
                            .oneof
                            .is_some_and(|oneof| !oneofs.insert(oneof as usize));
                    if again {
                        return Ok(Pass::InPieces);
                    }
                    hint = index + 1;
                    if field.presence || !scalar::is_default(field.kind, value) {
                        put_key(field, out);
                        self.value(field.kind, value, depth + 1, out)
                            .map_err(|error| within(error, &field.json_name))?;
                    }
                }
                Label::Repeated { .. } => {
                    hint = index;
                    for element in scalar::elements(field.kind, value) {
                        let element = element?;
                        if !self.belongs(field.kind, element) {
                            continue;
                        }
                        if !list.next(index, field, b'[', &mut seen, out) {
                            return Ok(Pass::InPieces);
                        }
                        self.value(field.kind, element, depth + 1, out)
                            .map_err(|error| within(error, &field.json_name))?;
                    }
                }
                Label::Map => {
                    hint = index;
                    let Some(entry) = self.entry(field, value)? else {
                        continue;
                    };
                    if !list.next(index, field, b'{', &mut seen, out)
                        || !list.keys.insert(entry.key.identity())
                    {
                        return Ok(Pass::InPieces);
                    }
                    self.put_entry(&entry, depth + 1, out)
                        .map_err(|error| within(error, &field.json_name))?;
                }
            }
        }
        list.close(out);
        Ok(Pass::Done)
    }

    /// Whether a value on the wire is one of the field's: another wire type, or a number that a closed
    /// enum does not have, makes it an unknown field.
    #[inline]
    fn belongs(self, kind: Kind, value: Value<'_>) -> bool {
        scalar::fits(kind, value) && self.is_named(kind, value)
    }

    /// Whether a value is none of a closed enum that has no name for it.
    #[inline]
    fn is_named(self, kind: Kind, value: Value<'_>) -> bool {
        match (kind, value) {
            (Kind::Enum(id), Value::Varint(number)) => {
                let plan = self.plans.get_enum(id);
                !plan.closed || plan.name(scalar::int32(number)).is_some()
            }
            _ => true,
        }
    }

    /// Writes one value. `depth` is the depth of a message in it.
    #[inline]
    fn value(self, kind: Kind, value: Value<'_>, depth: u32, out: &mut Vec<u8>) -> Written {
        match (kind, value) {
            (Kind::Message(id), Value::Bytes(inner)) | (Kind::Group(id), Value::Group(inner)) => {
                self.message(id, inner, depth, out)
            }
            _ => Ok(scalar::put(self.plans, kind, value, out)?),
        }
    }
}

/// The list or map that is being written.
#[derive(Default)]
struct List<'w> {
    /// The field's index and the bracket that ends it.
    open: Option<(usize, u8)>,
    keys: Keys<'w>,
}

impl List<'_> {
    /// Makes ready for the next element; gives `false` when the field had ended before.
    #[inline]
    fn next(
        &mut self,
        index: usize,
        field: &FieldPlan,
        bracket: u8,
        seen: &mut Seen,
        out: &mut Vec<u8>,
    ) -> bool {
        if self.open.is_some_and(|(open, _)| open == index) {
            out.push(b',');
            return true;
        }
        self.close(out);
        if !seen.insert(index) {
            return false;
        }
        put_key(field, out);
        out.push(bracket);
        // In ASCII a bracket's partner is two further on.
        self.open = Some((index, bracket + 2));
        true
    }

    #[inline]
    fn close(&mut self, out: &mut Vec<u8>) {
        if let Some((_, bracket)) = self.open.take() {
            out.push(bracket);
            self.keys = Keys::default();
        }
    }
}

/// Writes a member's name, after a comma if it is not the first. No value ends with an opening brace,
/// so the last byte tells.
#[inline]
fn put_key(field: &FieldPlan, out: &mut Vec<u8>) {
    let first = out.last() == Some(&b'{');
    field.key.write_from(usize::from(first), out);
}

/// The error, one step further out.
#[cold]
fn within(mut error: Box<WireError>, step: &str) -> Box<WireError> {
    prepend(&mut error.path, step);
    error
}

#[cfg(test)]
mod tests;
