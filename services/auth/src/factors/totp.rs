//! One-time passwords by time (RFC 6238): SHA-1, six digits, 30 seconds, as every authenticator
//! application has them.

use std::fmt;

use chrono::{DateTime, Utc};
use ring::hmac;
use subtle::ConstantTimeEq;

use super::base32;
use crate::domain::Random;

/// How long one code is shown, in seconds.
pub(super) const PERIOD: i64 = 30;

/// The secret that an application and this service share: 160 bits (RFC 4226, section 4).
pub(crate) struct TotpSecret([u8; 20]);

/// Six digits that somebody typed.
pub(crate) struct Digits([u8; 6]);

impl Digits {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits: [u8; 6] = text.as_bytes().try_into().ok()?;
        digits
            .iter()
            .all(u8::is_ascii_digit)
            .then_some(Self(digits))
    }
}

impl TotpSecret {
    pub(crate) fn new(random: &Random) -> Self {
        Self(random.bytes())
    }

    /// A secret that was stored; `None` when it has another length.
    pub(crate) fn from_stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The secret for typing in.
    pub(crate) fn base32(&self) -> String {
        base32::encode(&self.0)
    }

    /// The time step of which these are the digits: the current one or one of its neighbours, so that
    /// clocks may be half a minute apart (RFC 6238, section 5.2). Takes as long whichever it is.
    pub(crate) fn step_of(&self, digits: &Digits, now: DateTime<Utc>) -> Option<i64> {
        let current = now.timestamp().div_euclid(PERIOD);
        let mut found = None;
        for step in current - 1..=current + 1 {
            if bool::from(self.digits(step).ct_eq(&digits.0)) {
                found = Some(step);
            }
        }
        found
    }

    /// HOTP of the step (RFC 4226, section 5.3).
    fn digits(&self, step: i64) -> [u8; 6] {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let tag = tag.as_ref();
        let offset = usize::from(tag[tag.len() - 1] & 0xf);
        let mut word = [0; 4];
        word.copy_from_slice(&tag[offset..offset + 4]);
        let mut rest = u32::from_be_bytes(word) & 0x7fff_ffff;
        let mut digits = [b'0'; 6];
        for digit in digits.iter_mut().rev() {
            *digit += u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
        }
        digits
    }
}

/// Secrets never reach a log.
impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> TotpSecret {
        TotpSecret(*b"12345678901234567890")
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).expect("a time")
    }

    fn digits(text: &str) -> Digits {
        Digits::parse(text).expect("six digits")
    }

    /// RFC 6238, appendix B, cut to six digits.
    #[test]
    fn the_examples_of_the_standard_hold() {
        for (seconds, text) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let step = secret().step_of(&digits(text), at(seconds));
            assert_eq!(step, Some(seconds / 30), "{text}");
        }
    }

    #[test]
    fn a_code_is_good_one_step_early_and_one_step_late() {
        let code = digits("081804");
        let step = 1_111_111_109 / 30;
        for (now, good) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let found = secret().step_of(&code, at((step + now) * 30));
            assert_eq!(found, good.then_some(step), "{now}");
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", secret()), "TotpSecret(***)");
        assert_eq!(secret().base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    }
}
