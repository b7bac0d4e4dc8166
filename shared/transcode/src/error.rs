//! What can be wrong with what came in, with the place where it is wrong.

use std::{borrow::Cow, fmt};

/// What kind of fault a request has, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// Not JSON (RFC 8259), or not a well-formed query or path.
    Syntax,
    /// Not UTF-8, or a surrogate without its other half.
    Encoding,
    /// Nested deeper than 100 levels.
    Depth,
    /// The message has no such field, or the method no such parameter.
    UnknownField,
    /// The same member, map key or parameter came twice.
    Duplicate,
    /// Two members of one oneof came.
    Oneof,
    /// The value has the wrong JSON type.
    Type,
    /// The number does not fit the field.
    Range,
    /// The value is of the right type and still none that the field accepts.
    Value,
}

/// Why a text is not accepted, without the place.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub fault: Fault,
    pub detail: Cow<'static, str>,
}

impl Refusal {
    pub fn new(fault: Fault, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            fault,
            detail: detail.into(),
        }
    }
}

/// A JSON text that is no `ProtoJSON` form of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// The member at fault in JSON names, such as `items[3].displayName` or `labels["a b"]`; empty
    /// when the text as a whole is.
    pub path: String,
    /// The kind of fault.
    pub fault: Fault,
    /// What is wrong and what is accepted, as the end of a sentence.
    pub detail: Cow<'static, str>,
    /// Where in the text the fault was found, in bytes from its start.
    pub offset: usize,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        sentence(f, &self.path, &self.detail)?;
        write!(f, " (at byte {})", self.offset)
    }
}

impl std::error::Error for JsonError {}

/// Which part of an HTTP request is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The body.
    Body,
    /// The query string.
    Query,
    /// The path.
    Path,
}

/// An HTTP request that does not make a request message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestError {
    /// The part at fault.
    pub place: Place,
    /// The field as a path from the request message in JSON names, or the parameter as it was sent;
    /// empty when the part as a whole is at fault.
    pub field: String,
    /// The kind of fault.
    pub fault: Fault,
    /// What is wrong and what is accepted, as the end of a sentence.
    pub detail: Cow<'static, str>,
}

impl RequestError {
    pub(crate) fn new(place: Place, field: &str, refusal: Refusal) -> Self {
        Self {
            place,
            field: field.to_owned(),
            fault: refusal.fault,
            detail: refusal.detail,
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        sentence(f, &self.field, &self.detail)
    }
}

impl std::error::Error for RequestError {}

/// What kind of fault a protobuf message has.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WireFault {
    /// The bytes end inside a field, or are no protobuf at all.
    Malformed,
    /// Nested deeper than 100 levels.
    Depth,
    /// A string that is not UTF-8.
    Encoding,
    /// An `Any` of a type that is not known here.
    UnknownType(String),
    /// A value that has no JSON form, such as a timestamp in the year 10000.
    Unrepresentable(&'static str),
}

/// Protobuf bytes that have no `ProtoJSON` form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireError {
    /// The field at fault in JSON names; empty when the message as a whole is.
    pub path: String,
    /// The kind of fault.
    pub fault: WireFault,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fault {
            WireFault::Malformed => sentence(f, &self.path, "is not well-formed protobuf"),
            WireFault::Depth => sentence(f, &self.path, "is nested deeper than 100 levels"),
            WireFault::Encoding => sentence(f, &self.path, "is not UTF-8"),
            WireFault::UnknownType(name) => {
                sentence(f, &self.path, &format!("holds the unknown type `{name}`"))
            }
            WireFault::Unrepresentable(why) => sentence(f, &self.path, why),
        }
    }
}

impl std::error::Error for WireError {}

fn sentence(f: &mut fmt::Formatter<'_>, path: &str, detail: &str) -> fmt::Result {
    match path {
        "" => write!(f, "the message {detail}"),
        path => write!(f, "{path} {detail}"),
    }
}

/// Puts a step before a path that grows from its end while an error travels outwards.
pub(crate) fn prepend(path: &mut String, step: &str) {
    let dot = !path.is_empty() && !path.starts_with('[');
    let mut longer = String::with_capacity(step.len() + 1 + path.len());
    longer.push_str(step);
    if dot {
        longer.push('.');
    }
    longer.push_str(path);
    *path = longer;
}
