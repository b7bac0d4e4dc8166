//! JSON → protobuf: reads `ProtoJSON` and writes the wire format as it goes.
//!
//! The length of a nested message is not known before its end, so its place is kept and filled in
//! afterwards ([`wire::open`] and [`wire::close`]).

#![expect(
    clippy::unnecessary_box_returns,
    reason = "errors travel in a box, so that success stays small"
)]

mod collection;
pub(crate) mod known;
mod lex;
mod mask;

use crate::{
    error::{Fault, JsonError, Refusal, prepend},
    plan::{FieldPlan, Kind, Label, MessageId, Plans, Shape},
    scalar::{self, Put},
    seen::Seen,
    wire::{self, END_GROUP},
};
use lex::{Lexer, Parsed};

/// How JSON is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether members that the message does not have, and names that an enum does not have, are left
    /// out and not refused.
    pub ignore_unknown: bool,
}

impl Plans {
    /// Reads the `ProtoJSON` form of a message and appends its protobuf form to `out`, which stays as
    /// it was on error. Unknown members are refused.
    pub fn to_wire(&self, id: MessageId, json: &[u8], out: &mut Vec<u8>) -> Result<(), JsonError> {
        self.to_wire_with(id, json, Options::default(), out)
    }

    /// As [`to_wire`](Self::to_wire), with options.
    pub fn to_wire_with(
        &self,
        id: MessageId,
        json: &[u8],
        options: Options,
        out: &mut Vec<u8>,
    ) -> Result<(), JsonError> {
        self.read_whole(json, options, out, |parser, out| parser.message(id, 0, out))
    }

    /// Reads the `ProtoJSON` form of one field's value and appends the field.
    pub(crate) fn field_to_wire(
        &self,
        field: &FieldPlan,
        json: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), JsonError> {
        self.read_whole(json, Options::default(), out, |parser, out| {
            if parser.absent(field)? {
                return Ok(());
            }
            parser.field(field, 1, out).map(drop)
        })
    }

    fn read_whole(
        &self,
        json: &[u8],
        options: Options,
        out: &mut Vec<u8>,
        read: impl FnOnce(&mut Parser<'_, '_>, &mut Vec<u8>) -> Parsed<()>,
    ) -> Result<(), JsonError> {
        let before = out.len();
        let whole = || {
            let mut parser = Parser {
                plans: self,
                lexer: Lexer::new(json)?,
                options,
            };
            read(&mut parser, out)?;
            parser.lexer.end()
        };
        let outcome: Parsed<()> = whole();
        outcome.map_err(|error| {
            out.truncate(before);
            *error
        })
    }
}

struct Parser<'p, 'j> {
    plans: &'p Plans,
    lexer: Lexer<'j>,
    options: Options,
}

impl Parser<'_, '_> {
    /// Reads a message in its JSON form and writes its fields.
    fn message(&mut self, id: MessageId, depth: u32, out: &mut Vec<u8>) -> Parsed<()> {
        self.lexer.deeper(depth)?;
        match self.plans.get(id).shape {
            Shape::Object | Shape::Empty => self.object(id, depth, out),
            shape => self.known(shape, id, depth, out),
        }
    }

    fn object(&mut self, id: MessageId, depth: u32, out: &mut Vec<u8>) -> Parsed<()> {
        self.open_object()?;
        self.members(id, None, depth, out)
    }

    /// Reads the members of an object whose brace was read. `passed` is a member that somebody else
    /// reads.
    fn members(
        &mut self,
        id: MessageId,
        passed: Option<&str>,
        depth: u32,
        out: &mut Vec<u8>,
    ) -> Parsed<()> {
        if self.lexer.eat(b'}') {
            return Ok(());
        }
        let plan = self.plans.get(id);
        let (mut seen, mut oneofs) = (Seen::default(), Seen::default());
        loop {
            let name = self.lexer.name()?;
            if passed == Some(&*name) {
                self.lexer.skip(depth + 1)?;
            } else if let Some(index) = plan.index_of_name(name.as_bytes()) {
                self.member(
                    &plan.fields[index],
                    index,
                    &mut seen,
                    &mut oneofs,
                    depth,
                    out,
                )
                .map_err(|error| within(error, &name))?;
            } else if self.options.ignore_unknown {
                self.lexer.skip(depth + 1)?;
            } else {
                let detail = format!("is no field of {}", plan.full_name);
                let error = self.lexer.fail(Refusal::new(Fault::UnknownField, detail));
                return Err(within(error, &name));
            }
            if !self.lexer.more(b'}')? {
                return Ok(());
            }
        }
    }

    #[inline]
    fn member(
        &mut self,
        field: &FieldPlan,
        index: usize,
        seen: &mut Seen,
        oneofs: &mut Seen,
        depth: u32,
        out: &mut Vec<u8>,
    ) -> Parsed<()> {
        if !seen.insert(index) {
            return Err(self.refuse(Fault::Duplicate, "is given twice"));
        }
        if self.absent(field)? {
            return Ok(());
        }
        if let Some(oneof) = field.oneof
            && !oneofs.insert(oneof as usize)
        {
            return Err(self.refuse(
                Fault::Oneof,
                "excludes another member that is given too: only one of them may be set",
            ));
        }
        self.field(field, depth + 1, out).map(drop)
    }

    /// Consumes a `null` that says that the field is not there.
    #[inline]
    fn absent(&mut self, field: &FieldPlan) -> Parsed<bool> {
        let null = self.lexer.peek() == Some(b'n')
            && !(field.label == Label::Singular && self.plans.null_is_value(field.kind));
        if null {
            self.lexer.word("null")?;
        }
        Ok(null)
    }

    /// Reads a field's value and writes the field with its tags. `depth` is the depth of a message in
    /// it.
    #[inline]
    fn field(&mut self, field: &FieldPlan, depth: u32, out: &mut Vec<u8>) -> Parsed<Put> {
        match field.label {
            Label::Singular => self.singular(field, depth, out),
            Label::Repeated { packed } => self.list(field, packed, depth, out),
            Label::Map => self.map(field, depth, out),
        }
    }

    /// As encoders do, leaves out a default that says nothing.
    #[inline]
    fn singular(&mut self, field: &FieldPlan, depth: u32, out: &mut Vec<u8>) -> Parsed<Put> {
        let before = out.len();
        wire::put_tag(field.number, field.kind.wire_type(), out);
        let start = out.len();
        let put = self.element(field.number, field.kind, depth, out)?;
        // Zeros, and they alone, are the default of every scalar kind: a length, a varint, a float.
        let says_nothing = !field.presence && out[start..].iter().all(|byte| *byte == 0);
        if put == Put::LeftOut || says_nothing {
            out.truncate(before);
        }
        Ok(put)
    }

    /// Reads one value and writes it behind its tag.
    #[inline]
    fn tagged(&mut self, number: u32, kind: Kind, depth: u32, out: &mut Vec<u8>) -> Parsed<Put> {
        let before = out.len();
        wire::put_tag(number, kind.wire_type(), out);
        let put = self.element(number, kind, depth, out)?;
        if put == Put::LeftOut {
            out.truncate(before);
        }
        Ok(put)
    }

    /// Reads one value and writes it without a tag.
    #[inline]
    fn element(&mut self, number: u32, kind: Kind, depth: u32, out: &mut Vec<u8>) -> Parsed<Put> {
        match kind {
            Kind::Message(id) => {
                let start = wire::open(out);
                self.message(id, depth, out)?;
                wire::close(start, out);
            }
            Kind::Group(id) => {
                self.message(id, depth, out)?;
                wire::put_tag(number, END_GROUP, out);
            }
            _ => return self.scalar(kind, out),
        }
        Ok(Put::Written)
    }

    #[inline]
    fn scalar(&mut self, kind: Kind, out: &mut Vec<u8>) -> Parsed<Put> {
        let token = self.lexer.peek();
        let mark = self.lexer.clone();
        let outcome = match token {
            Some(b'"') => {
                let text = self.lexer.string()?;
                if self.options.ignore_unknown
                    && let Kind::Enum(id) = kind
                    && self.plans.get_enum(id).number(text.as_bytes()).is_none()
                {
                    return Ok(Put::LeftOut);
                }
                scalar::put_text(self.plans, kind, &text, out)
            }
            Some(b'-' | b'0'..=b'9') => {
                let text = self.lexer.number()?;
                scalar::check_enum(self.plans, kind, text)
                    .and_then(|()| scalar::put_number(self.plans, kind, text, out))
            }
            Some(word @ (b't' | b'f')) if kind == Kind::Bool => {
                let truth = word == b't';
                self.lexer.word(if truth { "true" } else { "false" })?;
                out.push(u8::from(truth));
                Ok(())
            }
            Some(b'n') if self.plans.null_is_value(kind) => {
                self.lexer.word("null")?;
                scalar::put_integer(self.plans, kind, 0, out)
            }
            _ => {
                // Text that is no JSON at all is a different fault from the wrong kind of value.
                self.lexer.clone().skip(0)?;
                Err(Refusal::new(
                    Fault::Type,
                    scalar::accepted(self.plans, kind),
                ))
            }
        };
        match outcome {
            Ok(()) => Ok(Put::Written),
            Err(refusal) => Err(mark.fail(refusal)),
        }
    }

    #[inline]
    fn open_object(&mut self) -> Parsed<()> {
        if self.lexer.eat(b'{') {
            return Ok(());
        }
        self.lexer.clone().skip(0)?;
        Err(self.refuse(Fault::Type, "must be an object"))
    }

    #[cold]
    fn refuse(&self, fault: Fault, detail: &'static str) -> Box<JsonError> {
        self.lexer.fail(Refusal::new(fault, detail))
    }
}

/// The error, one step further out.
#[cold]
fn within(mut error: Box<JsonError>, step: &str) -> Box<JsonError> {
    prepend(&mut error.path, step);
    error
}

#[cfg(test)]
mod tests;
