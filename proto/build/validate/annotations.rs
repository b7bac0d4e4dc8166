//! Reads `buf.validate` options out of a descriptor pool.

use prost_reflect::{
    DescriptorPool, DynamicMessage, ExtensionDescriptor, FieldDescriptor, MessageDescriptor,
    OneofDescriptor, Value,
};

use super::Result;

/// The options' descriptors.
pub struct Annotations {
    field: ExtensionDescriptor,
    message: ExtensionDescriptor,
    oneof: ExtensionDescriptor,
}

/// When a field's rules do not apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ignore {
    /// When a field with presence was not sent.
    #[default]
    IfAbsent,
    /// Also when its value is the zero of its type.
    IfZero,
    /// At all times.
    Always,
}

/// The rules of one field, item, key or value.
#[derive(Default)]
pub struct FieldRules {
    pub required: bool,
    pub ignore: Ignore,
    /// The rules of a type, with the type's name in `buf.validate.FieldRules`.
    typed: Option<(String, DynamicMessage)>,
}

impl FieldRules {
    /// The name and value of each rule, which must be rules for the type of that name.
    pub fn of(&self, ty: &str, field: &FieldDescriptor) -> Result<Vec<(String, Value)>> {
        let Some((name, rules)) = &self.typed else {
            return Ok(Vec::new());
        };
        if name != ty {
            return Err(format!(
                "{}: has `{name}` rules where its type takes `{ty}` rules",
                field.full_name()
            ));
        }
        if let Some((extension, _)) = rules.extensions().next() {
            return Err(unsupported(field, name, extension.full_name()));
        }
        Ok(rules
            .fields()
            .map(|(rule, value)| (rule.name().to_owned(), value.clone()))
            .collect())
    }

    /// The name of the type that the rules are for.
    pub fn ty(&self) -> Option<&str> {
        self.typed.as_ref().map(|(name, _)| name.as_str())
    }
}

impl Annotations {
    pub fn new(pool: &DescriptorPool) -> Result<Self> {
        let find = |name: &str| {
            pool.get_extension_by_name(name)
                .ok_or_else(|| format!("the descriptor pool lacks {name}"))
        };
        Ok(Self {
            field: find("buf.validate.field")?,
            message: find("buf.validate.message")?,
            oneof: find("buf.validate.oneof")?,
        })
    }

    /// The rules of a field; none at all when it has no annotation.
    pub fn field(&self, field: &FieldDescriptor) -> Result<FieldRules> {
        let options = field.options();
        if !options.has_extension(&self.field) {
            return Ok(FieldRules::default());
        }
        match options.get_extension(&self.field).as_ref() {
            Value::Message(rules) => self.parse(rules, field),
            _ => Err(format!("{}: its rules are no message", field.full_name())),
        }
    }

    /// The rules that stand in a `buf.validate.FieldRules`.
    #[expect(
        clippy::unused_self,
        reason = "reads beside `field`, of which it is the second half"
    )]
    pub fn parse(&self, message: &DynamicMessage, field: &FieldDescriptor) -> Result<FieldRules> {
        let mut rules = FieldRules::default();
        for (rule, value) in message.fields() {
            match (rule.name(), value) {
                ("required", Value::Bool(required)) => rules.required = *required,
                ("ignore", Value::EnumNumber(0)) => rules.ignore = Ignore::IfAbsent,
                ("ignore", Value::EnumNumber(1)) => rules.ignore = Ignore::IfZero,
                ("ignore", Value::EnumNumber(3)) => rules.ignore = Ignore::Always,
                (name, Value::Message(typed)) if rule.containing_oneof().is_some() => {
                    rules.typed = Some((name.to_owned(), typed.clone()));
                }
                (name, _) => return Err(unsupported(field, "field", name)),
            }
        }
        Ok(rules)
    }

    /// Whether one of the oneof's fields must be sent.
    pub fn oneof_required(&self, oneof: &OneofDescriptor) -> Result<bool> {
        let options = oneof.options();
        if !options.has_extension(&self.oneof) {
            return Ok(false);
        }
        let option = options.get_extension(&self.oneof);
        let mut required = false;
        for (rule, value) in option.as_message().iter().flat_map(|rules| rules.fields()) {
            match (rule.name(), value) {
                ("required", Value::Bool(value)) => required = *value,
                (name, _) => {
                    return Err(format!(
                        "{}: rule `{name}` is not supported",
                        oneof.full_name()
                    ));
                }
            }
        }
        Ok(required)
    }

    /// No rule for a whole message is supported.
    pub fn refuse_message_rules(&self, message: &MessageDescriptor) -> Result<()> {
        if message.options().has_extension(&self.message) {
            return Err(format!(
                "{}: rules for whole messages are not supported",
                message.full_name()
            ));
        }
        Ok(())
    }
}

/// The error for a rule that the generator does not know.
pub fn unsupported(field: &FieldDescriptor, ty: &str, rule: &str) -> String {
    format!("{}: rule `{ty}.{rule}` is not supported", field.full_name())
}
