//! Messages and enums as JSON Schemas, in the form that ProtoJSON gives them.

mod scalar;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};

use prost_reflect::{
    Cardinality, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, Syntax,
};

use super::{
    constraint,
    json::{Json, Object},
    known::{Known, or_null},
    notes::{Note, Notes},
    rules::{self, EnumRules, FieldOptions, Rules, Typed},
};

/// Where the schemas stand in the document.
pub const PLACE: &str = "#/components/schemas/";

/// What a schema describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// What a service answers. It may gain members.
    Answer,
    /// What a caller sends. Unknown members are refused, and null means that there is none.
    Request,
    /// What a caller sends to change something: nothing must be there.
    Change,
}

impl Side {
    fn suffix(self) -> &'static str {
        match self {
            Self::Answer => "",
            Self::Request => "-Input",
            Self::Change => "-Patch",
        }
    }
}

/// The schemas of one upstream, made as they are asked for.
#[derive(Debug)]
pub struct Schemas<'n> {
    pub notes: &'n Notes,
    seen: HashSet<String>,
    /// What was referred to and has no schema yet.
    open: Vec<(MessageDescriptor, Side)>,
    done: BTreeMap<String, Json>,
}

/// A field with what stands beside it.
pub struct Field<'n> {
    pub descriptor: FieldDescriptor,
    pub options: FieldOptions,
    note: &'n Note,
}

impl<'n> Schemas<'n> {
    /// No schemas yet.
    pub fn new(notes: &'n Notes) -> Self {
        Self {
            notes,
            seen: HashSet::new(),
            open: Vec::new(),
            done: BTreeMap::new(),
        }
    }

    /// A field with what stands beside it.
    pub fn read(&self, field: &FieldDescriptor) -> Field<'n> {
        let note = self.notes.on(field.full_name());
        Field {
            descriptor: field.clone(),
            options: FieldOptions::of(note),
            note,
        }
    }

    /// A message: in place if it has a form of its own, else by reference.
    pub fn message(&mut self, message: &MessageDescriptor, side: Side) -> Object {
        match Known::of(message) {
            Some(Known::Wrapper) => {
                let held = message.fields().next().map(|field| field.kind());
                or_null(self.kind(&held.unwrap_or(Kind::String), None, false, side))
            }
            Some(known) => known.schema().unwrap_or_default(),
            None => {
                let name = format!("{}{}", message.full_name(), side.suffix());
                let reference = Object::reference(format!("{PLACE}{name}"));
                if self.seen.insert(name) {
                    self.open.push((message.clone(), side));
                }
                reference
            }
        }
    }

    /// The schema of a message as a whole, apart from the fields with these names.
    pub fn object(&mut self, message: &MessageDescriptor, side: Side, without: &[&str]) -> Object {
        let note = self.notes.on(message.full_name());
        let mut schema = Object::of_type("object").with("title", message.name());
        if !note.comment.is_empty() {
            schema.put("description", note.comment.as_str());
        }
        if rules::is_deprecated(note) {
            schema.put("deprecated", true);
        }
        let (mut properties, mut required) = (Object::default(), Vec::new());
        for field in declared(message) {
            if without.contains(&field.name()) {
                continue;
            }
            let field = self.read(&field);
            let options = &field.options;
            if side == Side::Change && !options.is_mutable() && !options.output_only() {
                continue;
            }
            let name = field.descriptor.json_name().to_owned();
            if side == Side::Request && field.is_required() {
                required.push(name.clone());
            }
            properties.put(name, self.property(&field, side));
        }
        if !properties.is_empty() {
            schema.put("properties", properties);
        }
        if side == Side::Answer {
            return schema;
        }
        if !required.is_empty() {
            schema.put("required", required);
        }
        schema.put("additionalProperties", false);
        let mut choices = self.choices(message, side, without);
        match choices.len() {
            0 => {}
            1 => schema.put("oneOf", choices.remove(0)),
            _ => {
                let all = choices
                    .into_iter()
                    .map(|it| Object::default().with("oneOf", it));
                schema.put("allOf", all.collect::<Vec<_>>());
            }
        }
        schema
    }

    /// A member of a message.
    pub fn property(&mut self, field: &Field<'_>, side: Side) -> Object {
        let mut schema = self.value(field, side);
        // What is required cannot be taken away by a change either.
        if side != Side::Answer && !field.is_required() {
            schema = or_null(schema);
        }
        field.describe(&mut schema);
        if field.options.output_only() {
            schema.put("readOnly", true);
        }
        if field.options.input_only() {
            schema.put("writeOnly", true);
        }
        schema
    }

    /// The value of a field, without what is said about it.
    pub fn value(&mut self, field: &Field<'_>, side: Side) -> Object {
        let rules = field.options.active();
        let typed = rules.and_then(|rules| rules.typed.as_ref());
        let descriptor = &field.descriptor;
        if descriptor.is_map() {
            return self.map(descriptor, typed, side);
        }
        let kind = descriptor.kind();
        if descriptor.is_list() {
            let (list, items) = match typed {
                Some(Typed::Repeated(list)) => (Some(list), list.items.as_ref()),
                _ => (None, None),
            };
            let mut schema = Object::of_type("array");
            let mut item = self.item(&kind, items, side);
            if let (Kind::String, Some(value)) = (&kind, field.example()) {
                item.put("examples", [value]);
            }
            schema.put("items", item);
            if let Some(list) = list {
                constraint::list(list, &mut schema);
            }
            if field.options.required() && side != Side::Answer && schema.get("minItems").is_none()
            {
                schema.put("minItems", 1);
            }
            return schema;
        }
        let given =
            side != Side::Answer && field.options.required() && !descriptor.supports_presence();
        let mut schema = self.kind(&kind, rules, given, side);
        if let Some(value) = field.example() {
            schema.put("examples", [value]);
        }
        schema
    }

    fn map(&mut self, field: &FieldDescriptor, typed: Option<&Typed>, side: Side) -> Object {
        let mut schema = Object::of_type("object");
        let Kind::Message(entry) = field.kind() else {
            return schema;
        };
        let rules = match typed {
            Some(Typed::Map(rules)) => Some(rules),
            _ => None,
        };
        let keys = rules.and_then(|it| it.keys.as_ref());
        let names = scalar::map_key(&entry.map_entry_key_field().kind(), keys, side);
        if !names.is_empty() {
            schema.put("propertyNames", names);
        }
        let values = rules.and_then(|it| it.values.as_ref());
        let value = self.item(&entry.map_entry_value_field().kind(), values, side);
        schema.put("additionalProperties", value);
        if let Some(rules) = rules {
            constraint::map(rules, &mut schema);
        }
        schema
    }

    /// An item of a list or a value of a map, neither of which is ever null.
    fn item(&mut self, kind: &Kind, rules: Option<&Rules>, side: Side) -> Object {
        let rules = rules.filter(|it| !it.is_off());
        self.kind(kind, rules, false, side)
    }

    /// A single value. `given` says that the zero of the type counts as none.
    fn kind(&mut self, kind: &Kind, rules: Option<&Rules>, given: bool, side: Side) -> Object {
        match kind {
            Kind::Message(message) => self.message(message, side),
            Kind::Enum(it) => {
                let names = self.enumeration(it, rules);
                if side == Side::Answer || names.get("type").and_then(Json::as_str) == Some("null")
                {
                    return names;
                }
                // ProtoJSON reads a value's number too.
                Object::default().with("anyOf", [names, numbers(it, rules)])
            }
            scalar => scalar::schema(scalar, rules, given, side),
        }
    }

    fn enumeration(&mut self, it: &EnumDescriptor, rules: Option<&Rules>) -> Object {
        if it.full_name() == "google.protobuf.NullValue" {
            return Object::of_type("null");
        }
        if let Some(Typed::Enum(rules)) = rules.and_then(|it| it.typed.as_ref()) {
            let narrow = it
                .values()
                .any(|value| !constraint::admits(rules, value.number()));
            if narrow {
                let admitted = it
                    .values()
                    .filter(|value| constraint::admits(rules, value.number()));
                let names: Vec<String> = admitted.map(|it| it.name().to_owned()).collect();
                return Object::of_type("string").with("enum", names);
            }
        }
        let name = it.full_name().to_owned();
        let reference = Object::reference(format!("{PLACE}{name}"));
        if self.seen.insert(name.clone()) {
            let schema = enumeration(self.notes, it);
            self.done.insert(name, schema.into());
        }
        reference
    }

    /// The oneofs as alternatives: one of the members, or none of them.
    fn choices(
        &self,
        message: &MessageDescriptor,
        side: Side,
        without: &[&str],
    ) -> Vec<Vec<Object>> {
        let mut choices = Vec::new();
        for oneof in message.oneofs().filter(|it| !it.is_synthetic()) {
            let members = oneof.fields().filter(|it| !without.contains(&it.name()));
            let members: Vec<Object> = members
                .map(|it| Object::default().with("required", [it.json_name()]))
                .collect();
            if members.is_empty() {
                continue;
            }
            let note = self.notes.on(oneof.full_name());
            let must = side == Side::Request && rules::oneof_required(note);
            let any = Object::default().with("anyOf", members.clone());
            let nothing = (!must).then(|| Object::default().with("not", any));
            choices.push(members.into_iter().chain(nothing).collect());
        }
        choices
    }

    /// All schemas that were referred to, sorted by name.
    pub fn finish(mut self) -> BTreeMap<String, Json> {
        while let Some((message, side)) = self.open.pop() {
            let name = format!("{}{}", message.full_name(), side.suffix());
            let schema = self.object(&message, side, &[]);
            self.done.insert(name, schema.into());
        }
        self.done
    }
}

impl Field<'_> {
    /// Whether a request without it is refused.
    pub fn is_required(&self) -> bool {
        if self.options.output_only() {
            return false;
        }
        let rules = self.options.active();
        self.options.required()
            || self.descriptor.cardinality() == Cardinality::Required
            || rules.is_some_and(|it| it.required)
            || (!self.descriptor.supports_presence() && rules.is_some_and(constraint::refuses_zero))
    }

    /// Puts in what is said about it.
    pub fn describe(&self, schema: &mut Object) {
        let mut text = self.note.comment.clone();
        if let Some(oneof) = self
            .descriptor
            .containing_oneof()
            .filter(|it| !it.is_synthetic())
        {
            let names: Vec<String> = oneof
                .fields()
                .map(|it| format!("`{}`", it.json_name()))
                .collect();
            let space = if text.is_empty() { "" } else { "\n\n" };
            text = format!("{text}{space}At most one of {} is set.", names.join(", "));
        }
        if !text.is_empty() {
            schema.put("description", text);
        }
        if self.options.deprecated {
            schema.put("deprecated", true);
        }
    }

    fn example(&self) -> Option<String> {
        if self.descriptor.kind() != Kind::String {
            return None;
        }
        let typed = |rules: Option<&Rules>| rules.and_then(|it| it.typed.clone());
        let rules = match typed(self.options.active()) {
            Some(Typed::Repeated(list)) => typed(list.items.as_ref()),
            other => other,
        };
        let rules = match &rules {
            Some(Typed::Text(rules)) => Some(&**rules),
            _ => None,
        };
        super::example::text(self.descriptor.name(), rules)
    }
}

/// The fields in the order of the file.
pub fn declared(message: &MessageDescriptor) -> Vec<FieldDescriptor> {
    let order = &message.descriptor_proto().field;
    let place = |it: &FieldDescriptor| order.iter().position(|raw| raw.name() == it.name());
    let mut fields: Vec<FieldDescriptor> = message.fields().collect();
    fields.sort_by_key(place);
    fields
}

/// The numbers that a caller may send for an enum: those of its values, or any where the enum is open and no
/// rule says otherwise.
fn numbers(it: &EnumDescriptor, rules: Option<&Rules>) -> Object {
    let rules = match rules.and_then(|it| it.typed.as_ref()) {
        Some(Typed::Enum(rules)) => rules.clone(),
        _ => EnumRules::default(),
    };
    let schema = Object::of_type("integer").with("format", "int32");
    if it.parent_file().syntax() == Syntax::Proto3 && rules == EnumRules::default() {
        return schema.with("minimum", i32::MIN).with("maximum", i32::MAX);
    }
    let numbers = it.values().map(|value| value.number());
    let admitted = numbers.filter(|it| constraint::admits(&rules, *it));
    let mut admitted: Vec<i32> = admitted.collect();
    admitted.sort_unstable();
    admitted.dedup();
    let admitted = admitted.into_iter().map(|it| Json::Number(it.into()));
    schema.with("enum", admitted.collect::<Vec<_>>())
}

fn enumeration(notes: &Notes, it: &EnumDescriptor) -> Object {
    let note = notes.on(it.full_name());
    let mut names: Vec<String> = Vec::new();
    let mut lines = Vec::new();
    for value in it.values() {
        let name = value.name().to_owned();
        let said = &notes.on(&format!("{}.{name}", it.full_name())).comment;
        if !said.is_empty() {
            lines.push(format!("* `{name}`: {}", said.replace('\n', " ")));
        }
        names.push(name);
    }
    let parts = [note.comment.clone(), lines.join("\n")];
    let parts: Vec<String> = parts.into_iter().filter(|it| !it.is_empty()).collect();
    let mut schema = Object::of_type("string").with("title", it.name());
    if !parts.is_empty() {
        schema.put("description", parts.join("\n\n"));
    }
    if rules::is_deprecated(note) {
        schema.put("deprecated", true);
    }
    schema.with("enum", names)
}
