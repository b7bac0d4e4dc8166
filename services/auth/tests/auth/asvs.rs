//! The table of what is kept of OWASP ASVS: that each row names requirements which there are, and tests
//! which there are.

use std::{fs, path::Path};

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
const HEADING: &str = "## OWASP ASVS 5.0.0";

/// How many requirements each section of version 5.0.0 has, of the chapters on authentication, sessions,
/// authorization, tokens, OAuth and cryptography.
const SECTIONS: [(&str, u32); 32] = [
    ("6.1", 3),
    ("6.2", 12),
    ("6.3", 8),
    ("6.4", 6),
    ("6.5", 8),
    ("6.6", 4),
    ("6.7", 2),
    ("6.8", 4),
    ("7.1", 3),
    ("7.2", 4),
    ("7.3", 2),
    ("7.4", 5),
    ("7.5", 3),
    ("7.6", 2),
    ("8.1", 4),
    ("8.2", 4),
    ("8.3", 3),
    ("8.4", 2),
    ("9.1", 3),
    ("9.2", 4),
    ("10.1", 2),
    ("10.2", 3),
    ("10.3", 5),
    ("10.4", 16),
    ("10.6", 2),
    ("11.1", 4),
    ("11.2", 5),
    ("11.3", 5),
    ("11.4", 4),
    ("11.5", 2),
    ("11.6", 2),
    ("11.7", 2),
];

/// The rows of the table, each in its cells.
fn rows(readme: &str) -> Vec<Vec<&str>> {
    let section = readme.split(HEADING).nth(1).expect("there is a section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let lines = section.lines().filter(|line| line.starts_with('|'));
    let cells = lines.map(|line| line.trim_matches('|').split('|').map(str::trim).collect());
    // Behind the heads and the rule.
    cells.skip(2).collect()
}

/// What stands between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

fn is_requirement(number: &str) -> bool {
    let Some((section, last)) = number.rsplit_once('.') else {
        return false;
    };
    let Ok(last) = last.parse::<u32>() else {
        return false;
    };
    SECTIONS
        .iter()
        .any(|(known, most)| *known == section && (1..=*most).contains(&last))
}

/// Whether `file.rs::a_test` is a test: a path from the project's root, or a file beside this one.
fn is_test(proof: &str) -> bool {
    let Some((file, name)) = proof.split_once("::") else {
        return false;
    };
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = if file.contains('/') {
        here.join("../..").join(file)
    } else {
        here.join("tests/auth").join(format!("{file}.rs"))
    };
    let source = fs::read_to_string(path).unwrap_or_default();
    let Some(at) = source.find(&format!("fn {name}(")) else {
        return false;
    };
    // The journeys are called by a list of them, and have no attribute.
    let before = source[..at].rsplit("\n\n").next().unwrap_or_default();
    let marked = ["#[test]", "#[tokio::test"]
        .iter()
        .any(|mark| before.contains(mark));
    marked || file.contains("/journeys/")
}

#[test]
fn every_row_names_requirements_and_tests_that_exist() {
    let readme = fs::read_to_string(README).expect("reads");
    let rows = rows(&readme);
    assert!(rows.len() > 30, "{}", rows.len());
    let mut seen = Vec::new();
    for row in rows {
        let [requirement, proofs] = row.as_slice() else {
            panic!("two cells to a row: {row:?}");
        };
        let (numbers, what) = requirement.split_once(": ").expect("numbers, and what");
        assert!(!what.is_empty(), "{requirement}");
        for number in numbers.split(", ") {
            assert!(is_requirement(number), "{number}");
            assert!(!seen.contains(&number), "{number} stands there twice");
            seen.push(number);
        }
        assert!(quoted(proofs).next().is_some(), "nothing proves {numbers}");
        for proof in quoted(proofs) {
            assert!(is_test(proof), "{numbers}: there is no test {proof}");
        }
    }
}

#[test]
fn the_row_on_common_passwords_counts_them() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = fs::read_to_string(here.join("src/passwords/common.txt")).expect("reads");
    let count = list.lines().count();
    let count = format!("({},{:03}, ", count / 1000, count % 1000);
    let readme = fs::read_to_string(README).expect("reads");
    let rows = rows(&readme);
    let row = rows.iter().find(|row| row[0].starts_with("6.2.4: "));
    let row = row.expect("there is one")[0];
    assert!(row.contains(&count), "{row}");
}

#[test]
fn what_is_no_requirement_or_no_test_is_told() {
    for number in ["6.3.9", "6.3.0", "5.1.1", "6.3", "6.3.x", "10.5.1"] {
        assert!(!is_requirement(number), "{number}");
    }
    for proof in [
        "refresh::what_nobody_wrote",
        "refresh",
        "nowhere::a_used_token_after_the_grace_ends_the_session",
        "refresh::is_invalid_grant",
    ] {
        assert!(!is_test(proof), "{proof}");
    }
    assert!(is_test(
        "refresh::a_used_token_after_the_grace_ends_the_session"
    ));
}
