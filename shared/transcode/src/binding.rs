//! One HTTP rule of one RPC (`google.api.http`): from an HTTP request to a request message, and from a
//! reply message to an HTTP body.

mod http_body;
mod rule;

use crate::{
    error::{Fault, JsonError, Place, Refusal, RequestError, WireError, prepend},
    percent::{self, Mode},
    plan::{FieldPlan, Kind, Label, MessageId, Plans, Shape},
    query::{self, Scope},
    router::Capture,
    target::Target,
    template::Template,
    wire,
};

pub use http_body::HttpBody;
pub use rule::BindingError;

/// One HTTP rule of one RPC, resolved against the [`Plans`] that it was made with.
#[derive(Clone, Debug)]
pub struct Binding {
    /// The HTTP method in capitals; `*` stands for every one.
    pub http_method: String,
    /// The path.
    pub template: Template,
    /// The RPC as gRPC calls it: `/package.Service/Method`.
    pub grpc_path: String,
    /// Whether the RPC takes a stream.
    pub client_streaming: bool,
    /// Whether the RPC answers a stream.
    pub server_streaming: bool,
    /// The request message.
    pub request: MessageId,
    /// The reply message.
    pub response: MessageId,
    /// The reply's field that is the HTTP body, when it is not the whole reply.
    pub response_body: Option<String>,
    body: Body,
    /// Of the template's variables, from left to right.
    captures: Vec<Target>,
    response_index: Option<usize>,
    /// The mask that a PATCH without one gets.
    update_mask: Option<Target>,
    etag: Option<Target>,
    request_id: Option<Target>,
    /// The number of the reply's string field `etag`.
    response_etag: Option<u32>,
    takes_http_body: bool,
    gives_http_body: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    None,
    /// `*`: the request itself.
    Whole,
    /// The request's field with this index.
    Field(usize),
}

impl Binding {
    /// Whether the rule binds a body.
    pub fn takes_body(&self) -> bool {
        self.body != Body::None
    }

    /// The original name of the request's field that the body fills, when it does not fill the request
    /// itself.
    pub fn body_field<'p>(&self, plans: &'p Plans) -> Option<&'p str> {
        match self.body {
            Body::Field(index) => Some(&plans.get(self.request).fields[index].name),
            Body::None | Body::Whole => None,
        }
    }

    /// Makes the request message and appends its protobuf form to `out`, which stays as it was on
    /// error. `captures` are the router's, `query` is the raw query string without `?`, `body` is JSON;
    /// an empty one counts as no body.
    ///
    /// Captures win over the body. A query parameter must be a field that neither path nor body binds.
    pub fn request(
        &self,
        plans: &Plans,
        captures: &[Capture<'_>],
        query: &str,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), RequestError> {
        self.assemble(plans, captures, query, out, |out| {
            self.json_body(plans, body, out)
        })?
        .finish(self, plans, body, out)
    }

    /// As [`request`](Self::request) with a body of `application/x-www-form-urlencoded`, whose
    /// parameters are the fields of what the body binds.
    pub fn request_form(
        &self,
        plans: &Plans,
        captures: &[Capture<'_>],
        query: &str,
        form: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), RequestError> {
        self.assemble(plans, captures, query, out, |out| {
            self.form_body(plans, form, out)
        })
        .map(drop)
    }

    /// Reads a reply and appends its JSON to `out`, which stays as it was on error.
    pub fn response(&self, plans: &Plans, wire: &[u8], out: &mut Vec<u8>) -> Result<(), WireError> {
        match self.response_index {
            Some(index) => {
                let field = &plans.get(self.response).fields[index];
                plans.field_to_json(self.response, field, wire, out)
            }
            None => plans.to_json(self.response, wire, out),
        }
    }

    /// Appends a string field to a request that was made, over whatever it held. Gives `false`, and
    /// appends nothing, when the request has no string field with that path.
    pub fn append_string(&self, plans: &Plans, path: &str, value: &str, out: &mut Vec<u8>) -> bool {
        let target = Target::resolve(plans, self.request, path).ok();
        append(plans, target.as_ref(), value, out)
    }

    /// Appends the etag that a request must meet (`If-Match`): the request's `etag`, or the one of the
    /// resource in the body's field. Gives `false` when there is neither.
    pub fn append_etag(&self, plans: &Plans, value: &str, out: &mut Vec<u8>) -> bool {
        append(plans, self.etag.as_ref(), value, out)
    }

    /// Appends the request's `request_id` (`Idempotency-Key`). Gives `false` when there is none.
    pub fn append_request_id(&self, plans: &Plans, value: &str, out: &mut Vec<u8>) -> bool {
        append(plans, self.request_id.as_ref(), value, out)
    }

    /// The reply's `etag`, if it has such a string field and it is not empty.
    pub fn response_etag<'w>(&self, wire: &'w [u8]) -> Option<&'w str> {
        let number = self.response_etag?;
        wire::fields(wire)
            .map_while(Result::ok)
            .filter_map(|field| match field {
                (found, wire::Value::Bytes(text)) if found == number => Some(text),
                _ => None,
            })
            .last()
            .and_then(|text| wire::utf8(text).ok())
            .filter(|text| !text.is_empty())
    }

    /// A path of the request as services name it in violations, in JSON names.
    pub fn json_path(&self, plans: &Plans, path: &str) -> String {
        plans.json_path(self.request, path)
    }

    /// Body, query and captures, in that order: what stands later wins.
    fn assemble(
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
            let given = self.put_query(plans, query, out)?;
            self.put_captures(plans, captures, out)?;
            Ok(Assembled { before, given })
        };
        let outcome = all();
        if outcome.is_err() {
            out.truncate(before);
        }
        outcome
    }

    fn json_body(&self, plans: &Plans, body: &[u8], out: &mut Vec<u8>) -> Result<(), RequestError> {
        if body.iter().all(u8::is_ascii_whitespace) {
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

    fn form_body(&self, plans: &Plans, form: &[u8], out: &mut Vec<u8>) -> Result<(), RequestError> {
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

    fn put_captures(
        &self,
        plans: &Plans,
        captures: &[Capture<'_>],
        out: &mut Vec<u8>,
    ) -> Result<(), RequestError> {
        for (target, capture) in self.captures.iter().zip(captures) {
            let at = |refusal| RequestError::new(Place::Path, &target.path, refusal);
            let mode = match capture.multi {
                true => Mode::KeepSlash,
                false => Mode::All,
            };
            let text = percent::decode(capture.raw, mode).map_err(at)?;
            target.put(plans, &text, out).map_err(at)?;
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
        mask.put(plans, &paths.join(","), out)
            .map_err(|refusal| RequestError::new(Place::Body, &mask.path, refusal))
    }
}

/// A request up to its mask.
struct Assembled {
    before: usize,
    given: Vec<Target>,
}

impl Assembled {
    fn finish(
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

fn append(plans: &Plans, target: Option<&Target>, value: &str, out: &mut Vec<u8>) -> bool {
    target
        .filter(|target| target.is_string())
        .is_some_and(|target| target.put(plans, value, out).is_ok())
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

fn is_http_body(plans: &Plans, kind: Kind) -> bool {
    kind.message()
        .is_some_and(|id| &*plans.get(id).full_name == http_body::NAME)
}

fn is_field_mask(plans: &Plans, kind: Kind) -> bool {
    kind.message()
        .is_some_and(|id| plans.get(id).shape == Shape::FieldMask)
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod rule_tests;
