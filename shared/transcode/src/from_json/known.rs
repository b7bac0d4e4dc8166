//! The JSON forms of the well-known types.

use super::{
    Parser,
    lex::{Lexer, Parsed},
    within,
};
use crate::{
    error::{Fault, Refusal},
    number,
    plan::{Kind, MessageId, Shape},
    scalar, time,
    wire::{self, BYTES, FIXED64, VARINT},
};

impl Parser<'_, '_> {
    /// Reads a message whose JSON form is its own.
    pub(super) fn known(
        &mut self,
        shape: Shape,
        id: MessageId,
        depth: u32,
        out: &mut Vec<u8>,
    ) -> Parsed<()> {
        let plan = self.plans.get(id);
        match shape {
            Shape::Timestamp | Shape::Duration | Shape::FieldMask => {
                let mark = self.lexer.clone();
                if self.lexer.peek() != Some(b'"') {
                    self.lexer.skip(depth)?;
                    let accepted = scalar::accepted(self.plans, Kind::Message(id));
                    return Err(mark.fail(Refusal::new(Fault::Type, accepted)));
                }
                let text = self.lexer.string()?;
                put_text_form(shape, &text, Names::Camel, out).map_err(|refusal| mark.fail(refusal))
            }
            Shape::Struct => self.map(&plan.fields[0], depth + 1, out).map(drop),
            Shape::ListValue => self.list(&plan.fields[0], false, depth + 1, out).map(drop),
            Shape::Value => self.any_json(id, depth, out),
            Shape::Wrapper => self.singular(&plan.fields[0], depth, out).map(drop),
            Shape::Any => self.any(depth, out),
            Shape::Object | Shape::Empty => self.object(id, depth, out),
        }
    }

    /// A `google.protobuf.Value`.
    fn any_json(&mut self, id: MessageId, depth: u32, out: &mut Vec<u8>) -> Parsed<()> {
        let fields = &self.plans.get(id).fields;
        match self.lexer.peek() {
            Some(b'n') => {
                self.lexer.word("null")?;
                wire::put(1, wire::Value::Varint(0), out);
            }
            Some(b'"') => wire::put_str(3, &self.lexer.string()?, out),
            Some(b't') => {
                self.lexer.word("true")?;
                scalar::put_bool_field(4, true, out);
            }
            Some(b'f') => {
                self.lexer.word("false")?;
                scalar::put_bool_field(4, false, out);
            }
            Some(b'{') => {
                self.tagged(5, fields[4].kind, depth + 1, out).map(drop)?;
            }
            Some(b'[') => {
                self.tagged(6, fields[5].kind, depth + 1, out).map(drop)?;
            }
            _ => {
                let mark = self.lexer.clone();
                let value = number::double(self.lexer.number()?).map_err(|r| mark.fail(r))?;
                wire::put_tag(2, FIXED64, out);
                out.extend_from_slice(&value.to_le_bytes());
            }
        }
        Ok(())
    }

    /// A `google.protobuf.Any`: its `@type` may stand anywhere among the members, so it is looked for
    /// first.
    fn any(&mut self, depth: u32, out: &mut Vec<u8>) -> Parsed<()> {
        self.open_object()?;
        if self.lexer.eat(b'}') {
            return Ok(());
        }
        let url = find_type(self.lexer.clone(), depth)?;
        let Some(url) = url else {
            let error = self.refuse(Fault::Value, "is missing: it says which message this is");
            return Err(within(error, TYPE));
        };
        let name = url.rsplit_once('/').map(|(_, name)| name);
        let Some(id) = name.and_then(|name| self.plans.message(name)) else {
            let error = self.refuse(Fault::Value, "must be the address of a known message type");
            return Err(within(error, TYPE));
        };
        wire::put_str(1, &url, out);
        let before = out.len();
        wire::put_tag(2, BYTES, out);
        let start = wire::open(out);
        if self.plans.get(id).shape.is_special() {
            self.special_any(id, depth, out)?;
        } else {
            self.lexer.deeper(depth + 1)?;
            self.members(id, Some(TYPE), depth + 1, out)?;
        }
        if out.len() == start {
            out.truncate(before);
        } else {
            wire::close(start, out);
        }
        Ok(())
    }

    /// The members of an `Any` whose message stands under `value`.
    fn special_any(&mut self, id: MessageId, depth: u32, out: &mut Vec<u8>) -> Parsed<()> {
        let mut found = false;
        loop {
            let name = self.lexer.name()?;
            match &*name {
                TYPE => self.lexer.skip(depth)?,
                "value" if found => {
                    return Err(within(
                        self.refuse(Fault::Duplicate, "is given twice"),
                        "value",
                    ));
                }
                "value" => {
                    found = true;
                    self.message(id, depth + 1, out)
                        .map_err(|error| within(error, "value"))?;
                }
                _ if self.options.ignore_unknown => self.lexer.skip(depth)?,
                _ => {
                    let error = self.refuse(Fault::UnknownField, "must be `@type` or `value`");
                    return Err(within(error, &name));
                }
            }
            if !self.lexer.more(b'}')? {
                break;
            }
        }
        // An empty message needs no value; every other form has one.
        if found || self.plans.get(id).shape == Shape::Empty {
            return Ok(());
        }
        Err(within(self.refuse(Fault::Value, "is missing"), "value"))
    }
}

const TYPE: &str = "@type";

/// The `@type` of an object whose brace was read. Refuses a second one.
fn find_type(mut lexer: Lexer<'_>, depth: u32) -> Parsed<Option<String>> {
    let mut url = None;
    loop {
        let name = lexer.name()?;
        if name != TYPE {
            lexer.skip(depth + 1)?;
        } else if url.is_some() {
            let twice = Refusal::new(Fault::Duplicate, "is given twice");
            return Err(within(lexer.fail(twice), TYPE));
        } else if lexer.peek() == Some(b'"') {
            url = Some(lexer.string()?.into_owned());
        } else {
            let refusal = Refusal::new(Fault::Type, "must be a string");
            return Err(within(lexer.fail(refusal), TYPE));
        }
        if !lexer.more(b'}')? {
            return Ok(url);
        }
    }
}

/// How field paths are spelled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// `displayName` only, as JSON wants it.
    Camel,
    /// `display_name` too, as people write it into queries.
    Either,
}

/// Writes the fields of a message whose JSON form is a string.
pub(crate) fn put_text_form(
    shape: Shape,
    text: &str,
    names: Names,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    match shape {
        Shape::Timestamp => put_parts(time::parse_timestamp(text)?, out),
        Shape::Duration => put_parts(time::parse_duration(text)?, out),
        _ => {
            for path in text.split(',').filter(|_| !text.is_empty()) {
                let path = snake(path, names).ok_or_else(|| {
                    Refusal::new(
                        Fault::Value,
                        "must be field paths in lowerCamelCase with commas between them",
                    )
                })?;
                wire::put_str(1, &path, out);
            }
        }
    }
    Ok(())
}

fn put_parts(parts: time::Parts, out: &mut Vec<u8>) {
    for (number, value) in [(1, parts.seconds), (2, i64::from(parts.nanos))] {
        if value != 0 {
            wire::put_tag(number, VARINT, out);
            wire::put_varint(value.cast_unsigned(), out);
        }
    }
}

/// A path in lowerCamelCase with its original names.
fn snake(path: &str, names: Names) -> Option<String> {
    let mut out = String::with_capacity(path.len() + 4);
    for c in path.chars() {
        match c {
            'A'..='Z' => {
                out.push('_');
                out.push(c.to_ascii_lowercase());
            }
            '_' if names == Names::Either => out.push(c),
            'a'..='z' | '0'..='9' | '.' => out.push(c),
            _ => return None,
        }
    }
    (!out.is_empty()).then_some(out)
}
