//! What the fuzzer found worth keeping, once more through the functions that it calls.

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::{fs, path::Path};

/// Calls the function with every input of the target's corpus.
fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut count = 0;
    for file in fs::read_dir(&folder).expect("a corpus") {
        let path = file.expect("a file").path();
        let input = fs::read(&path).expect("readable");
        // The harness shows what a failing test printed.
        println!("{}", path.display());
        run(&input);
        count += 1;
    }
    assert!(count > 10, "only {count} inputs in {}", folder.display());
}

#[test]
fn json_from_the_corpus_keeps_its_promises() {
    replay("json", fuzz::json);
}

#[test]
fn wire_from_the_corpus_keeps_its_promises() {
    replay("wire", fuzz::wire);
}

#[test]
fn templates_from_the_corpus_keep_their_promises() {
    replay("template", fuzz::template);
}

#[test]
fn requests_from_the_corpus_keep_their_promises() {
    replay("request", fuzz::request);
}
