//! Rules for repeated fields and maps.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
};

use super::report::{Path, Report};

impl Report {
    /// At least so many items.
    pub fn min_items(&mut self, path: &Path<'_>, count: usize, least: usize) {
        if count < least {
            self.add(path, || {
                format!(
                    "holds {} where at least {least} must be given",
                    items(count)
                )
            });
        }
    }

    /// At most so many items. False when there are more, which are then not looked into.
    pub fn max_items(&mut self, path: &Path<'_>, count: usize, most: usize) -> bool {
        if count > most {
            self.add(path, || {
                format!("holds {} where at most {most} may be given", items(count))
            });
        }
        count <= most
    }

    /// No item twice.
    pub fn unique<T: Eq + Hash>(&mut self, path: &Path<'_>, values: &[T]) {
        let mut seen = HashSet::with_capacity(values.len());
        if let Some(second) = values.iter().position(|value| !seen.insert(value)) {
            self.add(&path.index(second), || {
                "repeats an item before it, where each may be given once".to_owned()
            });
        }
    }

    /// The entries of a map in the order of their keys, so that the same map gives the same violations.
    pub fn entries<K: Ord, V>(map: &HashMap<K, V>) -> Vec<(&K, &V)> {
        let mut entries: Vec<(&K, &V)> = map.iter().collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        entries
    }
}

fn items(count: usize) -> String {
    match count {
        0 => "no item".to_owned(),
        1 => "1 item".to_owned(),
        _ => format!("{count} items"),
    }
}
