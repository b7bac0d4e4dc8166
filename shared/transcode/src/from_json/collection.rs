//! Lists and maps.

use std::collections::HashSet;

use super::{Parser, lex::Parsed, within};
use crate::{
    error::{Fault, Refusal},
    plan::{FieldPlan, Kind},
    scalar::{self, Put},
    to_json::text,
    wire::{self, BYTES},
};

impl Parser<'_, '_> {
    /// Reads an array. The elements of a packed list stand in one field.
    pub(super) fn list(
        &mut self,
        field: &FieldPlan,
        packed: bool,
        depth: u32,
        out: &mut Vec<u8>,
    ) -> Parsed<Put> {
        if !self.lexer.eat(b'[') {
            return Err(self.refuse(Fault::Type, "must be an array"));
        }
        if self.lexer.eat(b']') {
            return Ok(Put::Written);
        }
        let start = packed.then(|| {
            wire::put_tag(field.number, BYTES, out);
            wire::open(out)
        });
        let mut index = 0_usize;
        loop {
            let element = if packed {
                self.element(field.number, field.kind, depth, out)
            } else {
                self.tagged(field.number, field.kind, depth, out)
            };
            if let Err(error) = element {
                return Err(within(error, &format!("[{index}]")));
            }
            index += 1;
            if !self.lexer.more(b']')? {
                break;
            }
        }
        if let Some(start) = start {
            wire::close(start, out);
        }
        Ok(Put::Written)
    }

    /// Reads an object as a map: each member is an entry.
    pub(super) fn map(&mut self, field: &FieldPlan, depth: u32, out: &mut Vec<u8>) -> Parsed<Put> {
        self.open_object()?;
        if self.lexer.eat(b'}') {
            return Ok(Put::Written);
        }
        // The compiler of the plans made sure of both.
        let Kind::Message(entry) = field.kind else {
            return Err(self.refuse(Fault::Type, "must be an object"));
        };
        let [key, value, ..] = &*self.plans.get(entry).fields else {
            return Err(self.refuse(Fault::Type, "must be an object"));
        };
        let mut keys: HashSet<Box<[u8]>> = HashSet::new();
        loop {
            let before = out.len();
            wire::put_tag(field.number, BYTES, out);
            let start = wire::open(out);
            let name = self.lexer.name()?;
            let step = || format!("[{}]", quoted(&name));
            let mut put = |parser: &mut Self, out: &mut Vec<u8>| {
                wire::put_tag(1, key.kind.wire_type(), out);
                let at = out.len();
                scalar::put_word(parser.plans, key.kind, &name, out).map_err(|refusal| {
                    let detail = format!("has a key that {}", refusal.detail);
                    parser.lexer.fail(Refusal::new(refusal.fault, detail))
                })?;
                if !keys.insert(out[at..].into()) {
                    return Err(parser.refuse(Fault::Duplicate, "is given twice"));
                }
                parser.tagged(2, value.kind, depth, out)
            };
            match put(self, out).map_err(|error| within(error, &step()))? {
                Put::Written => wire::close(start, out),
                Put::LeftOut => out.truncate(before),
            }
            if !self.lexer.more(b'}')? {
                return Ok(Put::Written);
            }
        }
    }
}

/// A map key as a subscript shows it.
fn quoted(key: &str) -> String {
    let mut out = Vec::with_capacity(key.len() + 2);
    text::quote(key, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}
