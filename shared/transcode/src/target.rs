//! A field of a request as a text from outside of the body reaches it.

use crate::{
    error::{Fault, Refusal},
    from_json::known::{Names, put_text_form},
    plan::{FieldPlan, Kind, Label, MessageId, Plans, Shape},
    scalar,
    wire::{self, BYTES, END_GROUP, MAX_DEPTH, START_GROUP},
};

/// A field that a path capture, a query parameter or a header can set.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The path in JSON names.
    pub path: String,
    /// The path in original names.
    pub original: String,
    parents: Vec<Parent>,
    number: u32,
    pub kind: Kind,
    pub repeated: bool,
    /// The members of oneofs on the way to it, itself included.
    pub members: Vec<Member>,
}

/// A field on the way to a target that belongs to a oneof.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    /// How much of the target's path leads to the message that holds it.
    pub above: usize,
    pub oneof: u32,
    pub number: u32,
}

#[derive(Clone, Copy, Debug)]
struct Parent {
    number: u32,
    delimited: bool,
}

fn last(message: &[u8], number: u32) -> Option<wire::Value<'_>> {
    let fields = wire::fields(message).map_while(Result::ok);
    let found = fields.filter_map(|(found, value)| (found == number).then_some(value));
    found.last()
}

/// Why a path reaches no field that a text can set.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Miss {
    /// There is no such field.
    Unknown,
    /// There is, and a single text does not make its value.
    NotText,
    /// It leads deeper than a message may nest.
    Depth,
}

impl Target {
    /// Follows a path in JSON names or original names.
    pub fn resolve(plans: &Plans, root: MessageId, path: &str) -> Result<Self, Miss> {
        let mut target = Self {
            path: String::with_capacity(path.len()),
            original: String::with_capacity(path.len()),
            parents: Vec::new(),
            number: 0,
            kind: Kind::Bool,
            repeated: false,
            members: Vec::new(),
        };
        let (mut at, mut steps) = (root, path.split('.').peekable());
        while let Some(step) = steps.next() {
            // One level is left for a leaf that is a message, such as a timestamp.
            if target.parents.len() + 1 >= MAX_DEPTH as usize {
                return Err(Miss::Depth);
            }
            let field = plans.field(at, step).ok_or(Miss::Unknown)?;
            target.step(field);
            if steps.peek().is_none() {
                break;
            }
            let inner = match (field.label, field.kind.message()) {
                (Label::Singular, Some(id)) if plans.get(id).shape == Shape::Object => id,
                (_, Some(_)) => return Err(Miss::NotText),
                (_, None) => return Err(Miss::Unknown),
            };
            target.parents.push(Parent {
                number: field.number,
                delimited: matches!(field.kind, Kind::Group(_)),
            });
            at = inner;
        }
        target.is_text(plans).then_some(target).ok_or(Miss::NotText)
    }

    fn step(&mut self, field: &FieldPlan) {
        if let Some(oneof) = field.oneof {
            self.members.push(Member {
                above: self.path.len(),
                oneof,
                number: field.number,
            });
        }
        for (path, name) in [
            (&mut self.path, &field.json_name),
            (&mut self.original, &field.name),
        ] {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(name);
        }
        self.number = field.number;
        self.kind = field.kind;
        self.repeated = matches!(field.label, Label::Repeated { .. });
    }

    fn is_text(&self, plans: &Plans) -> bool {
        self.kind.message().is_none_or(|id| {
            matches!(
                plans.get(id).shape,
                Shape::Timestamp | Shape::Duration | Shape::FieldMask | Shape::Wrapper
            )
        })
    }

    /// Whether it is one string.
    pub fn is_string(&self) -> bool {
        self.kind == Kind::String && !self.repeated
    }

    /// Appends the field with this value. It is a fragment of the request: protobuf merges it with what
    /// stands before.
    pub fn put(&self, plans: &Plans, text: &str, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let before = out.len();
        let mut starts = Vec::with_capacity(self.parents.len());
        for parent in &self.parents {
            if parent.delimited {
                wire::put_tag(parent.number, START_GROUP, out);
            } else {
                wire::put_tag(parent.number, BYTES, out);
                starts.push(wire::open(out));
            }
        }
        wire::put_tag(self.number, self.kind.wire_type(), out);
        if let Err(refusal) = self.put_value(plans, text, out) {
            out.truncate(before);
            return Err(refusal);
        }
        for parent in self.parents.iter().rev() {
            if parent.delimited {
                wire::put_tag(parent.number, END_GROUP, out);
            } else if let Some(start) = starts.pop() {
                wire::close(start, out);
            }
        }
        Ok(())
    }

    /// The field's value in an encoded message, if it is there: what stands last.
    pub fn find<'w>(&self, message: &'w [u8]) -> Option<wire::Value<'w>> {
        let mut message = message;
        for parent in &self.parents {
            message = match last(message, parent.number)? {
                wire::Value::Bytes(inner) | wire::Value::Group(inner) => inner,
                _ => return None,
            };
        }
        last(message, self.number)
    }

    /// Appends the field, which is one of the root, with the protobuf form of a message.
    pub fn put_message(&self, message: &[u8], out: &mut Vec<u8>) {
        let value = match self.kind {
            Kind::Group(_) => wire::Value::Group(message),
            _ => wire::Value::Bytes(message),
        };
        wire::put(self.number, value, out);
    }

    fn put_value(&self, plans: &Plans, text: &str, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let Some(id) = self.kind.message() else {
            return put_scalar(plans, self.kind, text, out);
        };
        let start = match self.kind {
            Kind::Group(_) => None,
            _ => Some(wire::open(out)),
        };
        match plans.get(id).shape {
            Shape::Wrapper => {
                let held = &plans.get(id).fields[0];
                wire::put_tag(held.number, held.kind.wire_type(), out);
                put_scalar(plans, held.kind, text, out)?;
            }
            shape => put_text_form(shape, text, Names::Either, out)?,
        }
        match start {
            Some(start) => wire::close(start, out),
            None => wire::put_tag(self.number, END_GROUP, out),
        }
        Ok(())
    }
}

fn put_scalar(plans: &Plans, kind: Kind, text: &str, out: &mut Vec<u8>) -> Result<(), Refusal> {
    scalar::check_enum(plans, kind, text)?;
    scalar::put_word(plans, kind, text, out)
}

impl From<Miss> for Refusal {
    fn from(miss: Miss) -> Self {
        match miss {
            Miss::Unknown => Self::new(Fault::UnknownField, "is no field of the request"),
            Miss::Depth => Self::new(Fault::Depth, "is nested deeper than 100 levels"),
            Miss::NotText => Self::new(
                Fault::UnknownField,
                "is a field that no single text can set; give it in a body",
            ),
        }
    }
}
