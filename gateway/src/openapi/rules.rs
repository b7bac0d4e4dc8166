//! `buf.validate` rules and `google.api.field_behavior`, read by field numbers from the options' bytes,
//! so that it does not matter whose copy of the definitions an upstream has, or whether it has one.

use prost::{Message, Oneof};

use super::notes::Note;

/// The options of a field, as far as they say what a value may be.
#[derive(Clone, PartialEq, Message)]
pub struct FieldOptions {
    #[prost(bool, tag = "3")]
    pub deprecated: bool,
    #[prost(int32, repeated, tag = "1052")]
    behavior: Vec<i32>,
    #[prost(message, optional, tag = "1159")]
    pub rules: Option<Rules>,
}

/// The options of a oneof.
#[derive(Clone, PartialEq, Message)]
pub struct OneofOptions {
    #[prost(message, optional, tag = "1159")]
    rules: Option<OneofRules>,
}

#[derive(Clone, PartialEq, Message)]
struct OneofRules {
    #[prost(bool, tag = "1")]
    required: bool,
}

/// The options of an RPC, a service, an enum or a message; the number of `deprecated` differs.
#[derive(Clone, PartialEq, Message)]
struct Marks {
    #[prost(bool, tag = "3")]
    of_message: bool,
    #[prost(bool, tag = "33")]
    of_method: bool,
}

/// `buf.validate.FieldRules`.
#[derive(Clone, PartialEq, Message)]
pub struct Rules {
    #[prost(bool, tag = "25")]
    pub required: bool,
    #[prost(int32, tag = "27")]
    pub ignore: i32,
    #[prost(
        oneof = "Typed",
        tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19"
    )]
    pub typed: Option<Typed>,
}

/// The rules for a type.
#[derive(Clone, PartialEq, Oneof)]
pub enum Typed {
    #[prost(message, tag = "1")]
    Float(FloatRules),
    #[prost(message, tag = "2")]
    Double(DoubleRules),
    #[prost(message, tag = "3")]
    Int32(Int32Rules),
    #[prost(message, tag = "4")]
    Int64(Int64Rules),
    #[prost(message, tag = "5")]
    Uint32(Uint32Rules),
    #[prost(message, tag = "6")]
    Uint64(Uint64Rules),
    #[prost(message, tag = "7")]
    Sint32(Sint32Rules),
    #[prost(message, tag = "8")]
    Sint64(Sint64Rules),
    #[prost(message, tag = "9")]
    Fixed32(Fixed32Rules),
    #[prost(message, tag = "10")]
    Fixed64(Fixed64Rules),
    #[prost(message, tag = "11")]
    Sfixed32(Sfixed32Rules),
    #[prost(message, tag = "12")]
    Sfixed64(Sfixed64Rules),
    #[prost(message, tag = "13")]
    Bool(BoolRules),
    #[prost(message, tag = "14")]
    Text(Box<TextRules>),
    #[prost(message, tag = "15")]
    Bytes(BytesRules),
    #[prost(message, tag = "16")]
    Enum(EnumRules),
    #[prost(message, tag = "18")]
    Repeated(Box<RepeatedRules>),
    #[prost(message, tag = "19")]
    Map(Box<MapRules>),
}

/// `buf.validate.BoolRules`.
#[derive(Clone, PartialEq, Message)]
pub struct BoolRules {
    #[prost(bool, optional, tag = "1")]
    pub constant: Option<bool>,
}

/// `buf.validate.StringRules`.
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the fields of the rules' message"
)]
#[derive(Clone, PartialEq, Message)]
pub struct TextRules {
    #[prost(string, optional, tag = "1")]
    pub constant: Option<String>,
    #[prost(uint64, optional, tag = "2")]
    pub min_len: Option<u64>,
    #[prost(uint64, optional, tag = "3")]
    pub max_len: Option<u64>,
    #[prost(uint64, optional, tag = "4")]
    pub min_bytes: Option<u64>,
    #[prost(uint64, optional, tag = "5")]
    pub max_bytes: Option<u64>,
    #[prost(string, optional, tag = "6")]
    pub pattern: Option<String>,
    #[prost(string, optional, tag = "7")]
    pub prefix: Option<String>,
    #[prost(string, optional, tag = "8")]
    pub suffix: Option<String>,
    #[prost(string, optional, tag = "9")]
    pub contains: Option<String>,
    #[prost(string, repeated, tag = "10")]
    pub one_of: Vec<String>,
    #[prost(string, repeated, tag = "11")]
    pub none_of: Vec<String>,
    #[prost(bool, tag = "12")]
    pub email: bool,
    #[prost(bool, tag = "13")]
    pub hostname: bool,
    #[prost(bool, tag = "15")]
    pub ipv4: bool,
    #[prost(bool, tag = "16")]
    pub ipv6: bool,
    #[prost(bool, tag = "17")]
    pub uri: bool,
    #[prost(bool, tag = "18")]
    pub uri_ref: bool,
    #[prost(uint64, optional, tag = "19")]
    pub len: Option<u64>,
    #[prost(bool, tag = "22")]
    pub uuid: bool,
    #[prost(string, repeated, tag = "34")]
    pub example: Vec<String>,
}

/// `buf.validate.BytesRules`.
#[derive(Clone, PartialEq, Message)]
pub struct BytesRules {
    #[prost(uint64, optional, tag = "2")]
    pub min_len: Option<u64>,
    #[prost(uint64, optional, tag = "3")]
    pub max_len: Option<u64>,
    #[prost(uint64, optional, tag = "13")]
    pub len: Option<u64>,
}

/// `buf.validate.EnumRules`.
#[derive(Clone, PartialEq, Message)]
pub struct EnumRules {
    #[prost(int32, optional, tag = "1")]
    pub constant: Option<i32>,
    #[prost(bool, tag = "2")]
    pub defined_only: bool,
    #[prost(int32, repeated, tag = "3")]
    pub one_of: Vec<i32>,
    #[prost(int32, repeated, tag = "4")]
    pub none_of: Vec<i32>,
}

/// `buf.validate.RepeatedRules`.
#[derive(Clone, PartialEq, Message)]
pub struct RepeatedRules {
    #[prost(uint64, optional, tag = "1")]
    pub min_items: Option<u64>,
    #[prost(uint64, optional, tag = "2")]
    pub max_items: Option<u64>,
    #[prost(bool, tag = "3")]
    pub unique: bool,
    #[prost(message, optional, tag = "4")]
    pub items: Option<Rules>,
}

/// `buf.validate.MapRules`.
#[derive(Clone, PartialEq, Message)]
pub struct MapRules {
    #[prost(uint64, optional, tag = "1")]
    pub min_pairs: Option<u64>,
    #[prost(uint64, optional, tag = "2")]
    pub max_pairs: Option<u64>,
    #[prost(message, optional, tag = "4")]
    pub keys: Option<Rules>,
    #[prost(message, optional, tag = "5")]
    pub values: Option<Rules>,
}

macro_rules! numbers {
    ($($name:ident $kind:ident $rust:ty, $finite:literal, $example:literal;)*) => { $(
        #[doc = concat!("`buf.validate.", stringify!($name), "`.")]
        #[derive(Clone, PartialEq, Message)]
        pub struct $name {
            #[prost($kind, optional, tag = "1")]
            constant: Option<$rust>,
            #[prost($kind, optional, tag = "2")]
            lt: Option<$rust>,
            #[prost($kind, optional, tag = "3")]
            lte: Option<$rust>,
            #[prost($kind, optional, tag = "4")]
            gt: Option<$rust>,
            #[prost($kind, optional, tag = "5")]
            gte: Option<$rust>,
            #[prost($kind, repeated, tag = "6")]
            one_of: Vec<$rust>,
            #[prost($kind, repeated, tag = $example)]
            example: Vec<$rust>,
            #[prost(bool, tag = $finite)]
            finite: bool,
        }

        impl From<&$name> for Bounds {
            fn from(rules: &$name) -> Self {
                let one = |value: Option<$rust>| value.and_then(Numeric::number);
                let many = |values: &[$rust]| {
                    values.iter().filter_map(|it| Numeric::number(*it)).collect()
                };
                Self {
                    constant: one(rules.constant),
                    lt: one(rules.lt),
                    lte: one(rules.lte),
                    gt: one(rules.gt),
                    gte: one(rules.gte),
                    one_of: many(&rules.one_of),
                    example: many(&rules.example),
                    finite: rules.finite,
                }
            }
        }
    )* };
}

// Integers have no `finite`; its place is given to a number that the rules do not use.
numbers! {
    FloatRules float f32, "8", "9";
    DoubleRules double f64, "8", "9";
    Int32Rules int32 i32, "99", "8";
    Int64Rules int64 i64, "99", "8";
    Uint32Rules uint32 u32, "99", "8";
    Uint64Rules uint64 u64, "99", "8";
    Sint32Rules sint32 i32, "99", "8";
    Sint64Rules sint64 i64, "99", "8";
    Fixed32Rules fixed32 u32, "99", "8";
    Fixed64Rules fixed64 u64, "99", "8";
    Sfixed32Rules sfixed32 i32, "99", "8";
    Sfixed64Rules sfixed64 i64, "99", "8";
}

/// The rules for a number of any type. A bound that JSON cannot write is left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bounds {
    pub constant: Option<serde_json::Number>,
    pub lt: Option<serde_json::Number>,
    pub lte: Option<serde_json::Number>,
    pub gt: Option<serde_json::Number>,
    pub gte: Option<serde_json::Number>,
    pub one_of: Vec<serde_json::Number>,
    pub example: Vec<serde_json::Number>,
    pub finite: bool,
}

trait Numeric {
    fn number(self) -> Option<serde_json::Number>;
}

macro_rules! numeric {
    ($($integer:ty)*) => { $(
        impl Numeric for $integer {
            fn number(self) -> Option<serde_json::Number> {
                Some(self.into())
            }
        }
    )* };
}

numeric! { i32 i64 u32 u64 }

impl Numeric for f32 {
    fn number(self) -> Option<serde_json::Number> {
        f64::from(self).number()
    }
}

impl Numeric for f64 {
    fn number(self) -> Option<serde_json::Number> {
        serde_json::Number::from_f64(self)
    }
}

impl Typed {
    /// The rules for a number, if that is what they are.
    pub fn bounds(&self) -> Option<Bounds> {
        Some(match self {
            Self::Float(rules) => rules.into(),
            Self::Double(rules) => rules.into(),
            Self::Int32(rules) => rules.into(),
            Self::Int64(rules) => rules.into(),
            Self::Uint32(rules) => rules.into(),
            Self::Uint64(rules) => rules.into(),
            Self::Sint32(rules) => rules.into(),
            Self::Sint64(rules) => rules.into(),
            Self::Fixed32(rules) => rules.into(),
            Self::Fixed64(rules) => rules.into(),
            Self::Sfixed32(rules) => rules.into(),
            Self::Sfixed64(rules) => rules.into(),
            Self::Bool(_)
            | Self::Text(_)
            | Self::Bytes(_)
            | Self::Enum(_)
            | Self::Repeated(_)
            | Self::Map(_) => return None,
        })
    }
}

impl Rules {
    /// Whether they never apply.
    pub fn is_off(&self) -> bool {
        self.ignore == 3
    }

    /// Whether they do not apply to the zero of the type.
    pub fn spares_zero(&self) -> bool {
        self.ignore == 1
    }
}

const REQUIRED: i32 = 2;
const OUTPUT_ONLY: i32 = 3;
const INPUT_ONLY: i32 = 4;
const IMMUTABLE: i32 = 5;
const IDENTIFIER: i32 = 8;

impl FieldOptions {
    /// The options of a field. Those that cannot be read say nothing.
    pub fn of(note: &Note) -> Self {
        Self::decode(note.options.clone()).unwrap_or_default()
    }

    /// Whether a value must be given.
    pub fn required(&self) -> bool {
        self.behavior.contains(&REQUIRED)
    }

    /// Whether only the service sets it.
    pub fn output_only(&self) -> bool {
        self.behavior.contains(&OUTPUT_ONLY)
    }

    /// Whether the service never answers it.
    pub fn input_only(&self) -> bool {
        self.behavior.contains(&INPUT_ONLY)
    }

    /// Whether an update may change it.
    pub fn is_mutable(&self) -> bool {
        let fixed = [OUTPUT_ONLY, IMMUTABLE, IDENTIFIER];
        !self.behavior.iter().any(|it| fixed.contains(it))
    }

    /// The rules that may apply.
    pub fn active(&self) -> Option<&Rules> {
        self.rules.as_ref().filter(|rules| !rules.is_off())
    }
}

/// Whether one of a oneof's fields must be given.
pub fn oneof_required(note: &Note) -> bool {
    let options = OneofOptions::decode(note.options.clone()).unwrap_or_default();
    options.rules.is_some_and(|rules| rules.required)
}

/// Whether a message or an enum is marked as going away.
pub fn is_deprecated(note: &Note) -> bool {
    Marks::decode(note.options.clone()).is_ok_and(|marks| marks.of_message)
}

/// Whether an RPC or a service is marked as going away.
pub fn is_deprecated_call(note: &Note) -> bool {
    Marks::decode(note.options.clone()).is_ok_and(|marks| marks.of_method)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi::notes::Notes;

    fn options(set: &[u8], field: &str) -> FieldOptions {
        let pool = portico_transcode::pool(set).unwrap();
        FieldOptions::of(Notes::of(&pool).on(field))
    }

    #[test]
    fn rules_and_behaviour_are_read() {
        let set = portico_proto::user::DESCRIPTOR_SET;
        let address = options(set, "portico.user.v1.User.email");
        assert!(address.required() && !address.output_only());
        let rules = address.active().unwrap();
        assert!(rules.spares_zero());
        let Some(Typed::Text(text)) = &rules.typed else {
            panic!("{rules:?}");
        };
        assert!(text.email);
        assert_eq!(text.max_bytes, Some(254));

        let held = options(set, "portico.user.v1.User.roles");
        assert!(held.output_only() && !held.is_mutable());
        let Some(Typed::Repeated(rules)) = &held.rules.as_ref().unwrap().typed else {
            panic!("{held:?}");
        };
        assert_eq!(rules.max_items, Some(32));
        assert!(rules.unique && rules.items.is_some());
    }

    #[test]
    fn bounds_are_read_whatever_the_type() {
        let set = portico_proto::user::DESCRIPTOR_SET;
        let size = options(set, "portico.user.v1.ListUsersRequest.page_size");
        let bounds = size.rules.unwrap().typed.unwrap().bounds().unwrap();
        assert_eq!(bounds.gte, Some(0.into()));
        assert_eq!(bounds.lte, Some(1000.into()));
    }

    #[test]
    fn options_that_cannot_be_read_say_nothing() {
        let note = Note {
            comment: String::new(),
            options: prost::bytes::Bytes::from_static(&[0xba, 0x48, 0x7f]),
        };
        assert_eq!(FieldOptions::of(&note), FieldOptions::default());
    }
}
