//! Which scopes a token carries.

use std::collections::BTreeSet;

/// Scopes in alphabetical order, each once.
pub(crate) type Scopes = BTreeSet<String>;

/// What is left of `granted` when a client asked for `asked` (RFC 6749, section 3.3). Asking for
/// nothing asks for everything; what is not granted is left out.
pub(crate) fn narrow(granted: Scopes, asked: &str) -> Scopes {
    let asked: BTreeSet<&str> = asked.split_ascii_whitespace().collect();
    if asked.is_empty() {
        return granted;
    }
    granted
        .into_iter()
        .filter(|scope| asked.contains(scope.as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(words: &str) -> Scopes {
        words.split_ascii_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn asking_for_nothing_gives_everything() {
        assert_eq!(narrow(scopes("a b"), "  "), scopes("a b"));
    }

    #[test]
    fn asking_for_more_than_the_roles_give_adds_nothing() {
        assert_eq!(narrow(scopes("a b"), "b c"), scopes("b"));
        assert_eq!(narrow(scopes("a b"), "c"), scopes(""));
    }
}
