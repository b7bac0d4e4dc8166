//! `application/x-www-form-urlencoded`, as strict as RFC 6749 (sections 3.2 and appendix B) wants it.

use std::borrow::Cow;

use super::{
    Asked,
    answer::{Code, Fault},
};

/// The longest form, in bytes.
const LONGEST: usize = 32 * 1024;
/// The most parameters that a form may have.
const MOST: usize = 64;
/// The one parameter that may come several times (RFC 8707, section 2).
const REPEATABLE: &str = "resource";

/// The parameters of a request. Those without a value count as missing.
#[derive(Debug)]
pub(super) struct Form<'r>(Vec<(Cow<'r, str>, Cow<'r, str>)>);

impl<'r> Form<'r> {
    /// Reads the form of a request.
    pub(super) fn read(asked: &Asked<'r>) -> Result<Self, Fault> {
        let wrong = |description| Err(Code::InvalidRequest.is(description));
        if !is_form(asked.content_type) {
            return wrong("the body must be application/x-www-form-urlencoded in UTF-8");
        }
        if asked.body.len() > LONGEST {
            return wrong("the form is longer than 32768 bytes");
        }
        let Ok(text) = str::from_utf8(asked.body) else {
            return wrong("the form is not UTF-8");
        };
        let mut parameters: Vec<(Cow<'r, str>, Cow<'r, str>)> = Vec::with_capacity(8);
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (Some(name), Some(value)) = (decode(name), decode(value)) else {
                return wrong("a parameter's percent-encoding is wrong");
            };
            if name != REPEATABLE && parameters.iter().any(|(known, _)| *known == name) {
                return wrong("a parameter stands there twice");
            }
            if parameters.len() == MOST {
                return wrong("the form has more than 64 parameters");
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// The value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut parameters = self.0.iter();
        let found = parameters.find(|(known, value)| known == name && !value.is_empty())?;
        Some(&found.1)
    }

    /// The value of a parameter that must be there.
    pub(super) fn require(&self, name: &str, missing: &'static str) -> Result<&str, Fault> {
        self.get(name)
            .ok_or_else(|| Code::InvalidRequest.is(missing))
    }

    /// The values of a parameter that may come several times.
    pub(super) fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        let named = self.0.iter().filter(move |(known, _)| known == name);
        named
            .map(|(_, value)| value.as_ref())
            .filter(|value| !value.is_empty())
    }
}

fn is_form(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
                value.trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        })
}

/// Undoes percent-encoding and `+` for a space; `None` when it is wrong, or gives no UTF-8.
pub(super) fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Some(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high << 4 | low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::{super::answer::Refusal, *};

    const FORM: &str = "application/x-www-form-urlencoded";

    fn read<'r>(content_type: &'r str, body: &'r str) -> Result<Form<'r>, Refusal> {
        let asked = Asked {
            authorization: Vec::new(),
            content_type,
            body: body.as_bytes(),
        };
        Form::read(&asked).map_err(|fault| match fault {
            Fault::Refused(refusal) => refusal,
            Fault::Failed(error) => panic!("{error}"),
        })
    }

    #[test]
    fn parameters_are_decoded_and_empty_ones_are_missing() {
        let form = read(FORM, "a=1+2&b=%C3%BC%2B&c=&d&&e=x=y").expect("a form");
        assert_eq!(form.get("a"), Some("1 2"));
        assert_eq!(form.get("b"), Some("ü+"));
        assert_eq!((form.get("c"), form.get("d")), (None, None));
        assert_eq!(form.get("e"), Some("x=y"));
        assert_eq!(form.get("f"), None);
    }

    #[test]
    fn only_resource_comes_several_times() {
        let form = read(FORM, "resource=a&resource=b").expect("a form");
        assert_eq!(form.all("resource").collect::<Vec<_>>(), ["a", "b"]);
        for twice in ["a=1&a=1", "a=&a=1", "unknown=1&%75nknown=2"] {
            let refusal = read(FORM, twice).expect_err("twice");
            assert_eq!(refusal.description, "a parameter stands there twice");
        }
    }

    #[test]
    fn what_is_no_form_is_refused() {
        for content_type in [
            "",
            "application/json",
            "text/plain",
            "application/x-www-form-urlencoded; charset=latin1",
        ] {
            assert!(read(content_type, "a=1").is_err(), "{content_type}");
        }
        assert!(read("Application/X-WWW-Form-Urlencoded;charset=UTF-8", "a=1").is_ok());
        for body in ["a=%", "a=%4", "a=%zz", "%ff=1", "a=%C3"] {
            assert!(read(FORM, body).is_err(), "{body}");
        }
        let many: Vec<String> = (0..65).map(|n| format!("p{n}=1")).collect();
        assert!(read(FORM, &many.join("&")).is_err());
        assert!(read(FORM, &many[..64].join("&")).is_ok());
        assert!(read(FORM, &"x".repeat(LONGEST + 1)).is_err());
    }
}
