//! The schemas of several upstreams under one roof.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::openapi::{json::Json, schema::PLACE};

/// The end of the name of what a caller sends.
const SENT: &str = "-Input";

/// What became of the names of an upstream's schemas.
#[derive(Debug, Default)]
pub struct Renamed(HashMap<String, String>);

impl Renamed {
    /// The new text of a reference, if it has one.
    pub fn reference(&self, to: &str) -> Option<String> {
        let name = self.0.get(to.strip_prefix(PLACE)?)?;
        Some(format!("{PLACE}{name}"))
    }
}

/// Adds an upstream's schemas. What two upstreams have under one name is shared when it is the same;
/// else the newcomer's, and all of its own that refer to it, get the upstream's number behind them.
pub fn merge(
    all: &mut BTreeMap<String, Json>,
    new: BTreeMap<String, Json>,
    upstream: usize,
) -> Renamed {
    let (new, mut renamed) = shorten(new);
    let mut apart: HashSet<&str> = new
        .iter()
        .filter(|(name, schema)| all.get(*name).is_some_and(|held| held != *schema))
        .map(|(name, _)| name.as_str())
        .collect();
    loop {
        let more: Vec<&str> = new
            .iter()
            .filter(|(name, schema)| !apart.contains(name.as_str()) && refers(schema, &apart))
            .map(|(name, _)| name.as_str())
            .collect();
        if more.is_empty() {
            break;
        }
        apart.extend(more);
    }
    let moved: HashMap<String, String> = apart
        .iter()
        .map(|name| ((*name).to_owned(), format!("{name}-{}", upstream + 1)))
        .collect();
    for name in renamed.0.values_mut() {
        if let Some(other) = moved.get(name) {
            name.clone_from(other);
        }
    }
    let moved = Renamed(moved);
    for (name, mut schema) in new {
        schema.refer(&|it| moved.reference(it));
        let name = moved.0.get(&name).cloned().unwrap_or(name);
        all.entry(name).or_insert(schema);
    }
    for (name, other) in moved.0 {
        renamed.0.entry(name).or_insert(other);
    }
    renamed
}

/// What is only ever sent needs no word that says so.
fn shorten(new: BTreeMap<String, Json>) -> (BTreeMap<String, Json>, Renamed) {
    let short = |name: &str| {
        let plain = name.strip_suffix(SENT)?;
        (!new.contains_key(plain)).then(|| (name.to_owned(), plain.to_owned()))
    };
    let renamed = Renamed(new.keys().filter_map(|name| short(name)).collect());
    let shortened = new
        .into_iter()
        .map(|(name, mut schema)| {
            schema.refer(&|it| renamed.reference(it));
            (renamed.0.get(&name).cloned().unwrap_or(name), schema)
        })
        .collect();
    (shortened, renamed)
}

fn refers(schema: &Json, to: &HashSet<&str>) -> bool {
    let mut found = false;
    schema.references(&mut |it| {
        found |= it.strip_prefix(PLACE).is_some_and(|name| to.contains(name));
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi::json::Object;

    fn schema(to: &str) -> Json {
        Object::reference(format!("{PLACE}{to}")).into()
    }

    #[test]
    fn the_same_is_shared_and_what_differs_is_kept_apart() {
        let leaf = |kind: &str| Json::from(Object::of_type(kind));
        let mut all = BTreeMap::from([
            ("Leaf".to_owned(), leaf("string")),
            ("Same".to_owned(), leaf("boolean")),
        ]);
        let new = BTreeMap::from([
            ("Leaf".to_owned(), leaf("integer")),
            ("Same".to_owned(), leaf("boolean")),
            ("Tree-Input".to_owned(), schema("Leaf")),
        ]);
        let renamed = merge(&mut all, new, 2);
        let names: Vec<&str> = all.keys().map(String::as_str).collect();
        assert_eq!(names, ["Leaf", "Leaf-3", "Same", "Tree-3"]);
        assert_eq!(all["Tree-3"], schema("Leaf-3"));
        let to = |name: &str| renamed.reference(&format!("{PLACE}{name}"));
        assert_eq!(to("Tree-Input"), Some(format!("{PLACE}Tree-3")));
        assert_eq!(to("Leaf"), Some(format!("{PLACE}Leaf-3")));
        assert_eq!(to("Same"), None);
    }
}
