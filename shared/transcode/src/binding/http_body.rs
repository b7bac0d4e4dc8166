//! Bodies that are no JSON: `google.api.HttpBody`.

use super::{Binding, Body, RequestError, WireError};
use crate::{
    error::WireFault,
    plan::Plans,
    router::Capture,
    wire::{self, BYTES, Read, Value},
};

pub(super) const NAME: &str = "google.api.HttpBody";

const CONTENT_TYPE: u32 = 1;
const DATA: u32 = 2;

/// A body of any media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpBody<'w> {
    /// The media type; empty when the service gave none.
    pub content_type: &'w str,
    /// The body itself.
    pub data: &'w [u8],
}

impl Binding {
    /// Whether the body goes into a `google.api.HttpBody` as it is, and
    /// [`request_http_body`](Self::request_http_body) makes the request.
    pub fn takes_http_body(&self) -> bool {
        self.takes_http_body
    }

    /// Whether the reply is a `google.api.HttpBody`, which
    /// [`response_http_body`](Self::response_http_body) reads.
    pub fn gives_http_body(&self) -> bool {
        self.gives_http_body
    }

    /// As [`request`](Self::request), with a body of any media type.
    pub fn request_http_body(
        &self,
        plans: &Plans,
        captures: &[Capture<'_>],
        query: &str,
        content_type: &str,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), RequestError> {
        let put = |out: &mut Vec<u8>| {
            wire::put_str(CONTENT_TYPE, content_type, out);
            wire::put_bytes(DATA, body, out);
        };
        self.assemble(plans, captures, query, out, |out| {
            match self.body {
                Body::None => {}
                Body::Whole => put(out),
                Body::Field(index) => {
                    wire::put_tag(plans.get(self.request).fields[index].number, BYTES, out);
                    let start = wire::open(out);
                    put(out);
                    wire::close(start, out);
                }
            }
            Ok(())
        })
        .map(drop)
    }

    /// The body that a reply holds.
    pub fn response_http_body<'w>(
        &self,
        plans: &Plans,
        wire: &'w [u8],
    ) -> Result<HttpBody<'w>, WireError> {
        let read = || {
            let wire = match self.response_index {
                Some(index) => last(wire, plans.get(self.response).fields[index].number)?,
                None => wire,
            };
            Ok(HttpBody {
                content_type: wire::utf8(last(wire, CONTENT_TYPE)?)?,
                data: last(wire, DATA)?,
            })
        };
        read().map_err(|fault: WireFault| WireError {
            path: String::new(),
            fault,
        })
    }
}

/// The last length-delimited value of a field; empty when there is none.
fn last(wire: &[u8], wanted: u32) -> Read<&[u8]> {
    let mut found: &[u8] = &[];
    for field in wire::fields(wire) {
        if let (number, Value::Bytes(bytes)) = field?
            && number == wanted
        {
            found = bytes;
        }
    }
    Ok(found)
}
