//! The rules for single values, as calls of the methods of `Report`.

use prost_reflect::{FieldDescriptor, Kind, Value};
use regex::Regex;

use super::{
    Result,
    annotations::{FieldRules, unsupported},
};

/// One check.
pub enum Rule {
    /// A method of `Report`, whether it takes the value's bytes, and what follows the value.
    Call(&'static str, Take, String),
    /// A regular expression.
    Pattern(String),
}

/// What of a value a check looks at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Take {
    Value,
    Bytes,
}

/// The checks of a value of that kind.
pub fn of(field: &FieldDescriptor, rules: &FieldRules, kind: &Kind) -> Result<Vec<Rule>> {
    let ty = match kind {
        Kind::Message(_) => {
            // Neither Any nor Duration nor Timestamp; and `repeated` rules on a single message are wrong.
            return rules
                .ty()
                .map_or(Ok(Vec::new()), |ty| Err(unsupported(field, ty, "*")));
        }
        Kind::String => "string",
        Kind::Bytes => "bytes",
        Kind::Bool => "bool",
        Kind::Enum(_) => "enum",
        Kind::Double => "double",
        Kind::Float => "float",
        Kind::Int32 => "int32",
        Kind::Int64 => "int64",
        Kind::Uint32 => "uint32",
        Kind::Uint64 => "uint64",
        Kind::Sint32 => "sint32",
        Kind::Sint64 => "sint64",
        Kind::Fixed32 => "fixed32",
        Kind::Fixed64 => "fixed64",
        Kind::Sfixed32 => "sfixed32",
        Kind::Sfixed64 => "sfixed64",
    };
    let given = rules.of(ty, field)?;
    if !matches!(
        kind,
        Kind::String | Kind::Bytes | Kind::Bool | Kind::Enum(_)
    ) {
        refuse_crossed_bounds(field, &given)?;
    }
    let mut checks = Vec::new();
    for (name, value) in given {
        let check = match kind {
            _ if name == "example" => continue,
            Kind::String => string(field, &name, &value)?,
            Kind::Bytes => bytes(&name, &value),
            Kind::Enum(_) => enumeration(kind, &name, &value),
            Kind::Bool => (name == "const")
                .then(|| compared("constant", &value))
                .flatten(),
            _ => number(&name, &value),
        };
        match check {
            Some(Check::Rule(rule)) => checks.push(rule),
            Some(Check::Nothing) => {}
            None => return Err(unsupported(field, ty, &name)),
        }
    }
    Ok(checks)
}

enum Check {
    Rule(Rule),
    /// A rule that is switched off.
    Nothing,
}

fn call(name: &'static str, take: Take, arguments: impl std::fmt::Display) -> Check {
    Check::Rule(Rule::Call(name, take, format!(", {arguments}")))
}

fn string(field: &FieldDescriptor, name: &str, value: &Value) -> Result<Option<Check>> {
    Ok(match (name, value) {
        ("len", Value::U64(n)) => Some(call("len", Take::Value, n)),
        ("min_len", Value::U64(n)) => Some(call("min_len", Take::Value, n)),
        ("max_len", Value::U64(n)) => Some(call("max_len", Take::Value, n)),
        ("len_bytes", Value::U64(n)) => Some(call("len_bytes", Take::Bytes, n)),
        ("min_bytes", Value::U64(n)) => Some(call("min_bytes", Take::Bytes, n)),
        ("max_bytes", Value::U64(n)) => Some(call("max_bytes", Take::Bytes, n)),
        ("pattern", Value::String(pattern)) => {
            Regex::new(pattern).map_err(|error| format!("{}: {error}", field.full_name()))?;
            Some(Check::Rule(Rule::Pattern(pattern.clone())))
        }
        ("prefix", value) => compared("prefix", value),
        ("suffix", value) => compared("suffix", value),
        ("contains", value) => compared("contains", value),
        ("not_contains", value) => compared("not_contains", value),
        ("const", value) => compared("constant", value),
        ("in", Value::List(values)) => listed("one_of", values),
        ("not_in", Value::List(values)) => listed("none_of", values),
        ("email" | "uuid", Value::Bool(false)) => Some(Check::Nothing),
        ("email", Value::Bool(true)) => {
            Some(Check::Rule(Rule::Call("email", Take::Value, String::new())))
        }
        ("uuid", Value::Bool(true)) => {
            Some(Check::Rule(Rule::Call("uuid", Take::Value, String::new())))
        }
        _ => None,
    })
}

fn bytes(name: &str, value: &Value) -> Option<Check> {
    match (name, value) {
        ("len", Value::U64(n)) => Some(call("len_bytes", Take::Value, n)),
        ("min_len", Value::U64(n)) => Some(call("min_bytes", Take::Value, n)),
        ("max_len", Value::U64(n)) => Some(call("max_bytes", Take::Value, n)),
        _ => None,
    }
}

fn number(name: &str, value: &Value) -> Option<Check> {
    match (name, value) {
        ("gt", value) => compared("gt", value),
        ("gte", value) => compared("gte", value),
        ("lt", value) => compared("lt", value),
        ("lte", value) => compared("lte", value),
        ("const", value) => compared("constant", value),
        ("in", Value::List(values)) => listed("one_of", values),
        ("not_in", Value::List(values)) => listed("none_of", values),
        ("finite", Value::Bool(true)) => Some(Check::Rule(Rule::Call(
            "finite",
            Take::Value,
            String::new(),
        ))),
        ("finite", Value::Bool(false)) => Some(Check::Nothing),
        _ => None,
    }
}

fn enumeration(kind: &Kind, name: &str, value: &Value) -> Option<Check> {
    let Kind::Enum(descriptor) = kind else {
        return None;
    };
    let named = |numbers: Vec<i32>| {
        let values: Option<Vec<String>> = numbers
            .into_iter()
            .map(|number| {
                let value = descriptor.get_value(number)?;
                Some(format!("({number}, {:?})", value.name()))
            })
            .collect();
        values.map(|values| format!("&[{}]", values.join(", ")))
    };
    match (name, value) {
        ("defined_only", Value::Bool(true)) => {
            let numbers = descriptor.values().map(|value| value.number()).collect();
            Some(call("one_of_enum", Take::Value, named(numbers)?))
        }
        ("defined_only", Value::Bool(false)) => Some(Check::Nothing),
        ("const", Value::I32(number)) => {
            Some(call("one_of_enum", Take::Value, named(vec![*number])?))
        }
        ("in", Value::List(values)) => {
            let numbers: Option<Vec<i32>> = values.iter().map(Value::as_i32).collect();
            Some(call("one_of_enum", Take::Value, named(numbers?)?))
        }
        ("not_in", Value::List(values)) => {
            let numbers: Option<Vec<i32>> = values.iter().map(Value::as_i32).collect();
            Some(call("none_of_enum", Take::Value, named(numbers?)?))
        }
        _ => None,
    }
}

fn compared(name: &'static str, value: &Value) -> Option<Check> {
    Some(call(name, Take::Value, literal(value)?))
}

fn listed(name: &'static str, values: &[Value]) -> Option<Check> {
    let values: Option<Vec<String>> = values.iter().map(literal).collect();
    Some(call(
        name,
        Take::Value,
        format!("&[{}]", values?.join(", ")),
    ))
}

/// The value in Rust's words; its type is inferred where it stands.
fn literal(value: &Value) -> Option<String> {
    Some(match value {
        Value::Bool(value) => value.to_string(),
        Value::I32(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::U32(value) => value.to_string(),
        Value::U64(value) => value.to_string(),
        Value::F32(value) if value.is_finite() => format!("{value:?}"),
        Value::F64(value) if value.is_finite() => format!("{value:?}"),
        Value::String(value) => format!("{value:?}"),
        _ => return None,
    })
}

/// A lower bound above the upper one means "outside of both" to protovalidate, which is not done here.
fn refuse_crossed_bounds(field: &FieldDescriptor, rules: &[(String, Value)]) -> Result<()> {
    let bound = |names: [&str; 2]| {
        rules.iter().find_map(|(name, value)| {
            names
                .contains(&name.as_str())
                .then(|| approximate(value))
                .flatten()
        })
    };
    match (bound(["gt", "gte"]), bound(["lt", "lte"])) {
        (Some(lower), Some(upper)) if lower > upper => Err(format!(
            "{}: a lower bound above the upper bound is not supported",
            field.full_name()
        )),
        _ => Ok(()),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "only compared, and bounds are far apart"
)]
fn approximate(value: &Value) -> Option<f64> {
    match value {
        Value::I32(value) => Some(f64::from(*value)),
        Value::U32(value) => Some(f64::from(*value)),
        Value::I64(value) => Some(*value as f64),
        Value::U64(value) => Some(*value as f64),
        Value::F32(value) => Some(f64::from(*value)),
        Value::F64(value) => Some(*value),
        _ => None,
    }
}
