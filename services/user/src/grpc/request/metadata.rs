//! Metadata out of a request: objects, and the members that a mask names.

use prost::Message;
use prost_types::{Struct, Value, value::Kind};
use serde_json::{Map, Number, Value as Json};

use crate::domain::{Invalid, Metadata, MetadataEdit};

/// Deeper than any metadata may be; what goes on is refused without looking into it.
const MAX_DEPTH: usize = 16;
/// More bytes than the largest metadata has on the wire, where a number takes eleven bytes, and two as JSON with
/// the comma behind it; what is larger is refused without a copy of it.
const MAX_BYTES: usize = 8 * Metadata::MAX_BYTES;
/// Between these, every whole number is a double.
const MAX_WHOLE: f64 = 9_007_199_254_740_991.0;

/// Refuses an object that is too large, whatever of it is asked for.
pub fn bounded(object: Option<&Struct>) -> Result<(), Invalid> {
    match object {
        Some(object) if object.encoded_len() > MAX_BYTES => Err(Metadata::TOO_LARGE),
        _ => Ok(()),
    }
}

/// The whole object.
pub fn replace(object: Option<&Struct>) -> Result<MetadataEdit, Invalid> {
    members(object).map(MetadataEdit::Replace)
}

/// A patch; a missing one removes everything.
pub fn merge(patch: Option<&Struct>) -> Result<MetadataEdit, Invalid> {
    match patch {
        Some(_) => members(patch).map(MetadataEdit::Merge),
        None => Ok(MetadataEdit::Replace(Map::new())),
    }
}

/// One member, by its path.
pub fn member(object: Option<&Struct>, path: Vec<String>) -> Result<MetadataEdit, Invalid> {
    let mut place = object;
    let mut found = None;
    for (depth, name) in path.iter().enumerate() {
        let Some(value) = place.and_then(|object| object.fields.get(name)) else {
            return Ok(MetadataEdit::Member(path, None));
        };
        match &value.kind {
            Some(Kind::StructValue(inner)) => place = Some(inner),
            _ => place = None,
        }
        if depth + 1 == path.len() {
            found = Some(json(value, 0)?);
        }
    }
    Ok(MetadataEdit::Member(path, found))
}

/// The names of a path, of which each stands plain (letters, digits, `_` and `-`) or in backticks
/// (anything but a backtick). `None` when it is no path.
pub fn path(text: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = text;
    loop {
        let (name, behind) = match rest.strip_prefix('`') {
            Some(quoted) => quoted.split_once('`')?,
            None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let quoted = rest.starts_with('`');
        if names.len() == MAX_DEPTH || !quoted && (name.is_empty() || !name.chars().all(plain)) {
            return None;
        }
        names.push(name.to_owned());
        if behind.is_empty() {
            return Some(names);
        }
        rest = behind.strip_prefix('.')?;
    }
}

fn members(object: Option<&Struct>) -> Result<Map<String, Json>, Invalid> {
    object.map_or_else(|| Ok(Map::new()), |object| fields(object, 0))
}

fn fields(object: &Struct, depth: usize) -> Result<Map<String, Json>, Invalid> {
    let members = object.fields.iter();
    members
        .map(|(name, value)| Ok((name.clone(), json(value, depth)?)))
        .collect()
}

fn json(value: &Value, depth: usize) -> Result<Json, Invalid> {
    if depth == MAX_DEPTH {
        return Err(Invalid("must be at most 8 levels deep"));
    }
    Ok(match &value.kind {
        None | Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::BoolValue(truth)) => Json::Bool(*truth),
        Some(Kind::NumberValue(number)) => Json::Number(self::number(*number)?),
        Some(Kind::StringValue(text)) => Json::String(text.clone()),
        Some(Kind::ListValue(list)) => {
            let items = list.values.iter().map(|item| json(item, depth + 1));
            Json::Array(items.collect::<Result<_, _>>()?)
        }
        Some(Kind::StructValue(object)) => Json::Object(fields(object, depth + 1)?),
    })
}

/// Whole numbers stay whole in what is stored.
#[expect(
    clippy::cast_possible_truncation,
    reason = "within the bounds it is exact"
)]
fn number(number: f64) -> Result<Number, Invalid> {
    if number.fract() == 0.0 && number.abs() <= MAX_WHOLE {
        return Ok(Number::from(number as i64));
    }
    Number::from_f64(number).ok_or(Invalid("must have finite numbers only"))
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn paths_are_names_with_dots_between() {
        let names = |text| path(text).unwrap();
        assert_eq!(names("theme"), ["theme"]);
        assert_eq!(names("theme.dark-1"), ["theme", "dark-1"]);
        assert_eq!(names("`a.b`.c.`ä `"), ["a.b", "c", "ä "]);
        for bad in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "a b",
            "ä",
            "`a",
            "`a`b",
            "a`b`",
            &"a.".repeat(20),
        ] {
            assert_eq!(path(bad), None, "{bad}");
        }
    }
}
