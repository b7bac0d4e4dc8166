//! The tests that `SECURITY.md` names are there.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The names of all tests below a folder.
fn tests(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            tests(&path, found);
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&path).expect("a source file is text");
            // Behind the attribute there may be others, and words between it and the name.
            for after in text.split("test]\n").chain(text.split("test(")).skip(1) {
                let name = after
                    .split_once("fn ")
                    .and_then(|(_, rest)| rest.split_once('('));
                found.extend(name.map(|(name, _)| name.to_owned()));
            }
        }
    }
}

#[test]
fn every_threat_is_held_by_a_test_that_exists() {
    let page = fs::read_to_string(root().join("SECURITY.md")).expect("the page is there");
    let table = page.split("\n| Threat |").nth(1).expect("it has the table");
    let rows: Vec<_> = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert!(rows.len() >= 20, "{} threats", rows.len());
    let mut there = BTreeSet::new();
    tests(&root(), &mut there);
    for row in rows {
        let held_by = row
            .trim_end_matches('|')
            .rsplit('|')
            .next()
            .unwrap_or_default();
        let names: Vec<_> = held_by.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "nothing holds {row}");
        for name in names {
            assert!(there.contains(name), "there is no test {name}");
        }
    }
}
