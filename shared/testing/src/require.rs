//! What happens when a server's binaries are not there.

use std::{
    env,
    io::{self, Write},
    sync::{Mutex, PoisonError},
};

const VARIABLE: &str = "PORTICO_TEST_REQUIRE";
const KNOWN: [&str; 2] = ["postgres", "redis"];

static TOLD: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());

/// Says once per process that tests on `server` are skipped, or panics when it is required.
pub(crate) fn absent(server: &'static str, product: &str) {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is no configuration of Portico, but of its tests"
    )]
    let required = env::var(VARIABLE).unwrap_or_default();
    assert!(
        !names(&required).contains(&server),
        "no {product} found, and {VARIABLE} asks for it"
    );
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if !told.contains(&server) {
        told.push(server);
        // Not `eprintln!`, which the test harness keeps to itself. A closed stderr is no reason to fail.
        let _ = writeln!(io::stderr(), "skipped: no {product} found");
    }
}

/// The servers that the variable names. A name that means nothing would require nothing in silence.
fn names(list: &str) -> Vec<&str> {
    let names: Vec<&str> = list
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    for name in &names {
        assert!(
            KNOWN.contains(name),
            "{VARIABLE} names `{name}`, where only {} are known",
            KNOWN.join(" and ")
        );
    }
    names
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn names_are_separated_by_commas() {
        assert_eq!(names(""), Vec::<&str>::new());
        assert_eq!(names("postgres"), ["postgres"]);
        assert_eq!(names(" redis , postgres,"), ["redis", "postgres"]);
    }

    #[test]
    #[should_panic(expected = "names `postgresql`")]
    fn a_misspelt_name_is_refused() {
        names("redis,postgresql");
    }
}
