use std::fmt::Write as _;

use super::*;

fn sha1(password: &str) -> [u8; 20] {
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
    hash.as_ref().try_into().expect("20 bytes")
}

/// A list as it is published.
fn list(passwords: impl Iterator<Item = (String, u64)>) -> String {
    let mut hashes: Vec<_> = passwords
        .map(|(password, seen)| (sha1(&password), seen))
        .collect();
    hashes.sort_unstable();
    let mut text = String::new();
    for (hash, seen) in hashes {
        for byte in hash {
            write!(text, "{byte:02X}").expect("a text takes all");
        }
        write!(text, ":{seen}\r\n").expect("a text takes all");
    }
    text
}

fn opened(bytes: &[u8]) -> Result<Breached, FileError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("breached");
    std::fs::write(&path, bytes).expect("writes");
    Breached::open(&path)
}

#[test]
fn what_is_in_the_list_is_found_and_nothing_else() {
    for count in [0, 1, 2, 3, 500, 5000] {
        let text = list((0..count).map(|n| (format!("breached {n}"), 10)));
        for length in [6, 8, 20] {
            let mut file = Vec::new();
            let built = build(text.as_bytes(), &mut file, length, 1).expect("is made");
            assert_eq!((built.lines, built.records), (count, count));
            let breached = opened(&file).expect("opens");
            for n in 0..count {
                let password = format!("breached {n}");
                assert!(breached.contains(&password).expect("reads"), "{password}");
            }
            for n in 0..1000 {
                let password = format!("good {n}");
                assert!(!breached.contains(&password).expect("reads"), "{password}");
            }
        }
    }
}

#[test]
fn a_file_whose_hashes_are_not_spread_evenly_is_searched_all_the_same() {
    let mut file = MAGIC.to_vec();
    file.extend(8_u32.to_le_bytes());
    let wanted = sha1("breached");
    for n in 0..20_000_u64 {
        file.extend(n.to_be_bytes());
    }
    file.extend(&wanted[..8]);
    let breached = opened(&file).expect("opens");
    assert!(breached.contains("breached").expect("reads"));
    assert!(!breached.contains("good").expect("reads"));
}

#[test]
fn those_that_were_seen_seldom_are_left_out() {
    let text = list([("often".to_owned(), 10), ("seldom".to_owned(), 9)].into_iter());
    let mut file = Vec::new();
    let built = build(text.as_bytes(), &mut file, 8, 10).expect("is made");
    assert_eq!((built.lines, built.records), (2, 1));
    let breached = opened(&file).expect("opens");
    assert!(breached.contains("often").expect("reads"));
    assert!(!breached.contains("seldom").expect("reads"));
}

#[test]
fn what_is_no_such_list_is_refused_with_its_line() {
    let build = |text: &str| build(text.as_bytes(), Vec::new(), 8, 1).expect_err("is refused");
    let a = "0".repeat(40);
    let b = "1".repeat(40);
    assert!(matches!(
        build(&format!("{a}:1\nhello\n")),
        BuildError::Line(2)
    ));
    assert!(matches!(build(&format!("{a}:x\n")), BuildError::Line(1)));
    assert!(matches!(build(&format!("{a}x\n")), BuildError::Line(1)));
    assert!(matches!(
        build(&format!("{b}:1\n{a}:1\n")),
        BuildError::Order(2)
    ));
    assert!(matches!(
        build(&format!("{a}\n{a}\n")),
        BuildError::Order(2)
    ));
    assert!(matches!(build(&"x".repeat(1 << 20)), BuildError::Line(1)));
    let length = super::build(&b""[..], Vec::new(), 21, 1);
    assert!(matches!(length, Err(BuildError::Length(21))));
}

#[test]
fn a_file_of_something_else_is_refused() {
    assert!(matches!(opened(b""), Err(FileError::Foreign)));
    assert!(matches!(
        opened(b"password\nletmein\n1234567"),
        Err(FileError::Foreign)
    ));
    let mut cut = MAGIC.to_vec();
    cut.extend(8_u32.to_le_bytes());
    cut.extend([1, 2, 3]);
    assert!(matches!(opened(&cut), Err(FileError::Cut)));
    cut[12] = 255;
    assert!(matches!(opened(&cut), Err(FileError::Foreign)));
}
