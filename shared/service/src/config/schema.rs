//! The keys that there are, read off the configuration's own types.

use figment::{
    Figment,
    providers::{Format, Toml},
};
use serde_json::Value;

use super::{Config, DEFAULTS, Shape};

/// Keys that are hidden when shown, and that may come from a file.
const SECRETS: [&str; 7] = [
    "auth.bootstrap_admin_password",
    "auth.database_url",
    "auth.master_key",
    "auth.smtp_url",
    "cache.redis_url",
    "user.database_url",
    "user.replica_url",
];

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Text,
    /// A table whose keys are free.
    Table,
}

/// One key, as `section.name`, or only `name` at the top.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub path: String,
    pub kind: Kind,
}

impl Key {
    pub fn is_secret(&self) -> bool {
        is_secret(&self.path)
    }

    /// The environment variable that sets it.
    pub fn variable(&self) -> String {
        self.path.replace('.', "__").to_uppercase()
    }
}

pub(super) fn is_secret(path: &str) -> bool {
    SECRETS.contains(&path)
}

/// All keys.
pub(super) struct Schema {
    pub keys: Vec<Key>,
}

impl Schema {
    pub fn new() -> Self {
        let defaults: Config = defaults()
            .extract()
            .expect("the defaults are complete and well-typed");
        let tree = serde_json::to_value(defaults).expect("a configuration is plain data");
        let mut keys = Vec::new();
        for (name, value) in members(&tree) {
            match value {
                Value::Object(_) => {
                    for (key, value) in members(value) {
                        keys.push(Key {
                            path: format!("{name}.{key}"),
                            kind: kind(value),
                        });
                    }
                }
                value => keys.push(Key {
                    path: name.clone(),
                    kind: kind(value),
                }),
            }
        }
        Self { keys }
    }

    pub fn find(&self, path: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.path == path)
    }

    pub fn has_section(&self, name: &str) -> bool {
        self.keys.iter().any(|key| {
            key.path
                .split_once('.')
                .is_some_and(|(section, _)| section == name)
        })
    }

    /// The sentence that refuses a name, with the nearest of those that would be right.
    pub fn unknown(name: &str, candidates: impl IntoIterator<Item = String>) -> String {
        let nearest = candidates
            .into_iter()
            .map(|candidate| (strsim::jaro_winkler(name, &candidate), candidate))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        match nearest {
            Some((likeness, nearest)) if likeness > 0.7 => {
                format!("`{name}` is unknown; the nearest is `{nearest}`")
            }
            _ => format!("`{name}` is unknown"),
        }
    }
}

/// The defaults of every shape.
pub(super) fn defaults() -> Figment {
    Figment::from(Toml::string(DEFAULTS))
}

/// The port for probes and metrics, the one default that depends on the shape.
pub(super) const fn ops_listen(shape: Shape) -> &'static str {
    match shape {
        Shape::Gateway | Shape::Standalone => "127.0.0.1:9090",
        Shape::User => "127.0.0.1:9091",
        Shape::Auth => "127.0.0.1:9092",
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn kind(value: &Value) -> Kind {
    match value {
        Value::Number(_) => Kind::Number,
        Value::Object(_) => Kind::Table,
        _ => Kind::Text,
    }
}
