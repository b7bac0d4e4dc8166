//! How the messages of a stream stand in the body of an answer.

use actix_web::http::header::{ACCEPT, HeaderMap};
use bytes::{BufMut, BytesMut};
use portico_transcode::WireError;

use crate::{contract::Route, problem::Problem};

/// The media type of newline-delimited JSON.
pub const NDJSON: &str = "application/x-ndjson";

/// The media type of Server-Sent Events.
pub const EVENTS: &str = "text/event-stream";

/// The form of an answer that is a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A line of JSON for each message. There is no heartbeat: every line is a message, and nothing but
    /// the last may be an error.
    Lines,
    /// A `data:` event for each message, with comments while there is none.
    Events,
    /// The data of each `google.api.HttpBody`, one behind the other.
    Raw,
}

impl Framing {
    /// What the caller prefers, and lines where it does not say. A reply of `HttpBody` has a form of its
    /// own.
    pub fn of(route: &Route, headers: &HeaderMap) -> Self {
        if route.binding.gives_http_body() {
            return Self::Raw;
        }
        let accepted = headers.get_all(ACCEPT);
        let accepted = accepted.filter_map(|value| value.to_str().ok());
        let (mut lines, mut events) = (0, 0);
        for (media_type, weight) in accepted.flat_map(|value| value.split(',')).map(weighed) {
            match media_type.as_str() {
                NDJSON => lines = lines.max(weight),
                EVENTS => events = events.max(weight),
                _ => {}
            }
        }
        if events > lines {
            Self::Events
        } else {
            Self::Lines
        }
    }

    /// Appends a message.
    pub fn message(
        self,
        route: &Route,
        wire: &[u8],
        scratch: &mut Vec<u8>,
        out: &mut BytesMut,
    ) -> Result<(), WireError> {
        let (plans, binding) = (&route.plans, &route.binding);
        if self == Self::Raw {
            out.put_slice(binding.response_http_body(plans, wire)?.data);
            return Ok(());
        }
        scratch.clear();
        binding.response(plans, wire, scratch)?;
        if self == Self::Lines {
            out.put_slice(scratch);
            out.put_u8(b'\n');
            return Ok(());
        }
        if let Some(id) = route.resume.event_id(wire) {
            out.put_slice(b"id: ");
            out.put_slice(id.as_bytes());
            out.put_u8(b'\n');
        }
        event(scratch, out);
        Ok(())
    }

    /// Appends what ends a stream that failed. Gives `false` where the form has no room for it: the
    /// body must then be cut off.
    pub fn problem(self, problem: &Problem, request_id: &str, out: &mut BytesMut) -> bool {
        let document = problem.document(request_id);
        match self {
            Self::Lines => {
                out.put_slice(br#"{"error":"#);
                out.put_slice(&document);
                out.put_slice(b"}\n");
            }
            Self::Events => {
                out.put_slice(b"event: error\n");
                event(&document, out);
            }
            Self::Raw => return false,
        }
        true
    }
}

fn event(json: &[u8], out: &mut BytesMut) {
    out.put_slice(b"data: ");
    out.put_slice(json);
    out.put_slice(b"\n\n");
}

/// A media range and its weight in thousandths (RFC 9110, section 12.4.2).
fn weighed(range: &str) -> (String, u32) {
    let mut parts = range.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
    let weight = parts
        .find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")))
        .map_or(Some(1.0), |q| q.parse::<f32>().ok())
        .unwrap_or(0.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the value is between 0 and 1000, and NaN becomes 0"
    )]
    let thousandths = (weight.clamp(0.0, 1.0) * 1000.0) as u32;
    (media_type, thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_read() {
        let cases = [
            ("text/event-stream", "text/event-stream", 1000),
            (" Text/Event-Stream ; charset=utf-8;q=0.5", EVENTS, 500),
            ("application/x-ndjson;q=0", NDJSON, 0),
            ("a/b;q=7", "a/b", 1000),
            ("a/b;q=NaN", "a/b", 0),
            ("a/b;q=x", "a/b", 0),
        ];
        for (range, media_type, weight) in cases {
            assert_eq!(weighed(range), (media_type.to_owned(), weight), "{range}");
        }
    }
}
