//! One HTTP rule of one RPC (`google.api.http`): from an HTTP request to a request message, and from a
//! reply message to an HTTP body.

mod http_body;
mod request;
mod rule;

use crate::{
    error::{RequestError, WireError},
    plan::{Kind, Label, MessageId, Plans, Shape},
    router::Capture,
    target::Target,
    template::Template,
    wire,
};

pub use http_body::HttpBody;
pub use rule::BindingError;

/// One HTTP rule of one RPC, resolved against the [`Plans`] that it was made with.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a plain property of the rule, independent of the others"
)]
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
    aliases: Vec<Alias>,
}

/// A value of a captured field that stands for another one.
#[derive(Clone, Debug)]
struct Alias {
    field: String,
    value: String,
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

    /// Whether `null` is a body that says something: where the body is a field that has a value of that form, or
    /// holds one.
    pub fn takes_null(&self, plans: &Plans) -> bool {
        let Body::Field(index) = self.body else {
            return false;
        };
        let field = &plans.get(self.request).fields[index];
        let wraps = |id| plans.get(id).shape == Shape::Wrapper;
        field.label == Label::Singular
            && (plans.null_is_value(field.kind) || field.kind.message().is_some_and(wraps))
    }

    /// Lets a value of a captured field stand for another one (`me` for the caller's id): where the path
    /// says so, a body may hold the field with any value, and the path wins. `field` is its path in JSON
    /// or original names.
    pub fn alias(&mut self, field: &str, value: &str) {
        self.aliases.push(Alias {
            field: field.to_owned(),
            value: value.to_owned(),
        });
    }

    /// Makes the request message and appends its protobuf form to `out`, which stays as it was on
    /// error. `captures` are the router's, `query` is the raw query string without `?`, `body` is JSON;
    /// an empty one counts as no body.
    ///
    /// A member of the body that the path binds too must say the same (but for an [`alias`](Self::alias)).
    /// A query parameter must be a field that neither path nor body binds.
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

    /// The `request_id` that a request has so far, if it is not empty.
    pub fn request_id<'w>(&self, wire: &'w [u8]) -> Option<&'w [u8]> {
        match self.request_id.as_ref()?.find(wire)? {
            wire::Value::Bytes(said) if !said.is_empty() => Some(said),
            _ => None,
        }
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
}

fn append(plans: &Plans, target: Option<&Target>, value: &str, out: &mut Vec<u8>) -> bool {
    target
        .filter(|target| target.is_string())
        .is_some_and(|target| target.put(plans, value, out).is_ok())
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
