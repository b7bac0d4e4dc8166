use std::fmt;

use serde_json::{Map, Value};

use super::Invalid;

const MAX_DEPTH: usize = 8;
const TOO_DEEP: Invalid = Invalid("must be at most 8 levels deep");

/// What an application keeps beside an account: a JSON object of at most 16 KiB, eight levels deep.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Metadata(Map<String, Value>);

impl Metadata {
    /// How many bytes it has as JSON, at most.
    pub const MAX_BYTES: usize = 16 * 1024;
    /// What is said of one that has more.
    pub const TOO_LARGE: Invalid = Invalid("must have at most 16384 bytes as JSON");

    /// Reads the JSON that [`to_json`](Self::to_json) wrote.
    pub fn parse(json: &str) -> Result<Self, Invalid> {
        serde_json::from_str(json)
            .map(Self)
            .map_err(|_| Invalid("must be a JSON object"))
    }

    /// The object as JSON, its members in alphabetical order.
    pub fn to_json(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }

    /// The members.
    pub const fn as_object(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Whether it has no members.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What comes of some edits, one after the other.
    pub fn edited(&self, edits: &[MetadataEdit]) -> Result<Self, Invalid> {
        let mut object = self.0.clone();
        for edit in edits {
            match edit {
                MetadataEdit::Replace(new) => {
                    object.clear();
                    merge(&mut object, new.clone(), 0)?;
                }
                MetadataEdit::Merge(patch) => merge(&mut object, patch.clone(), 0)?,
                MetadataEdit::Member(path, value) => {
                    set(&mut object, path, value.as_ref())?;
                }
            }
        }
        Self(object).within_bounds()
    }

    fn within_bounds(self) -> Result<Self, Invalid> {
        // Depth first: the length of something too deep is not worth knowing.
        if self.0.values().any(|value| is_deeper(value, MAX_DEPTH - 1)) {
            return Err(TOO_DEEP);
        }
        if self.to_json().len() > Self::MAX_BYTES {
            return Err(Self::TOO_LARGE);
        }
        Ok(self)
    }
}

/// One edit of [`Metadata`].
#[derive(Clone, PartialEq, Eq)]
pub enum MetadataEdit {
    /// The whole is this.
    Replace(Map<String, Value>),
    /// JSON Merge Patch (RFC 7396): members are set, `null` removes one, the others stay.
    Merge(Map<String, Value>),
    /// One member, by its path of at least one name; `None` and `null` remove it.
    Member(Vec<String>, Option<Value>),
}

/// What applications keep may be personal, and `Debug` ends up in logs.
impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metadata(***)")
    }
}

impl fmt::Debug for MetadataEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MetadataEdit(***)")
    }
}

/// RFC 7396, section 2.
fn merge(
    target: &mut Map<String, Value>,
    patch: Map<String, Value>,
    depth: usize,
) -> Result<(), Invalid> {
    if depth >= MAX_DEPTH {
        return Err(TOO_DEEP);
    }
    for (name, value) in patch {
        match value {
            Value::Null => {
                target.remove(&name);
            }
            Value::Object(patch) => {
                let place = target.entry(name).or_insert(Value::Null);
                if !place.is_object() {
                    *place = Value::Object(Map::new());
                }
                if let Value::Object(inner) = place {
                    merge(inner, patch, depth + 1)?;
                }
            }
            value => {
                target.insert(name, value);
            }
        }
    }
    Ok(())
}

fn set(
    object: &mut Map<String, Value>,
    path: &[String],
    value: Option<&Value>,
) -> Result<(), Invalid> {
    let Some((name, rest)) = path.split_first() else {
        return Err(Invalid("a member has a name"));
    };
    if rest.is_empty() {
        object.remove(name);
        if let Some(value) = value.filter(|value| !value.is_null()) {
            merge(object, Map::from_iter([(name.clone(), value.clone())]), 0)?;
        }
        return Ok(());
    }
    match object.get_mut(name) {
        Some(Value::Object(inner)) => set(inner, rest, value),
        // What is not there need not be removed.
        _ if value.is_none_or(Value::is_null) => Ok(()),
        _ => {
            let mut inner = Map::new();
            set(&mut inner, rest, value)?;
            object.insert(name.clone(), Value::Object(inner));
            Ok(())
        }
    }
}

fn is_deeper(value: &Value, left: usize) -> bool {
    let is_deeper = |inner: &Value| left == 0 || is_deeper(inner, left - 1);
    match value {
        Value::Object(members) => members.values().any(is_deeper),
        Value::Array(items) => items.iter().any(is_deeper),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(object) => object,
            other => panic!("{other} is no object"),
        }
    }

    fn made(object: Map<String, Value>) -> Result<Metadata, Invalid> {
        Metadata::default().edited(&[MetadataEdit::Replace(object)])
    }

    fn metadata(value: Value) -> Metadata {
        made(object(value)).unwrap()
    }

    fn merged(before: Value, patch: Value) -> Value {
        let edit = MetadataEdit::Merge(object(patch));
        let after = metadata(before).edited(&[edit]).unwrap();
        Value::Object(after.0)
    }

    /// The examples of RFC 7396, appendix A, whose target is an object and stays one.
    #[test]
    fn a_merge_patch_does_what_the_rfc_says() {
        for (before, patch, after) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": "b"}),
                json!({"b": "c"}),
                json!({"a": "b", "b": "c"}),
            ),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (
                json!({"a": "b", "b": "c"}),
                json!({"a": null}),
                json!({"b": "c"}),
            ),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (
                json!({"a": [{"b": "c"}]}),
                json!({"a": [1]}),
                json!({"a": [1]}),
            ),
            (
                json!({"a": "foo"}),
                json!({"a": {"bb": {"ccc": null}}}),
                json!({"a": {"bb": {}}}),
            ),
        ] {
            assert_eq!(merged(before, patch), after);
        }
    }

    #[test]
    fn one_member_is_set_or_removed_by_its_path() {
        let before = metadata(json!({"theme": {"dark": true, "size": 3}, "n": 1}));
        let edit = |path: &[&str], value: Option<Value>| {
            let path = path.iter().map(ToString::to_string).collect();
            let after = before.edited(&[MetadataEdit::Member(path, value)]).unwrap();
            Value::Object(after.0)
        };
        assert_eq!(
            edit(&["theme", "size"], Some(json!(4))),
            json!({"theme": {"dark": true, "size": 4}, "n": 1})
        );
        // The member is replaced and not merged.
        assert_eq!(
            edit(&["theme"], Some(json!({"size": 4}))),
            json!({"theme": {"size": 4}, "n": 1})
        );
        assert_eq!(edit(&["theme"], None), json!({"n": 1}));
        assert_eq!(
            edit(&["theme", "dark"], Some(Value::Null))["theme"],
            json!({"size": 3})
        );
        assert_eq!(
            edit(&["n", "deep"], Some(json!(1)))["n"],
            json!({"deep": 1})
        );
        assert_eq!(
            edit(&["gone", "deep"], None),
            Value::Object(before.0.clone())
        );
    }

    #[test]
    fn size_and_depth_are_bounded() {
        let nested = |levels: usize| {
            let inner = (1..levels).fold(json!(1), |inner, _| json!({ "a": inner }));
            object(json!({ "a": inner }))
        };
        assert!(made(nested(8)).is_ok());
        assert_eq!(made(nested(9)), Err(TOO_DEEP));
        assert_eq!(made(nested(90)), Err(TOO_DEEP));
        let listed = object(json!({"a": [[[[[[[[1]]]]]]]]}));
        assert_eq!(made(listed), Err(TOO_DEEP));

        let sized = |bytes: usize| object(json!({ "a": "x".repeat(bytes - r#"{"a":""}"#.len()) }));
        assert!(made(sized(Metadata::MAX_BYTES)).is_ok());
        assert_eq!(
            made(sized(Metadata::MAX_BYTES + 1)),
            Err(Metadata::TOO_LARGE)
        );
        let full = made(sized(Metadata::MAX_BYTES)).unwrap();
        let more = MetadataEdit::Merge(object(json!({"b": 1})));
        assert_eq!(full.edited(&[more]), Err(Metadata::TOO_LARGE));
    }

    #[test]
    fn it_comes_back_from_json_as_it_went() {
        let some = metadata(json!({"b": [1, 2.5, true], "a": {"ä": "\u{0}"}, "gone": null}));
        assert_eq!(
            some.to_json(),
            "{\"a\":{\"ä\":\"\\u0000\"},\"b\":[1,2.5,true]}"
        );
        assert_eq!(Metadata::parse(&some.to_json()), Ok(some));
        assert!(Metadata::parse("[]").is_err());
    }
}
