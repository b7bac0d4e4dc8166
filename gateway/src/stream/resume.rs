//! How a stream is taken up again where it was cut off: the one place that says which fields do it.
//!
//! * The `id:` of a server-sent event is the reply message's top-level field `sequence`, or its field
//!   `id` where it has no `sequence`; a singular integer or string. What is not set gives no `id:`.
//! * `Last-Event-ID` goes into the request message's top-level field `after`, a singular integer or
//!   string, over whatever the query gave it. A request without such a field ignores the header.

use actix_web::http::header::{HeaderMap, HeaderName};
use prost::encoding::{self, DecodeContext, WireType};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};

use crate::problem::{Fault, Problem};

const SENT: HeaderName = HeaderName::from_static("last-event-id");

/// What the messages of an RPC have for it.
#[derive(Clone, Debug, Default)]
pub struct Resume {
    id: Option<Field>,
    after: Option<Field>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Field {
    number: u32,
    form: Form,
}

/// How an integer or a string looks on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Signed { bits32: bool },
    Unsigned { bits32: bool },
    Zigzag { bits32: bool },
    Fixed32 { signed: bool },
    Fixed64 { signed: bool },
    Text,
}

impl Resume {
    /// What an RPC's messages have.
    pub fn of(method: &MethodDescriptor) -> Self {
        let (request, reply) = (method.input(), method.output());
        Self {
            id: Field::named(&reply, "sequence").or_else(|| Field::named(&reply, "id")),
            after: Field::named(&request, "after"),
        }
    }

    /// The id of the event that a reply message is.
    pub fn event_id(&self, message: &[u8]) -> Option<String> {
        self.id?.read(message).filter(|id| is_one_line(id))
    }

    /// Appends the last id that the caller saw to a request message.
    pub fn apply(&self, headers: &HeaderMap, message: &mut Vec<u8>) -> Result<(), Problem> {
        let (Some(after), Some(sent)) = (self.after, headers.get(SENT)) else {
            return Ok(());
        };
        if sent.is_empty() {
            return Ok(());
        }
        // Event ids are UTF-8, which header values need not say.
        let sent = std::str::from_utf8(sent.as_bytes()).ok();
        sent.and_then(|id| after.write(id, message)).ok_or_else(|| {
            Problem::invalid_field(Fault {
                field: "Last-Event-ID".to_owned(),
                description: "is not an id that this stream has given".to_owned(),
            })
        })
    }
}

impl Field {
    fn named(message: &MessageDescriptor, name: &str) -> Option<Self> {
        let field = message.get_field_by_name(name)?;
        let singular = !field.is_list() && !field.is_map();
        let form = singular.then(|| form(&field)).flatten()?;
        Some(Self {
            number: field.number(),
            form,
        })
    }

    /// The last value that the message gives the field; `None` also where the message is damaged, which
    /// its translation will tell.
    fn read(self, mut message: &[u8]) -> Option<String> {
        let mut found = None;
        while !message.is_empty() {
            let (number, wire) = encoding::decode_key(&mut message).ok()?;
            if number == self.number && wire == self.wire() {
                found = Some(self.value(&mut message)?);
            } else {
                let context = DecodeContext::default();
                encoding::skip_field(wire, number, &mut message, context).ok()?;
            }
        }
        found
    }

    fn wire(self) -> WireType {
        match self.form {
            Form::Signed { .. } | Form::Unsigned { .. } | Form::Zigzag { .. } => WireType::Varint,
            Form::Fixed32 { .. } => WireType::ThirtyTwoBit,
            Form::Fixed64 { .. } => WireType::SixtyFourBit,
            Form::Text => WireType::LengthDelimited,
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "the wire format reads narrower integers as the low bits of wider ones"
    )]
    fn value(self, message: &mut &[u8]) -> Option<String> {
        let text = match self.form {
            Form::Text => {
                let length = usize::try_from(encoding::decode_varint(message).ok()?).ok()?;
                let (text, rest) = message.split_at_checked(length)?;
                *message = rest;
                return Some(std::str::from_utf8(text).ok()?.to_owned());
            }
            Form::Fixed32 { signed } => {
                let (bytes, rest) = message.split_first_chunk()?;
                *message = rest;
                if signed {
                    i32::from_le_bytes(*bytes).to_string()
                } else {
                    u32::from_le_bytes(*bytes).to_string()
                }
            }
            Form::Fixed64 { signed } => {
                let (bytes, rest) = message.split_first_chunk()?;
                *message = rest;
                if signed {
                    i64::from_le_bytes(*bytes).to_string()
                } else {
                    u64::from_le_bytes(*bytes).to_string()
                }
            }
            Form::Signed { bits32 } | Form::Unsigned { bits32 } | Form::Zigzag { bits32 } => {
                let raw = encoding::decode_varint(message).ok()?;
                let zigzag = (raw >> 1) as i64 ^ -((raw & 1) as i64);
                match (self.form, bits32) {
                    (Form::Signed { .. }, true) => (raw as i32).to_string(),
                    (Form::Signed { .. }, false) => (raw as i64).to_string(),
                    (Form::Unsigned { .. }, true) => (raw as u32).to_string(),
                    (Form::Zigzag { .. }, _) => zigzag.to_string(),
                    _ => raw.to_string(),
                }
            }
        };
        Some(text)
    }

    fn write(self, text: &str, out: &mut Vec<u8>) -> Option<()> {
        let number = self.number;
        match self.form {
            Form::Text => encoding::string::encode(number, &text.to_owned(), out),
            Form::Signed { bits32: true } => {
                encoding::int32::encode(number, &text.parse().ok()?, out);
            }
            Form::Signed { .. } => encoding::int64::encode(number, &text.parse().ok()?, out),
            Form::Unsigned { bits32: true } => {
                encoding::uint32::encode(number, &text.parse().ok()?, out);
            }
            Form::Unsigned { .. } => encoding::uint64::encode(number, &text.parse().ok()?, out),
            Form::Zigzag { bits32: true } => {
                encoding::sint32::encode(number, &text.parse().ok()?, out);
            }
            Form::Zigzag { .. } => encoding::sint64::encode(number, &text.parse().ok()?, out),
            Form::Fixed32 { signed: true } => {
                encoding::sfixed32::encode(number, &text.parse().ok()?, out);
            }
            Form::Fixed32 { .. } => encoding::fixed32::encode(number, &text.parse().ok()?, out),
            Form::Fixed64 { signed: true } => {
                encoding::sfixed64::encode(number, &text.parse().ok()?, out);
            }
            Form::Fixed64 { .. } => encoding::fixed64::encode(number, &text.parse().ok()?, out),
        }
        Some(())
    }
}

fn form(field: &FieldDescriptor) -> Option<Form> {
    Some(match field.kind() {
        Kind::Int32 => Form::Signed { bits32: true },
        Kind::Int64 => Form::Signed { bits32: false },
        Kind::Uint32 => Form::Unsigned { bits32: true },
        Kind::Uint64 => Form::Unsigned { bits32: false },
        Kind::Sint32 => Form::Zigzag { bits32: true },
        Kind::Sint64 => Form::Zigzag { bits32: false },
        Kind::Fixed32 => Form::Fixed32 { signed: false },
        Kind::Sfixed32 => Form::Fixed32 { signed: true },
        Kind::Fixed64 => Form::Fixed64 { signed: false },
        Kind::Sfixed64 => Form::Fixed64 { signed: true },
        Kind::String => Form::Text,
        _ => return None,
    })
}

/// Whether a line can carry the id: one with a line break or a NUL would be read as something else (the
/// specification of server-sent events, section 9.2.6).
fn is_one_line(id: &str) -> bool {
    !id.is_empty() && !id.contains(['\n', '\r', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms() -> Vec<(Form, Vec<&'static str>)> {
        let (min64, max64) = ("-9223372036854775808", "9223372036854775807");
        let top = "18446744073709551615";
        vec![
            (Form::Signed { bits32: true }, vec!["-2147483648", "7"]),
            (Form::Signed { bits32: false }, vec![min64, max64]),
            (Form::Unsigned { bits32: true }, vec!["0", "4294967295"]),
            (Form::Unsigned { bits32: false }, vec![top]),
            (Form::Zigzag { bits32: true }, vec!["-2147483648", "3"]),
            (Form::Zigzag { bits32: false }, vec![min64, max64]),
            (Form::Fixed32 { signed: true }, vec!["-1"]),
            (Form::Fixed32 { signed: false }, vec!["4294967295"]),
            (Form::Fixed64 { signed: true }, vec!["-1"]),
            (Form::Fixed64 { signed: false }, vec![top]),
            (Form::Text, vec!["", "a b", "ä"]),
        ]
    }

    #[test]
    fn every_form_comes_back_as_it_went() {
        for (form, values) in forms() {
            let field = Field { number: 3, form };
            for value in values {
                let mut wire = Vec::new();
                encoding::string::encode(2, &"before".to_owned(), &mut wire);
                field.write(value, &mut wire).unwrap();
                encoding::int64::encode(4, &7, &mut wire);
                assert_eq!(field.read(&wire).as_deref(), Some(value), "{form:?}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_not_written() {
        for (form, _) in forms().into_iter().filter(|(form, _)| *form != Form::Text) {
            let field = Field { number: 1, form };
            assert!(field.write("x", &mut Vec::new()).is_none(), "{form:?}");
            assert!(
                field
                    .write("99999999999999999999", &mut Vec::new())
                    .is_none()
            );
        }
    }

    #[test]
    fn a_damaged_message_has_no_id() {
        let field = Field {
            number: 1,
            form: Form::Text,
        };
        assert_eq!(field.read(&[0x0a, 0x05, b'a']), None);
        assert_eq!(field.read(&[0xff]), None);
    }

    #[test]
    fn an_id_stays_on_its_line() {
        assert!(is_one_line("7"));
        assert!(!is_one_line("a\nb") && !is_one_line("a\0") && !is_one_line(""));
    }
}
