//! Passwords that everybody tries first.

use std::sync::LazyLock;

/// One password to a line, in lower case and in order, each of at least eight characters.
static COMMON: &str = include_str!("common.txt");

static SORTED: LazyLock<Vec<&str>> = LazyLock::new(|| COMMON.lines().collect());

/// Whether a password is among the commonest, whatever its case.
pub(crate) fn is_common(password: &str) -> bool {
    let lower = password.to_lowercase();
    SORTED.binary_search(&lower.as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_passwords_are_known_in_any_case() {
        for password in [
            "password",
            "PASSWORD1",
            "Password123",
            "12345678",
            "qwertyuiop",
            "iloveyou",
        ] {
            assert!(is_common(password), "{password}");
        }
        assert!(!is_common("correct horse battery staple"));
        assert!(!is_common(""));
    }

    #[test]
    fn the_list_is_sorted_lower_case_and_holds_nothing_that_is_too_short_anyway() {
        // ASVS 6.2.4 asks for so many.
        assert!(SORTED.len() >= 3000, "{}", SORTED.len());
        assert!(SORTED.is_sorted_by(|a, b| a < b));
        for line in SORTED.iter() {
            assert_eq!(&line.to_lowercase(), line);
            assert!(line.chars().count() >= 8, "{line}");
        }
    }
}
