//! Turns `buf.validate` annotations into implementations of `Check` (see `src/validate.rs`).
//!
//! Whatever it does not know is an error that names the field, and so fails the build.

#![expect(
    clippy::format_push_string,
    reason = "code reads better as it will be than as a chain of fallible writes"
)]

mod annotations;
mod names;
mod rules;
mod shape;

use std::collections::BTreeMap;

use prost_reflect::{
    DescriptorPool, FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor, Value,
};

use annotations::{Annotations, FieldRules, Ignore, unsupported};
use rules::{Rule, Take};
use shape::{Shape, Zero};

/// What went wrong, with the name of the field or message.
pub type Result<T, E = String> = std::result::Result<T, E>;

/// The code for every message of the packages below `prefix`. `module` answers the path of the Rust
/// module that holds a package's types.
pub fn generate(
    pool: &DescriptorPool,
    prefix: &str,
    module: &dyn Fn(&str) -> String,
) -> Result<String> {
    let mut generator = Generator {
        annotations: Annotations::new(pool)?,
        prefix,
        module,
        patterns: BTreeMap::new(),
    };
    let mut messages: Vec<MessageDescriptor> = pool
        .all_messages()
        .filter(|message| message.package_name().starts_with(prefix) && !message.is_map_entry())
        .collect();
    messages.sort_by(|a, b| a.full_name().cmp(b.full_name()));
    let mut code = String::new();
    for message in &messages {
        code += &generator.message(message)?;
    }
    for (pattern, number) in &generator.patterns {
        code += &format!(
            "static PATTERN_{number}: ::std::sync::LazyLock<::regex::Regex> =\n::std::sync::LazyLock::new(|| crate::validate::pattern({pattern:?}));\n"
        );
    }
    Ok(code)
}

struct Generator<'a> {
    annotations: Annotations,
    prefix: &'a str,
    module: &'a dyn Fn(&str) -> String,
    /// Each pattern once, with the number of its static.
    patterns: BTreeMap<String, usize>,
}

impl Generator<'_> {
    fn message(&mut self, message: &MessageDescriptor) -> Result<String> {
        self.annotations.refuse_message_rules(message)?;
        let mut body = String::new();
        for field in message.fields().filter(|field| !shape::in_oneof(field)) {
            let code = self.field(&field)?;
            if !code.is_empty() {
                let name = field.name();
                body += &format!("{{ let at = path.field({name:?});\n{code}}}\n");
            }
        }
        for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic()) {
            body += &self.oneof(message, &oneof)?;
        }
        let ty = names::message(message, self.module);
        let parameters = if body.is_empty() {
            "_: &Path<'_>, _: &mut Report"
        } else {
            "path: &Path<'_>, report: &mut Report"
        };
        Ok(format!(
            "impl Check for {ty} {{\nfn check(&self, {parameters}) {{\n{body}}}\n}}\n"
        ))
    }

    /// A field of its own, outside of any oneof.
    fn field(&mut self, field: &FieldDescriptor) -> Result<String> {
        let rules = self.annotations.field(field)?;
        let place = format!("self.{}", names::field(field.name()));
        if rules.ignore == Ignore::Always {
            return Ok(String::new());
        }
        match Shape::of(field) {
            Shape::Repeated => self.repeated(field, &rules, &place),
            Shape::Map => self.map(field, &rules, &place),
            Shape::Implicit => {
                let zero = shape::zero(&field.kind(), &place, false);
                let checks = self.checks(field, &rules, &place, false)?;
                Ok(unless_zero(&rules, &zero, checks))
            }
            Shape::Explicit => {
                let checks = self.checks(field, &rules, "value", true)?;
                Ok(match (checks.is_empty(), rules.required) {
                    (true, false) => String::new(),
                    (true, true) => format!("if {place}.is_none() {{ report.missing(&at); }}\n"),
                    (false, false) => format!("if let Some(value) = &{place} {{ {checks} }}\n"),
                    (false, true) => format!(
                        "if let Some(value) = &{place} {{ {checks} }} else {{ report.missing(&at); }}\n"
                    ),
                })
            }
        }
    }

    /// The checks of what stands in `place`: a value of the field's kind, or a reference to one.
    fn checks(
        &mut self,
        field: &FieldDescriptor,
        rules: &FieldRules,
        place: &str,
        is_reference: bool,
    ) -> Result<String> {
        let kind = shape::unwrapped(field);
        let value = shape::value(&kind, place, is_reference);
        let mut code = String::new();
        for rule in rules::of(field, rules, &kind)? {
            let (name, take, arguments) = match rule {
                Rule::Call(name, take, arguments) => (name, take, arguments),
                Rule::Pattern(pattern) => {
                    let next = self.patterns.len();
                    let number = *self.patterns.entry(pattern).or_insert(next);
                    ("pattern", Take::Value, format!(", &PATTERN_{number}"))
                }
            };
            let taken = match take {
                Take::Value => value.clone(),
                Take::Bytes => shape::bytes(&kind, place),
            };
            code += &format!("report.{name}(&at, {taken}{arguments});\n");
        }
        if shape::is_ours(field, self.prefix) {
            code += &format!("{value}.check(&at, report);\n");
        }
        Ok(code)
    }

    fn repeated(
        &mut self,
        field: &FieldDescriptor,
        rules: &FieldRules,
        place: &str,
    ) -> Result<String> {
        let mut code = String::new();
        let mut items = FieldRules::default();
        let mut most = None;
        for (name, value) in rules.of("repeated", field)? {
            match (name.as_str(), &value) {
                ("min_items", Value::U64(least)) => {
                    code += &format!("report.min_items(&at, {place}.len(), {least});\n");
                }
                ("max_items", Value::U64(value)) => most = Some(*value),
                ("unique", Value::Bool(true)) => {
                    shape::refuse_unhashable(field)?;
                    code += &format!("report.unique(&at, &{place});\n");
                }
                ("unique", Value::Bool(false)) => {}
                ("items", Value::Message(rules)) => items = self.annotations.parse(rules, field)?,
                _ => return Err(unsupported(field, "repeated", &name)),
            }
        }
        let checks = self.element(field, field, &items, "value")?;
        if !checks.is_empty() {
            code += &format!(
                "for (index, value) in {place}.iter().enumerate() {{ let at = at.index(index); {checks} }}\n"
            );
        }
        Ok(sized(rules, place, most, code))
    }

    fn map(&mut self, field: &FieldDescriptor, rules: &FieldRules, place: &str) -> Result<String> {
        let Kind::Message(entry) = field.kind() else {
            return Err(format!("{}: a map without entries", field.full_name()));
        };
        let mut code = String::new();
        let (mut keys, mut values) = (FieldRules::default(), FieldRules::default());
        let mut most = None;
        for (name, value) in rules.of("map", field)? {
            match (name.as_str(), &value) {
                ("min_pairs", Value::U64(least)) => {
                    code += &format!("report.min_items(&at, {place}.len(), {least});\n");
                }
                ("max_pairs", Value::U64(value)) => most = Some(*value),
                ("keys", Value::Message(rules)) => keys = self.annotations.parse(rules, field)?,
                ("values", Value::Message(rules)) => {
                    values = self.annotations.parse(rules, field)?;
                }
                _ => return Err(unsupported(field, "map", &name)),
            }
        }
        let keys = self.element(field, &entry.map_entry_key_field(), &keys, "key")?;
        let values = self.element(field, &entry.map_entry_value_field(), &values, "value")?;
        if !keys.is_empty() || !values.is_empty() {
            let value = if values.is_empty() { "_" } else { "value" };
            code += &format!(
                "for (key, {value}) in Report::entries(&{place}) {{ let at = at.key(key); {keys} {values} }}\n"
            );
        }
        Ok(sized(rules, place, most, code))
    }

    /// Checks of `place`, a reference to an item, or to a key or value of a map.
    fn element(
        &mut self,
        field: &FieldDescriptor,
        element: &FieldDescriptor,
        rules: &FieldRules,
        place: &str,
    ) -> Result<String> {
        if rules.required {
            return Err(unsupported(field, "field", "required"));
        }
        if rules.ignore == Ignore::Always {
            return Ok(String::new());
        }
        let checks = self.checks(element, rules, place, true)?;
        if shape::is_message(element) {
            return Ok(checks);
        }
        let zero = shape::zero(&element.kind(), place, true);
        Ok(unless_zero(rules, &zero, checks))
    }

    fn oneof(&mut self, message: &MessageDescriptor, oneof: &OneofDescriptor) -> Result<String> {
        let ty = names::oneof(message, oneof, self.module);
        let (mut arms, mut all) = (String::new(), true);
        for field in oneof.fields() {
            let rules = self.annotations.field(&field)?;
            if rules.required {
                // It means that no other field of the oneof may be sent: a oneof of one.
                return Err(unsupported(&field, "field", "required"));
            }
            let checks = match rules.ignore {
                Ignore::Always => String::new(),
                _ => self.checks(&field, &rules, "value", true)?,
            };
            if checks.is_empty() {
                all = false;
            } else {
                let (name, variant) = (field.name(), names::upper_camel(field.name()));
                arms += &format!(
                    "Some({ty}::{variant}(value)) => {{ let at = path.field({name:?}); {checks} }}\n"
                );
            }
        }
        let missing = if self.annotations.oneof_required(oneof)? {
            let fields: Vec<String> = oneof.fields().map(|f| f.name().to_owned()).collect();
            let name = oneof.name();
            format!("report.missing_one_of(&path.field({name:?}), &{fields:?});")
        } else if arms.is_empty() {
            return Ok(String::new());
        } else {
            String::new()
        };
        let rest = if all { "" } else { "Some(_) => {}\n" };
        let place = names::field(oneof.name());
        Ok(format!(
            "match &self.{place} {{\n{arms}None => {{ {missing} }}\n{rest}}}\n"
        ))
    }
}

/// The code for a list or map whose number of items `most` limits.
fn sized(rules: &FieldRules, place: &str, most: Option<u64>, code: String) -> String {
    let code = match most {
        Some(most) if code.is_empty() => {
            format!("report.max_items(&at, {place}.len(), {most});\n")
        }
        Some(most) => format!("if report.max_items(&at, {place}.len(), {most}) {{ {code} }}\n"),
        None => code,
    };
    let zero = Zero {
        is: format!("{place}.is_empty()"),
        is_not: format!("!{place}.is_empty()"),
    };
    unless_zero(rules, &zero, code)
}

/// The code for a value without presence, whose zero may be refused or let through.
fn unless_zero(rules: &FieldRules, zero: &Zero, code: String) -> String {
    let Zero { is, is_not } = zero;
    match (rules.required, code.is_empty()) {
        (true, true) => format!("if {is} {{ report.missing(&at); }}\n"),
        (true, false) => format!("if {is} {{ report.missing(&at); }} else {{ {code} }}\n"),
        (false, false) if rules.ignore == Ignore::IfZero => format!("if {is_not} {{ {code} }}\n"),
        (false, _) => code,
    }
}
