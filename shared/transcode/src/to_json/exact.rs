//! Messages whose fields come in pieces: gathered first, written then.

use std::collections::BTreeMap;

use super::{Writer, Written, put_key, scalar, within};
use crate::{
    plan::{FieldPlan, Kind, Label, MessageId},
    wire::{Reader, Value},
};

/// What came of each field that is there, by the field's index.
type Gathered<'w> = BTreeMap<usize, Vec<Value<'w>>>;

impl Writer<'_> {
    /// Writes the members of an object, whatever pieces they come in.
    pub(super) fn gathered(
        self,
        id: MessageId,
        wire: &[u8],
        depth: u32,
        out: &mut Vec<u8>,
    ) -> Written {
        let plan = self.plans.get(id);
        for (index, values) in self.gather(id, wire)? {
            let field = &plan.fields[index];
            self.member(field, &values, depth, out)
                .map_err(|error| within(error, &field.json_name))?;
        }
        Ok(())
    }

    /// Writes one field alone, and its default when it is not there.
    pub(super) fn only(
        self,
        id: MessageId,
        field: &FieldPlan,
        wire: &[u8],
        out: &mut Vec<u8>,
    ) -> Written {
        let plan = self.plans.get(id);
        let mut gathered = self.gather(id, wire)?;
        let index = plan.index_of(field.number, 0);
        let values = index.and_then(|index| gathered.remove(&index));
        self.whole(field, &values.unwrap_or_default(), 1, out)
            .map_err(|error| within(error, &field.json_name))
    }

    fn gather(self, id: MessageId, wire: &[u8]) -> Written<Gathered<'_>> {
        let plan = self.plans.get(id);
        let mut gathered = Gathered::new();
        let mut members: BTreeMap<u32, usize> = BTreeMap::new();
        let mut reader = Reader::new(wire);
        while let Some((number, value)) = reader.next()? {
            let Some(index) = plan.index_of(number, 0) else {
                continue;
            };
            let field = &plan.fields[index];
            if field.label != Label::Singular {
                gathered.entry(index).or_default().push(value);
                continue;
            }
            if !self.belongs(field.kind, value) {
                continue;
            }
            // The last member of a oneof counts, and an earlier other one is forgotten.
            if let Some(oneof) = field.oneof
                && let Some(before) = members.insert(oneof, index)
                && before != index
            {
                gathered.remove(&before);
            }
            let values = gathered.entry(index).or_default();
            // The last scalar counts; the pieces of a message are merged.
            if field.kind.message().is_none() {
                values.clear();
            }
            values.push(value);
        }
        Ok(gathered)
    }

    fn member(
        self,
        field: &FieldPlan,
        values: &[Value<'_>],
        depth: u32,
        out: &mut Vec<u8>,
    ) -> Written {
        let left_out = match (field.label, values) {
            (Label::Singular, [value]) => !field.presence && scalar::is_default(field.kind, *value),
            _ => false,
        };
        if left_out {
            return Ok(());
        }
        let before = out.len();
        put_key(field, out);
        let start = out.len();
        self.whole(field, values, depth + 1, out)?;
        // A list or a map that turned out empty is not there.
        if field.label != Label::Singular && out.len() == start + 2 {
            out.truncate(before);
        }
        Ok(())
    }

    /// Writes the value of a field from all that came of it.
    fn whole(
        self,
        field: &FieldPlan,
        values: &[Value<'_>],
        depth: u32,
        out: &mut Vec<u8>,
    ) -> Written {
        match field.label {
            Label::Map => self.map(field, values.iter().copied(), depth, out),
            Label::Repeated { .. } => {
                out.push(b'[');
                for value in values {
                    for element in scalar::elements(field.kind, *value) {
                        let element = element?;
                        if !self.belongs(field.kind, element) {
                            continue;
                        }
                        if out.last() != Some(&b'[') {
                            out.push(b',');
                        }
                        self.value(field.kind, element, depth, out)?;
                    }
                }
                out.push(b']');
                Ok(())
            }
            Label::Singular => match values {
                [] => self.default_value(field.kind, depth, out),
                [value] => self.value(field.kind, *value, depth, out),
                pieces => {
                    // Messages merge by standing one behind the other.
                    let mut merged = Vec::new();
                    for piece in pieces {
                        if let Value::Bytes(bytes) | Value::Group(bytes) = piece {
                            merged.extend_from_slice(bytes);
                        }
                    }
                    let merged = match field.kind {
                        Kind::Group(_) => Value::Group(&merged),
                        _ => Value::Bytes(&merged),
                    };
                    self.value(field.kind, merged, depth, out)
                }
            },
        }
    }
}
