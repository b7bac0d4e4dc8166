//! From descriptors to plans.

use std::collections::HashMap;

use prost::Message as _;
use prost_reflect::{
    Cardinality, DescriptorPool, EnumDescriptor, ExtensionDescriptor, FieldDescriptor,
    Kind as Shown, MessageDescriptor,
};

use super::{
    EnumId, EnumPlan, FieldPlan, Key, Kind, Label, MessageId, MessagePlan, NONE, Names, Plans,
    Shape,
};
use crate::{
    features::{EnumOptions, Features, FieldOptions},
    to_json::text,
};

/// Numbers up to here always have a place in the dense table.
const ALWAYS_DENSE: u32 = 64;

pub(super) fn compile(pool: &DescriptorPool) -> Plans {
    let ids = Ids {
        messages: number_all(pool.all_messages().map(|m| m.full_name().into())),
        enums: number_all(pool.all_enums().map(|e| e.full_name().into())),
    };
    Plans {
        messages: pool.all_messages().map(|m| ids.message(&m)).collect(),
        enums: pool.all_enums().map(|e| plan_enum(&e)).collect(),
        by_name: ids
            .messages
            .into_iter()
            .map(|(name, id)| (name, MessageId(id)))
            .collect(),
    }
}

fn number_all(names: impl Iterator<Item = Box<str>>) -> HashMap<Box<str>, u32> {
    names.zip(0..).collect()
}

struct Ids {
    messages: HashMap<Box<str>, u32>,
    enums: HashMap<Box<str>, u32>,
}

impl Ids {
    fn message(&self, message: &MessageDescriptor) -> MessagePlan {
        let features = Features::of_message(message);
        let oneofs: HashMap<String, u32> = message
            .oneofs()
            .filter(|oneof| !oneof.is_synthetic())
            .map(|oneof| oneof.name().to_owned())
            .zip(0..)
            .collect();
        let mut fields: Vec<FieldPlan> = message
            .fields()
            .map(|field| self.field(&Described::field(&field, message, &oneofs), features))
            .collect();
        fields.extend(message.extensions().map(|extension| {
            let features = match extension.parent_message() {
                Some(scope) => Features::of_message(&scope),
                None => Features::of_file(&extension.parent_file()),
            };
            self.field(&Described::extension(&extension), features)
        }));
        fields.sort_by_key(|field| field.number);
        MessagePlan {
            full_name: message.full_name().into(),
            shape: shape(message.full_name(), &fields),
            names: names(&fields),
            dense: dense(&fields),
            fields: fields.into(),
        }
    }

    fn field(&self, field: &Described, outer: Features) -> FieldPlan {
        let features = outer.with::<FieldOptions>(&field.options);
        let own = OwnOptions::read(&field.options);
        let mut kind = self.kind(&field.kind);
        let delimited = features.delimited && !field.is_map && !field.in_map_entry;
        if let Kind::Message(id) = kind
            && (delimited || field.is_group)
        {
            kind = Kind::Group(id);
        }
        let label = match field.cardinality {
            Cardinality::Repeated if field.is_map => Label::Map,
            Cardinality::Repeated => Label::Repeated {
                packed: kind.is_packable() && own.packed.unwrap_or(features.packed),
            },
            Cardinality::Optional | Cardinality::Required => Label::Singular,
        };
        let mut key = vec![b','];
        text::quote(&field.json_name, &mut key);
        key.push(b':');
        FieldPlan {
            number: field.number,
            name: field.name.as_str().into(),
            json_name: field.json_name.as_str().into(),
            key: Key::new(key),
            kind,
            wire_type: kind.wire_type(),
            label,
            presence: field.always_present_or_absent
                || kind.message().is_some()
                || !features.implicit_presence,
            oneof: field.oneof,
            output_only: own.field_behavior.contains(&OUTPUT_ONLY),
        }
    }

    fn kind(&self, kind: &Shown) -> Kind {
        match kind {
            Shown::Double => Kind::Double,
            Shown::Float => Kind::Float,
            Shown::Int32 => Kind::Int32,
            Shown::Int64 => Kind::Int64,
            Shown::Uint32 => Kind::Uint32,
            Shown::Uint64 => Kind::Uint64,
            Shown::Sint32 => Kind::Sint32,
            Shown::Sint64 => Kind::Sint64,
            Shown::Fixed32 => Kind::Fixed32,
            Shown::Fixed64 => Kind::Fixed64,
            Shown::Sfixed32 => Kind::Sfixed32,
            Shown::Sfixed64 => Kind::Sfixed64,
            Shown::Bool => Kind::Bool,
            Shown::String => Kind::String,
            Shown::Bytes => Kind::Bytes,
            // The pool that gave the field gave all its messages and enums too.
            Shown::Message(message) => Kind::Message(MessageId(self.messages[message.full_name()])),
            Shown::Enum(described) => Kind::Enum(EnumId(self.enums[described.full_name()])),
        }
    }
}

/// What a field and an extension have in common.
#[expect(
    clippy::struct_excessive_bools,
    reason = "a copy of what the descriptors say, one accessor each"
)]
struct Described {
    number: u32,
    name: String,
    json_name: String,
    kind: Shown,
    cardinality: Cardinality,
    is_map: bool,
    is_group: bool,
    in_map_entry: bool,
    always_present_or_absent: bool,
    oneof: Option<u32>,
    options: Vec<u8>,
}

impl Described {
    fn field(
        field: &FieldDescriptor,
        parent: &MessageDescriptor,
        oneofs: &HashMap<String, u32>,
    ) -> Self {
        let oneof = field.containing_oneof();
        Self {
            number: field.number(),
            name: field.name().to_owned(),
            json_name: field.json_name().to_owned(),
            kind: field.kind(),
            cardinality: field.cardinality(),
            is_map: is_map(&field.kind(), field.is_map()),
            is_group: field.is_group(),
            in_map_entry: parent.is_map_entry(),
            // Optional fields of proto3 stand in a oneof of their own.
            always_present_or_absent: oneof.is_some() || field.is_required(),
            oneof: oneof.and_then(|oneof| oneofs.get(oneof.name()).copied()),
            options: field.options().encode_to_vec(),
        }
    }

    fn extension(extension: &ExtensionDescriptor) -> Self {
        Self {
            number: extension.number(),
            name: extension.json_name().to_owned(),
            json_name: extension.json_name().to_owned(),
            kind: extension.kind(),
            cardinality: extension.cardinality(),
            is_map: is_map(&extension.kind(), extension.is_map()),
            is_group: extension.is_group(),
            in_map_entry: false,
            always_present_or_absent: true,
            oneof: None,
            options: extension.options().encode_to_vec(),
        }
    }
}

/// Whether a field that says so is a map: its entry has a key and a value and nothing else.
fn is_map(kind: &Shown, says_so: bool) -> bool {
    let Shown::Message(entry) = kind else {
        return false;
    };
    let single = |number| {
        let field = entry.get_field(number)?;
        (field.cardinality() == Cardinality::Optional && !field.is_group()).then(|| field.kind())
    };
    let key = !matches!(
        single(1),
        None | Some(
            Shown::Double | Shown::Float | Shown::Bytes | Shown::Message(_) | Shown::Enum(_)
        )
    );
    says_so && key && single(2).is_some() && entry.fields().len() == 2
}

const OUTPUT_ONLY: i32 = 3;

/// The options of a field that matter here, apart from its features.
#[derive(Clone, PartialEq, prost::Message)]
struct OwnOptions {
    #[prost(bool, optional, tag = "2")]
    packed: Option<bool>,
    /// `google.api.field_behavior`.
    #[prost(int32, repeated, packed = "false", tag = "1052")]
    field_behavior: Vec<i32>,
}

impl OwnOptions {
    fn read(options: &[u8]) -> Self {
        // Options come out of a descriptor pool, which has read them before.
        Self::decode(options).unwrap_or_default()
    }
}

/// The JSON form that goes with a name. A message that only bears the name of a well-known type, and
/// has other fields, is an ordinary one.
fn shape(full_name: &str, fields: &[FieldPlan]) -> Shape {
    let shape = shape_of_name(full_name);
    let singular = |field: &FieldPlan| field.label == Label::Singular;
    let is = |at: usize, wanted: &dyn Fn(&FieldPlan) -> bool| {
        fields
            .get(at)
            .is_some_and(|field| field.number as usize == at + 1 && wanted(field))
    };
    let kind = |wanted: Kind| move |field: &FieldPlan| singular(field) && field.kind == wanted;
    let message = |field: &FieldPlan| singular(field) && matches!(field.kind, Kind::Message(_));
    let fits = match shape {
        Shape::Object | Shape::Empty => true,
        Shape::Timestamp | Shape::Duration => {
            is(0, &kind(Kind::Int64)) && is(1, &kind(Kind::Int32))
        }
        Shape::FieldMask => is(0, &|f| f.label != Label::Singular && f.kind == Kind::String),
        Shape::Struct => is(0, &|f| f.label == Label::Map),
        Shape::ListValue => is(0, &|f| {
            f.label != Label::Singular && matches!(f.kind, Kind::Message(_))
        }),
        Shape::Value => {
            is(0, &|f| singular(f) && matches!(f.kind, Kind::Enum(_)))
                && is(1, &kind(Kind::Double))
                && is(2, &kind(Kind::String))
                && is(3, &kind(Kind::Bool))
                && is(4, &message)
                && is(5, &message)
        }
        Shape::Wrapper => is(0, &|f| singular(f) && f.kind.message().is_none()),
        Shape::Any => is(0, &kind(Kind::String)) && is(1, &kind(Kind::Bytes)),
    };
    if fits { shape } else { Shape::Object }
}

fn shape_of_name(full_name: &str) -> Shape {
    match full_name.strip_prefix("google.protobuf.") {
        Some("Timestamp") => Shape::Timestamp,
        Some("Duration") => Shape::Duration,
        Some("FieldMask") => Shape::FieldMask,
        Some("Struct") => Shape::Struct,
        Some("Value") => Shape::Value,
        Some("ListValue") => Shape::ListValue,
        Some("Any") => Shape::Any,
        Some("Empty") => Shape::Empty,
        Some(
            "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value"
            | "UInt32Value" | "BoolValue" | "StringValue" | "BytesValue",
        ) => Shape::Wrapper,
        _ => Shape::Object,
    }
}

fn names(fields: &[FieldPlan]) -> Names {
    let json = fields.iter().map(|f| &f.json_name).zip(0..);
    let original = fields.iter().map(|f| &f.name).zip(0..);
    Names::new(json.chain(original).map(|(name, index)| (&**name, index)))
}

fn dense(fields: &[FieldPlan]) -> Box<[u32]> {
    let limit = ALWAYS_DENSE.max(4 * u32::try_from(fields.len()).unwrap_or(0));
    let size = fields
        .iter()
        .map(|field| field.number)
        .take_while(|number| *number < limit)
        .last()
        .map_or(0, |number| number as usize + 1);
    let mut table = vec![NONE; size];
    for (field, index) in fields.iter().zip(0..) {
        if let Some(place) = table.get_mut(field.number as usize) {
            *place = index;
        }
    }
    table.into()
}

fn plan_enum(described: &EnumDescriptor) -> EnumPlan {
    let outer = match described.parent_message() {
        Some(message) => Features::of_message(&message),
        None => Features::of_file(&described.parent_file()),
    };
    let features = outer.with::<EnumOptions>(&described.options().encode_to_vec());
    // The descriptor's own iterator does not keep the order of aliases, of which the first counts.
    let declared: Vec<(i32, &str)> = described
        .enum_descriptor_proto()
        .value
        .iter()
        .map(|value| (value.number(), value.name()))
        .collect();
    let mut values: Vec<(i32, Box<str>)> = declared
        .iter()
        .map(|(number, name)| (*number, format!("\"{name}\"").into()))
        .collect();
    values.sort_by_key(|value| value.0);
    values.dedup_by_key(|value| value.0);
    EnumPlan {
        closed: features.closed_enum,
        is_null: described.full_name() == "google.protobuf.NullValue",
        default: declared.first().map_or(0, |value| value.0),
        values: values.into(),
        names: Names::new(
            declared
                .iter()
                .map(|(number, name)| (*name, number.cast_unsigned())),
        ),
    }
}
