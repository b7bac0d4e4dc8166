//! Environment variables as a source: which are ours, and what they set.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use figment::{
    Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};

use crate::files::LINE_END;

use super::{
    Shape,
    schema::{Key, Kind, Schema},
};

/// One variable that sets one key. Each is a source of its own, so that an error can name it.
pub(super) struct Variable {
    name: String,
    path: String,
    value: Value,
    /// Where the value was read.
    file: Option<PathBuf>,
    /// Whether it is a short name, which a full one outranks.
    short: bool,
}

impl Variable {
    /// The key that it sets.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The file that the value was read from.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

impl Provider for Variable {
    fn metadata(&self) -> Metadata {
        Metadata::named(format!("variable {}", self.name))
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        let value = figment::util::nest(&self.path, self.value.clone());
        let dict = value.into_dict().unwrap_or_default();
        Ok(Profile::Default.collect(dict))
    }
}

/// The variables that are ours, the weaker first. What is wrong with them goes to `faults`.
pub(super) fn read(
    schema: &Schema,
    shape: Shape,
    pairs: impl IntoIterator<Item = (String, String)>,
    faults: &mut Vec<String>,
) -> Vec<Variable> {
    let mut found: BTreeMap<String, Variable> = BTreeMap::new();
    for (name, text) in pairs {
        let (key, from_file, short) = match find(schema, shape, &name) {
            Ours::Key {
                key,
                from_file,
                short,
            } => (key, from_file, short),
            Ours::Unknown(fault) => {
                faults.push(fault);
                continue;
            }
            Ours::Not => continue,
        };
        let file = from_file.then(|| PathBuf::from(&text));
        let text = if from_file {
            match fs::read_to_string(&text) {
                Ok(content) => content.trim_end_matches(LINE_END).to_owned(),
                Err(error) => {
                    faults.push(format!("variable {name}: cannot read {text}: {error}"));
                    continue;
                }
            }
        } else {
            text
        };
        let plain = name
            .strip_suffix("_FILE")
            .filter(|_| from_file)
            .unwrap_or(&name);
        let variable = Variable {
            name: name.clone(),
            path: key.path.clone(),
            value: value(key.kind, text),
            file,
            short,
        };
        if let Some(other) = found.insert(plain.to_owned(), variable) {
            faults.push(format!(
                "variables {} and {name}: only one may be set",
                other.name
            ));
        }
    }
    let mut variables: Vec<Variable> = found.into_values().collect();
    variables.sort_by_key(|variable| !variable.short);
    variables
}

enum Ours<'a> {
    Key {
        key: &'a Key,
        from_file: bool,
        short: bool,
    },
    /// In one of our sections, but no key of it.
    Unknown(String),
    Not,
}

fn find<'a>(schema: &'a Schema, shape: Shape, name: &str) -> Ours<'a> {
    if let Some((key, short)) = exact(schema, shape, name) {
        return Ours::Key {
            key,
            from_file: false,
            short,
        };
    }
    if let Some((key, short)) = name
        .strip_suffix("_FILE")
        .and_then(|plain| exact(schema, shape, plain))
        && key.is_secret()
    {
        return Ours::Key {
            key,
            from_file: true,
            short,
        };
    }
    let ours = name.split_once("__").is_some_and(|(section, _)| {
        schema.has_section(&section.to_lowercase()) && is_upper(section)
    });
    if !ours {
        return Ours::Not;
    }
    let candidates = schema.keys.iter().flat_map(|key| {
        let file = key.is_secret().then(|| format!("{}_FILE", key.variable()));
        [Some(key.variable()), file].into_iter().flatten()
    });
    Ours::Unknown(format!("variable {}", Schema::unknown(name, candidates)))
}

fn exact<'a>(schema: &'a Schema, shape: Shape, name: &str) -> Option<(&'a Key, bool)> {
    let short = match (name, shape) {
        ("DATA_DIR", _) => return schema.find("data_dir").map(|key| (key, false)),
        ("UPSTREAMS", _) => Some("gateway.upstreams"),
        ("DATABASE_URL", Shape::User) => Some("user.database_url"),
        ("DATABASE_URL", Shape::Auth) => Some("auth.database_url"),
        ("REDIS_URL", Shape::Gateway | Shape::User | Shape::Auth) => Some("cache.redis_url"),
        _ => None,
    };
    if let Some(path) = short {
        return schema.find(path).map(|key| (key, true));
    }
    let key = schema.keys.iter().find(|key| key.variable() == name)?;
    key.path.contains('.').then_some((key, false))
}

fn is_upper(text: &str) -> bool {
    !text.bytes().any(|byte| byte.is_ascii_lowercase())
}

/// What the text means for that kind of key. A number that is none stays text, and is refused with its
/// name when it is read.
fn value(kind: Kind, text: String) -> Value {
    match (kind, text.trim().parse::<i64>()) {
        (Kind::Number, Ok(number)) => Value::from(number),
        _ => Value::from(text),
    }
}
