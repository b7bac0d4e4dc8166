use std::fmt;

use super::Invalid;

/// What an account tells of its person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// What the person is called on screens.
    pub display_name: DisplayName,
    /// The given name.
    pub given_name: PersonName,
    /// The family name.
    pub family_name: PersonName,
    /// Where a picture is.
    pub picture: Picture,
    /// The phone number.
    pub phone: Phone,
    /// The preferred language.
    pub locale: Locale,
    /// The time zone.
    pub time_zone: TimeZone,
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Default, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// The text; empty when nothing is known.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        /// Personal data stays out of logs.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(***)"))
            }
        }
    };
}

text! {
    /// A name for screens: at most 200 characters, none of them a control character. Empty when unknown.
    DisplayName
}

impl DisplayName {
    /// Reads a name.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        name(text).map(Self)
    }
}

text! {
    /// A given or a family name, under the rule of [`DisplayName`].
    PersonName
}

impl PersonName {
    /// Reads a name.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        name(text).map(Self)
    }
}

fn name(text: &str) -> Result<String, Invalid> {
    if text.chars().count() > 200 {
        return Err(Invalid("must have at most 200 characters"));
    }
    if text.bytes().any(|b| b.is_ascii_control()) {
        return Err(Invalid("must not have control characters"));
    }
    Ok(text.to_owned())
}

text! {
    /// The `https` URL of a picture. Empty when there is none.
    ///
    /// No other scheme: whoever shows the picture puts this into a page.
    Picture
}

impl Picture {
    /// Reads a URL of at most 2048 bytes, or nothing.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._~:/?#[]@!$&'()*+,;=%-".contains(&b);
        let whole = text.len() <= 2048
            && text
                .strip_prefix("https://")
                .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(allowed));
        if text.is_empty() || whole {
            return Ok(Self(text.to_owned()));
        }
        Err(Invalid("must be an https:// URL of at most 2048 bytes"))
    }
}

text! {
    /// A phone number after ITU-T E.164, such as `+436601234567`. Empty when there is none.
    Phone
}

impl Phone {
    /// Reads a `+` and 7 to 15 digits, or nothing.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let whole = text.strip_prefix('+').is_some_and(|digits| {
            (7..=15).contains(&digits.len())
                && !digits.starts_with('0')
                && digits.bytes().all(|b| b.is_ascii_digit())
        });
        if text.is_empty() || whole {
            return Ok(Self(text.to_owned()));
        }
        Err(Invalid(
            "must be a phone number after E.164 such as `+436601234567`",
        ))
    }
}

text! {
    /// A BCP 47 language tag such as `de-AT`. Empty when unknown.
    Locale
}

impl Locale {
    /// Reads a tag of at most 35 characters, or nothing.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let part = |part: &str, least| {
            (least..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
        };
        let mut parts = text.split('-');
        let language = parts.next().unwrap_or_default();
        let tag = part(language, 2)
            && language.bytes().all(|b| b.is_ascii_alphabetic())
            && parts.all(|rest| part(rest, 1));
        if text.is_empty() || (tag && text.len() <= 35) {
            return Ok(Self(text.to_owned()));
        }
        Err(Invalid("must be a BCP 47 language tag such as `de-AT`"))
    }
}

text! {
    /// The IANA name of a time zone, such as `Europe/Vienna`. Empty when unknown.
    ///
    /// Whether the zone exists is left to who shows times: the list of zones grows, and an older copy of
    /// it must not refuse a newer name.
    TimeZone
}

impl TimeZone {
    /// Reads a name of at most 64 characters, or nothing.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let part = |part: &str| {
            let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_+-".contains(&b);
            !part.is_empty() && part.bytes().all(allowed)
        };
        if text.is_empty() || (text.len() <= 64 && text.split('/').all(part)) {
            return Ok(Self(text.to_owned()));
        }
        Err(Invalid("must be an IANA time zone such as `Europe/Vienna`"))
    }
}
