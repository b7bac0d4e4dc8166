//! Second factors: one-time passwords by time, and recovery codes.

mod base32;
mod recovery;
mod totp;
mod uri;

pub(crate) use self::{
    recovery::RecoveryCode,
    totp::{Digits, TotpSecret},
    uri::{Enrolment, enrolment},
};

/// What somebody presents as a second factor.
pub(crate) enum Code {
    Totp(Digits),
    Recovery(RecoveryCode),
}

impl Code {
    /// Six digits, or a recovery code in whichever grouping; `None` when it is neither.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let plain: String = text
            .chars()
            .filter(|c| !matches!(c, ' ' | '-' | '\u{a0}'))
            .collect();
        match Digits::parse(&plain) {
            Some(digits) => Some(Self::Totp(digits)),
            None => RecoveryCode::parse(&plain).map(Self::Recovery),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Random;

    #[test]
    fn codes_are_read_however_people_group_them() {
        for text in ["123456", "123 456", "123-456"] {
            assert!(matches!(Code::parse(text), Some(Code::Totp(_))), "{text}");
        }
        let code = RecoveryCode::new(&Random::system()).to_string();
        for text in [
            code.clone(),
            code.to_lowercase(),
            code.replace('-', " "),
            code.replace('-', ""),
        ] {
            assert!(
                matches!(Code::parse(&text), Some(Code::Recovery(_))),
                "{text}"
            );
        }
        for text in ["", "12345", "1234567", "１２３４５６", "abcdef", "?"] {
            assert!(Code::parse(text).is_none(), "{text}");
        }
    }
}
