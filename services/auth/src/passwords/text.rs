//! Passwords as people type them.

use std::fmt;

use portico_proto::error::Violation;
use unicode_normalization::UnicodeNormalization;

use super::common::is_common;
use crate::domain::Email;

/// The fewest and the most characters of a password, after normalisation.
const LENGTH: (usize, usize) = (8, 128);

/// A password that somebody presents.
///
/// The same characters come in different code points from different keyboards, so what counts is their
/// NFKC form (NIST SP 800-63B, section 3.1.1.2). A hash from before, or from elsewhere, may be of the code
/// points as they were typed, so these are kept when they differ.
#[derive(Clone)]
pub(crate) struct Password {
    normal: String,
    typed: Option<String>,
}

impl Password {
    pub(crate) fn new(typed: String) -> Self {
        let normal = normalise(&typed);
        let typed = (typed != normal).then_some(typed);
        Self { normal, typed }
    }

    /// The forms that a hash may be of, the likeliest first.
    pub(crate) fn forms(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.normal.as_str()).chain(self.typed.as_deref())
    }

    /// The form that is hashed from now on.
    pub(crate) fn normal(&self) -> &str {
        &self.normal
    }
}

/// A password that may be given to an account, as far as can be told without looking into a file.
pub(crate) struct NewPassword {
    normal: String,
    field: &'static str,
}

impl NewPassword {
    /// Checks a password that came in `field`.
    pub(crate) fn parse(field: &'static str, typed: &str) -> Result<Self, Violation> {
        let normal = normalise(typed);
        let length = normal.chars().count();
        let (least, most) = LENGTH;
        let fault = if length < least {
            format!("has {length} characters; accepted: {least} to {most} of any script")
        } else if length > most {
            format!("has more than {most} characters; accepted: {least} to {most} of any script")
        } else if is_common(&normal) {
            "is one of the commonest; choose another one".to_owned()
        } else {
            return Ok(Self { normal, field });
        };
        Err(Violation::new(field, fault))
    }

    /// Refuses a password that is its owner's address or the name in it, with whatever digits and marks
    /// (NIST SP 800-63B, section 3.1.1.2: context-specific words).
    pub(crate) fn check_owner(&self, owner: &Email) -> Result<(), Violation> {
        let (password, address) = (letters(&self.normal), owner.key());
        let name = address.rsplit_once('@').map_or(address, |(name, _)| name);
        if password.is_empty() || ![name, address].map(letters).contains(&password) {
            return Ok(());
        }
        let fault = "is the e-mail address with little else; choose another one";
        Err(Violation::new(self.field, fault))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.normal
    }

    /// The field in which it came.
    pub(crate) fn field(&self) -> &'static str {
        self.field
    }
}

fn normalise(typed: &str) -> String {
    if typed.is_ascii() {
        return typed.to_owned();
    }
    typed.nfkc().collect()
}

/// Passwords never reach a log.
impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(***)")
    }
}

impl fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewPassword(***)")
    }
}

/// The letters of a text, in lower case.
fn letters(text: &str) -> String {
    let letters = text.chars().filter(|c| c.is_alphabetic());
    letters.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(typed: &str) -> Option<String> {
        let violation = NewPassword::parse("password", typed).err()?;
        assert_eq!(violation.field, "password");
        Some(violation.description)
    }

    #[test]
    fn the_same_characters_in_other_code_points_are_the_same_password() {
        // ö and the ligature ﬃ, composed and not; a full-width A.
        let composed = Password::new("L\u{f6}we o\u{fb03}ce \u{ff21}".to_owned());
        let plain = Password::new("Lo\u{308}we office A".to_owned());
        assert_eq!(composed.normal(), plain.normal());
        assert_eq!(plain.forms().count(), 2);
        assert_eq!(Password::new("plain".to_owned()).forms().count(), 1);
    }

    #[test]
    fn characters_are_counted_after_normalisation_in_any_script() {
        assert_eq!(fault("пароль-для-ады"), None);
        assert_eq!(fault("密码很长的一句话"), None);
        assert!(fault("密码太短").is_some_and(|fault| fault.starts_with("has 4 characters")));
        // Three jamo for each of seven syllables: too few, however many code points.
        assert!(fault(&"\u{1100}\u{1161}\u{11a8}".repeat(7)).is_some());
        // A ligature of three letters counts as three.
        assert_eq!(fault("o\u{fb03}ce A1"), None);
        assert_eq!(fault(&"x".repeat(128)), None);
        assert!(fault(&"x".repeat(129)).is_some_and(|fault| fault.contains("more than 128")));
        // One code point that becomes eighteen characters.
        assert!(fault(&"\u{fdfa}".repeat(8)).is_some());
    }

    #[test]
    fn a_common_password_is_refused_in_any_spelling_and_not_repeated() {
        for typed in ["Password123", "\u{ff30}assword123"] {
            let fault = fault(typed).expect("is refused");
            assert!(!fault.contains("123"), "{fault}");
        }
    }

    #[test]
    fn the_owners_own_address_is_no_password() {
        let refused = |typed: &str, email: &str| {
            let password = NewPassword::parse("password", typed).expect("is no common one");
            password.check_owner(&Email::new(email)).is_err()
        };
        for typed in [
            "ada@example.com",
            "ADA-2026-!",
            "12345ada6",
            "Ada@Example.com1",
        ] {
            assert!(refused(typed, "Ada@example.com"), "{typed}");
        }
        assert!(!refused("ada and the engine", "ada@example.com"));
        assert!(!refused("20260101!", "ada@example.com"), "no letters");
        assert!(!refused("4711-0815", "0815@example.com"), "no letters");
    }

    #[test]
    fn passwords_are_not_printed() {
        let shown = format!(
            "{:?} {:?}",
            Password::new("correct horse".to_owned()),
            NewPassword::parse("password", "correct horse").expect("is good")
        );
        assert!(!shown.contains("horse"), "{shown}");
    }
}
