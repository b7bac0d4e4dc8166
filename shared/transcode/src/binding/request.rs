//! The parts of an HTTP request, put together into a request message.

use std::ops::Range;

use super::{Binding, Body};
use crate::{
    error::{Fault, JsonError, Place, Refusal, RequestError, prepend},
    percent::{self, Mode},
    plan::{FieldPlan, Kind, Label, Plans},
    query::{self, Scope},
    router::Capture,
    target::Target,
    wire,
};

impl Binding {
    /// Body, query and captures, in that order: what stands later wins, where the body may have the
    /// field at all.
    pub(super) fn assemble(
        &self,
        plans: &Plans,
        captures: &[Capture<'_>],
        query: &str,
        out: &mut Vec<u8>,
        body: impl FnOnce(&mut Vec<u8>) -> Result<(), RequestError>,
    ) -> Result<Assembled, RequestError> {
        let before = out.len();
        let all = || {
            body(out)?;
            let end = out.len();
            let given = self.put_query(plans, query, out)?;
            self.put_captures(plans, captures, before..end, out)?;
            Ok(Assembled { before, given })
        };
        let outcome = all();
        if outcome.is_err() {
            out.truncate(before);
        }
        outcome
    }

    pub(super) fn json_body(
        &self,
        plans: &Plans,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), RequestError> {
        if body.is_empty() {
            return Ok(());
        }
        match self.body {
            Body::None => Err(RequestError::new(
                Place::Body,
                "",
                Refusal::new(Fault::Syntax, "must have no body"),
            )),
            Body::Whole => plans
                .to_wire(self.request, body, out)
                .map_err(|error| in_body(error, None)),
            Body::Field(index) => {
                let field = &plans.get(self.request).fields[index];
                plans
                    .field_to_wire(field, body, out)
                    .map_err(|error| in_body(error, Some(field)))
            }
        }
    }

    pub(super) fn form_body(
        &self,
        plans: &Plans,
        form: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), RequestError> {
        let refuse =
            |fault, detail| RequestError::new(Place::Body, "", Refusal::new(fault, detail));
        let form = std::str::from_utf8(form)
            .map_err(|_| refuse(Fault::Encoding, "must be UTF-8"))?
            .trim_end_matches(['\r', '\n']);
        let scope = |root| Scope {
            plans,
            root,
            place: Place::Body,
            taken: &|_| None,
        };
        match self.body {
            _ if form.is_empty() => Ok(()),
            Body::None => Err(refuse(Fault::Syntax, "must have no body")),
            Body::Whole => query::put(&scope(self.request), form, out).map(drop),
            Body::Field(index) => {
                let field = &plans.get(self.request).fields[index];
                let (Kind::Message(id), Label::Singular) = (field.kind, field.label) else {
                    return Err(refuse(Fault::Type, "cannot be a form; send JSON"));
                };
                wire::put_tag(field.number, wire::BYTES, out);
                let start = wire::open(out);
                query::put(&scope(id), form, out).map_err(|mut error| {
                    prepend(&mut error.field, &field.json_name);
                    error
                })?;
                wire::close(start, out);
                Ok(())
            }
        }
    }

    fn put_query(
        &self,
        plans: &Plans,
        query: &str,
        out: &mut Vec<u8>,
    ) -> Result<Vec<Target>, RequestError> {
        if query.is_empty() {
            return Ok(Vec::new());
        }
        let body_field = match self.body {
            Body::Field(index) => Some(&*plans.get(self.request).fields[index].json_name),
            _ => None,
        };
        let taken = |path: &str| {
            if self.captures.iter().any(|target| target.path == path) {
                return Some("is given by the path");
            }
            let first = path.split('.').next();
            if self.body == Body::Whole || (body_field.is_some() && first == body_field) {
                return Some("must be given in the body");
            }
            None
        };
        let scope = Scope {
            plans,
            root: self.request,
            place: Place::Query,
            taken: &taken,
        };
        query::put(&scope, query, out)
    }

    /// Appends the captures. `body` is where the body stands in `out`: a member of it that the path
    /// binds too must say the same.
    fn put_captures(
        &self,
        plans: &Plans,
        captures: &[Capture<'_>],
        body: Range<usize>,
        out: &mut Vec<u8>,
    ) -> Result<(), RequestError> {
        for (target, capture) in self.captures.iter().zip(captures) {
            let start = out.len();
            let at = |refusal| RequestError::new(Place::Path, &target.path, refusal);
            let mode = if capture.multi {
                Mode::KeepSlash
            } else {
                Mode::All
            };
            let text = percent::decode(capture.raw, mode).map_err(at)?;
            target.put(plans, &text, out).map_err(at)?;
            let stands_for_another = self.aliases.iter().any(|alias| {
                (alias.field == target.path || alias.field == target.original)
                    && *alias.value == *text
            });
            if let Some(said) = target.find(&out[body.clone()])
                && !stands_for_another
                && target.find(&out[start..]) != Some(said)
            {
                let refusal =
                    Refusal::new(Fault::Value, "must be what the path says, or be left out");
                return Err(RequestError::new(Place::Body, &target.path, refusal));
            }
        }
        Ok(())
    }

    /// The mask of a PATCH that came without one: the members of its body, apart from what the path
    /// gives and from the etag, which is a condition.
    fn put_mask(
        &self,
        plans: &Plans,
        given: &[Target],
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), RequestError> {
        let (Some(mask), Body::Field(index)) = (&self.update_mask, self.body) else {
            return Ok(());
        };
        let field = &plans.get(self.request).fields[index];
        let Some(resource) = field.kind.message() else {
            return Ok(());
        };
        if given.iter().any(|target| target.path == mask.path)
            || body.iter().all(u8::is_ascii_whitespace)
            || body.trim_ascii() == b"null"
        {
            return Ok(());
        }
        let prefix = format!("{}.", field.name);
        let captured = |path: &str| {
            let mut captured = self.captures.iter();
            captured.any(|target| target.original.strip_prefix(&prefix) == Some(path))
        };
        let paths: Vec<String> = plans
            .json_mask(resource, body)
            .map_err(|error| in_body(error, Some(field)))?
            .into_iter()
            .filter(|path| path != "etag" && !captured(path))
            .collect();
        if paths.is_empty() {
            return Ok(());
        }
        let mut value = Vec::new();
        for path in &paths {
            wire::put_str(1, path, &mut value);
        }
        mask.put_message(&value, out);
        Ok(())
    }
}

/// A request up to its mask.
pub(super) struct Assembled {
    before: usize,
    given: Vec<Target>,
}

impl Assembled {
    /// Adds the mask.
    pub(super) fn finish(
        self,
        binding: &Binding,
        plans: &Plans,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), RequestError> {
        let outcome = binding.put_mask(plans, &self.given, body, out);
        if outcome.is_err() {
            out.truncate(self.before);
        }
        outcome
    }
}

/// A fault of a body as one of the request that it is a part of.
fn in_body(error: JsonError, field: Option<&FieldPlan>) -> RequestError {
    let mut path = error.path;
    // A text that is no JSON at all is not the field's fault.
    if let Some(field) = field
        && !(path.is_empty() && error.fault == Fault::Syntax)
    {
        prepend(&mut path, &field.json_name);
    }
    RequestError {
        place: Place::Body,
        field: path,
        fault: error.fault,
        detail: error.detail,
    }
}
