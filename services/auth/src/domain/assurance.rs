//! How sure we are of who somebody is.

/// What a session was opened by, or has seen proved since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Assurance {
    /// A password alone.
    Password,
    /// A password and a one-time password.
    Totp,
    /// A password and a recovery code.
    RecoveryCode,
}

impl Assurance {
    /// How it was proved, as methods of RFC 8176 with spaces between. A recovery code has no method of
    /// its own there.
    pub(crate) const fn amr(self) -> &'static str {
        match self {
            Self::Password => "pwd",
            Self::Totp => "pwd otp mfa",
            Self::RecoveryCode => "pwd mfa",
        }
    }

    /// The authentication assurance level of NIST SP 800-63B, section 4.
    pub(crate) const fn acr(self) -> &'static str {
        if self.has_factor() { "aal2" } else { "aal1" }
    }

    /// What was stored. Words that are newer than this program prove no more than a password.
    pub(crate) fn parse(amr: &str) -> Self {
        [Self::Totp, Self::RecoveryCode]
            .into_iter()
            .find(|assurance| assurance.amr() == amr)
            .unwrap_or(Self::Password)
    }

    /// Whether a second factor was proved.
    pub(crate) const fn has_factor(self) -> bool {
        !matches!(self, Self::Password)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_again_and_a_strange_word_proves_no_factor() {
        for assurance in [
            Assurance::Password,
            Assurance::Totp,
            Assurance::RecoveryCode,
        ] {
            assert_eq!(Assurance::parse(assurance.amr()), assurance);
        }
        assert_eq!(Assurance::parse("pwd hwk mfa"), Assurance::Password);
    }
}
