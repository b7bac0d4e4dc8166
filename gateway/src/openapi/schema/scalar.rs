//! Single values that are neither messages nor enums.

use prost_reflect::Kind;

use super::Side;
use crate::openapi::{
    constraint,
    json::{Json, Object},
    known,
    rules::{Bounds, Rules, Typed},
};

/// The largest finite number that a `float` holds.
const LARGEST_FLOAT: f64 = f32::MAX as f64;

/// A scalar with its rules. `given` says that the empty string counts as none, and that there must be
/// one.
pub(super) fn schema(kind: &Kind, rules: Option<&Rules>, given: bool, side: Side) -> Object {
    let typed = rules.and_then(|rules| rules.typed.as_ref());
    let bounds = typed.and_then(Typed::bounds);
    match kind {
        Kind::Bool => boolean(typed),
        Kind::String => text(rules, given, side),
        Kind::Bytes => bytes(rules, side),
        Kind::Double | Kind::Float => floating(*kind == Kind::Float, bounds.as_ref(), side),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => small(
            "int32",
            i32::MIN.into(),
            i32::MAX.into(),
            bounds.as_ref(),
            side,
        ),
        Kind::Uint32 | Kind::Fixed32 => small("uint32", 0, u32::MAX.into(), bounds.as_ref(), side),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => large(true, bounds.as_ref(), side),
        Kind::Uint64 | Kind::Fixed64 => large(false, bounds.as_ref(), side),
        // Messages and enums are not asked for here.
        Kind::Message(_) | Kind::Enum(_) => Object::default(),
    }
}

fn boolean(typed: Option<&Typed>) -> Object {
    let schema = Object::of_type("boolean");
    match typed {
        Some(Typed::Bool(rules)) => match rules.constant {
            Some(value) => schema.with("const", value),
            None => schema,
        },
        _ => schema,
    }
}

fn text(rules: Option<&Rules>, given: bool, side: Side) -> Object {
    let mut schema = Object::of_type("string");
    let typed = rules.and_then(|it| it.typed.as_ref());
    let Some(Typed::Text(text)) = typed else {
        if given {
            schema.put("minLength", 1);
        }
        return schema;
    };
    constraint::text(text, given && side != Side::Answer, &mut schema);
    let spared = rules.is_some_and(Rules::spares_zero) && constraint::refuses_empty(text);
    if spared && !given && side != Side::Answer {
        or_empty(schema)
    } else {
        schema
    }
}

/// The empty string is let through by rules that do not apply to it.
fn or_empty(schema: Object) -> Object {
    let empty = Object::of_type("string").with("maxLength", 0);
    Object::default().with("anyOf", [schema, empty])
}

fn bytes(rules: Option<&Rules>, side: Side) -> Object {
    let mut schema = known::bytes();
    let Some(Typed::Bytes(bytes)) = rules.and_then(|it| it.typed.as_ref()) else {
        return schema;
    };
    constraint::bytes(bytes, &mut schema);
    let spared = rules.is_some_and(Rules::spares_zero) && schema.get("minLength").is_some();
    if spared && side != Side::Answer {
        or_empty(schema)
    } else {
        schema
    }
}

fn small(format: &str, least: i64, most: i64, bounds: Option<&Bounds>, side: Side) -> Object {
    let mut schema = Object::of_type("integer").with("format", format);
    if side != Side::Answer {
        schema.put("minimum", least);
        schema.put("maximum", most);
    }
    if let Some(bounds) = bounds {
        constraint::number(bounds, &mut schema);
    }
    schema
}

/// ProtoJSON writes 64 bits as a string, and reads a number too.
fn large(signed: bool, bounds: Option<&Bounds>, side: Side) -> Object {
    let format = if signed { "int64" } else { "uint64" };
    let mut text = Object::of_type("string").with("format", format);
    let negative = signed && !bounds.is_some_and(at_least_nought);
    let digits = if negative {
        "^(0|-?[1-9][0-9]{0,17})$"
    } else {
        "^(0|[1-9][0-9]{0,17})$"
    };
    if let Some(bounds) = bounds {
        let quoted = |number: &serde_json::Number| Json::Text(number.to_string());
        if let Some(value) = &bounds.constant {
            text.put("const", quoted(value));
        }
        if !bounds.one_of.is_empty() {
            let values: Vec<Json> = bounds.one_of.iter().map(quoted).collect();
            text.put("enum", values);
        }
    }
    if side == Side::Answer {
        return text;
    }
    text.put("pattern", digits);
    let mut number = Object::of_type("integer").with("format", format);
    if signed {
        number.put("minimum", i64::MIN);
        number.put("maximum", i64::MAX);
    } else {
        number.put("minimum", 0);
        number.put("maximum", u64::MAX);
    }
    if let Some(bounds) = bounds {
        constraint::number(bounds, &mut number);
    }
    // A string has no bounds in JSON Schema: where there are some, the number tells them.
    let either = [text, number];
    Object::default().with("anyOf", either)
}

fn at_least_nought(bounds: &Bounds) -> bool {
    let least = bounds.gte.as_ref().or(bounds.gt.as_ref());
    let least = least.and_then(serde_json::Number::as_f64);
    least.is_some_and(|it| it >= 0.0)
}

fn floating(single: bool, bounds: Option<&Bounds>, side: Side) -> Object {
    let format = if single { "float" } else { "double" };
    let mut number = Object::of_type("number").with("format", format);
    let limit = serde_json::Number::from_f64(LARGEST_FLOAT);
    if let Some(limit) = limit.filter(|_| single && side != Side::Answer) {
        number.put("minimum", Json::Number(negated(&limit)));
        number.put("maximum", Json::Number(limit));
    }
    let Some(bounds) = bounds else {
        return or_not_finite(number);
    };
    constraint::number(bounds, &mut number);
    let free = Bounds {
        example: bounds.example.clone(),
        ..Bounds::default()
    };
    if *bounds == free {
        or_not_finite(number)
    } else {
        number
    }
}

fn negated(number: &serde_json::Number) -> serde_json::Number {
    let negative = number.as_f64().map(|it| -it);
    let negative = negative.and_then(serde_json::Number::from_f64);
    negative.unwrap_or_else(|| number.clone())
}

fn or_not_finite(number: Object) -> Object {
    let words = Object::of_type("string").with("enum", ["NaN", "Infinity", "-Infinity"]);
    Object::default().with("anyOf", [number, words])
}

/// What the keys of a map look like as names of members; empty when they may be any string.
pub(super) fn map_key(kind: &Kind, rules: Option<&Rules>, side: Side) -> Object {
    // What is sent stays a digit below the range; what is answered may go to its end.
    let more = u32::from(side == Side::Answer);
    let digits = |sign: &str, most: u32| {
        let pattern = format!("^(0|{sign}[1-9][0-9]{{0,{}}})$", most + more * 2);
        Object::default().with("pattern", pattern)
    };
    match kind {
        Kind::Bool => Object::default().with("enum", ["true", "false"]),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => digits("-?", 8),
        Kind::Uint32 | Kind::Fixed32 => digits("", 8),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => digits("-?", 17),
        Kind::Uint64 | Kind::Fixed64 => digits("", 17),
        _ => {
            let mut schema = Object::default();
            let active = rules.filter(|it| !it.is_off() && !it.spares_zero());
            if let Some(Typed::Text(rules)) = active.and_then(|it| it.typed.as_ref()) {
                constraint::text(rules, false, &mut schema);
            }
            schema
        }
    }
}
