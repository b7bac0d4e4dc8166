//! The JSON forms of the well-known types.

use super::{Writer, Written, scalar, text, within};
use crate::{
    error::WireFault,
    plan::{FieldPlan, Kind, MessageId, Shape},
    time::{self, Parts},
    wire::{self, Reader, Value},
};

impl Writer<'_> {
    /// Writes a message whose JSON form is its own. All of them may come in pieces.
    pub(super) fn known(
        self,
        shape: Shape,
        id: MessageId,
        wire: &[u8],
        depth: u32,
        out: &mut Vec<u8>,
    ) -> Written {
        let fields = &self.plans.get(id).fields;
        match shape {
            Shape::Timestamp => {
                if !time::write_timestamp(parts(wire)?, out) {
                    return Err(unrepresentable("is a time outside of the years 1 to 9999"));
                }
                Ok(())
            }
            Shape::Duration => {
                if !time::write_duration(parts(wire)?, out) {
                    return Err(unrepresentable("is no valid duration"));
                }
                Ok(())
            }
            Shape::FieldMask => field_mask(wire, out),
            Shape::Wrapper => self.wrapper(&fields[0], wire, depth, out),
            Shape::Struct => {
                let mut entries = Vec::new();
                let mut reader = Reader::new(wire);
                while let Some((number, value)) = reader.next()? {
                    if number == 1 {
                        entries.push(value);
                    }
                }
                self.map(&fields[0], entries.into_iter(), depth + 1, out)
            }
            Shape::ListValue => self.list_value(fields[0].kind, wire, depth, out),
            Shape::Value => self.any_json(fields, wire, depth, out),
            Shape::Any => self.any(wire, depth, out),
            Shape::Object | Shape::Empty => self.members(id, wire, depth, out),
        }
    }

    fn wrapper(self, field: &FieldPlan, wire: &[u8], depth: u32, out: &mut Vec<u8>) -> Written {
        let mut last = None;
        let mut reader = Reader::new(wire);
        while let Some((number, value)) = reader.next()? {
            if number == field.number && scalar::fits(field.kind, value) {
                last = Some(value);
            }
        }
        match last {
            Some(value) => self.value(field.kind, value, depth, out),
            None => self.default_value(field.kind, depth, out),
        }
    }

    fn list_value(self, kind: Kind, wire: &[u8], depth: u32, out: &mut Vec<u8>) -> Written {
        out.push(b'[');
        let mut reader = Reader::new(wire);
        while let Some((number, value)) = reader.next()? {
            if number == 1 && scalar::fits(kind, value) {
                if out.last() != Some(&b'[') {
                    out.push(b',');
                }
                self.value(kind, value, depth + 1, out)?;
            }
        }
        out.push(b']');
        Ok(())
    }

    /// A `google.protobuf.Value`. One that holds nothing is written as `null`.
    fn any_json(self, fields: &[FieldPlan], wire: &[u8], depth: u32, out: &mut Vec<u8>) -> Written {
        let mut last: Option<(&FieldPlan, Value<'_>)> = None;
        // Lists and objects in pieces are merged.
        let mut merged = Vec::new();
        let mut reader = Reader::new(wire);
        while let Some((number, value)) = reader.next()? {
            let Some(field) = fields.iter().find(|f| f.number == number) else {
                continue;
            };
            if !scalar::fits(field.kind, value) {
                continue;
            }
            match (last, value) {
                (Some((before, Value::Bytes(piece))), Value::Bytes(next))
                    if before.number == number && field.kind.message().is_some() =>
                {
                    if merged.is_empty() {
                        merged.extend_from_slice(piece);
                    }
                    merged.extend_from_slice(next);
                }
                _ => merged.clear(),
            }
            last = Some((field, value));
        }
        match last {
            None => out.extend_from_slice(b"null"),
            Some((_, Value::Fixed64(bits))) => {
                let number = f64::from_bits(bits);
                if !number.is_finite() {
                    return Err(unrepresentable(
                        "is NaN or infinite, which JSON has no number for",
                    ));
                }
                scalar::put_double(number, out);
            }
            Some((field, Value::Bytes(_))) if !merged.is_empty() => {
                self.value(field.kind, Value::Bytes(&merged), depth + 1, out)?;
            }
            Some((field, value)) => self.value(field.kind, value, depth + 1, out)?,
        }
        Ok(())
    }

    fn any(self, wire: &[u8], depth: u32, out: &mut Vec<u8>) -> Written {
        let (mut url, mut inner): (&[u8], &[u8]) = (&[], &[]);
        let mut reader = Reader::new(wire);
        while let Some((number, value)) = reader.next()? {
            match (number, value) {
                (1, Value::Bytes(bytes)) => url = bytes,
                (2, Value::Bytes(bytes)) => inner = bytes,
                _ => {}
            }
        }
        if url.is_empty() && inner.is_empty() {
            out.extend_from_slice(b"{}");
            return Ok(());
        }
        let url = wire::utf8(url)?;
        let id = url
            .rsplit_once('/')
            .and_then(|(_, name)| self.plans.message(name))
            .ok_or_else(|| WireFault::UnknownType(url.to_owned()))?;
        out.extend_from_slice(b"{\"@type\":");
        text::quote(url, out);
        if self.plans.get(id).shape.is_special() {
            out.extend_from_slice(b",\"value\":");
            self.message(id, inner, depth + 1, out)
                .map_err(|error| within(error, "value"))?;
        } else {
            if depth + 1 >= wire::MAX_DEPTH {
                return Err(WireFault::Depth.into());
            }
            self.members(id, inner, depth + 1, out)?;
        }
        out.push(b'}');
        Ok(())
    }
}

fn unrepresentable(why: &'static str) -> Box<crate::error::WireError> {
    WireFault::Unrepresentable(why).into()
}

fn parts(wire: &[u8]) -> Written<Parts> {
    let mut parts = Parts {
        seconds: 0,
        nanos: 0,
    };
    let mut reader = Reader::new(wire);
    while let Some((number, value)) = reader.next()? {
        match (number, value) {
            (1, Value::Varint(seconds)) => parts.seconds = seconds.cast_signed(),
            (2, Value::Varint(nanos)) => parts.nanos = scalar::int32(nanos),
            _ => {}
        }
    }
    Ok(parts)
}

fn field_mask(wire: &[u8], out: &mut Vec<u8>) -> Written {
    let mut paths = String::new();
    let mut reader = Reader::new(wire);
    while let Some((number, value)) = reader.next()? {
        if let (1, Value::Bytes(path)) = (number, value) {
            if !paths.is_empty() {
                paths.push(',');
            }
            camel(wire::utf8(path)?, &mut paths)
                .ok_or_else(|| unrepresentable("holds a path that has no lowerCamelCase form"))?;
        }
    }
    text::quote(&paths, out);
    Ok(())
}

/// A path of original names in lowerCamelCase, if that can be read back.
fn camel(path: &str, out: &mut String) -> Option<()> {
    let mut upper = false;
    for c in path.chars() {
        match c {
            'a'..='z' if upper => out.push(c.to_ascii_uppercase()),
            _ if upper => return None,
            '_' => {}
            'a'..='z' | '0'..='9' | '.' => out.push(c),
            _ => return None,
        }
        upper = c == '_';
    }
    (!upper && !path.is_empty()).then_some(())
}
