//! What an authenticator application reads: the `otpauth` URI, in writing and as a QR code.

use std::fmt::Write;

use qrcode::{QrCode, render::svg};

use super::{TotpSecret, totp::PERIOD};

/// A secret in the forms in which a person takes it over.
pub(crate) struct Enrolment {
    pub(crate) secret: String,
    pub(crate) uri: String,
    pub(crate) qr_svg: String,
}

/// The forms of a secret, under the names of the service and of the account.
pub(crate) fn enrolment(secret: &TotpSecret, issuer: &str, account: &str) -> Enrolment {
    let letters = secret.base32();
    let (issuer, account) = (escape(issuer), escape(account));
    let uri = format!(
        "otpauth://totp/{issuer}:{account}\
         ?secret={letters}&issuer={issuer}&algorithm=SHA1&digits=6&period={PERIOD}"
    );
    Enrolment {
        qr_svg: draw(&uri),
        secret: letters,
        uri,
    }
}

fn draw(uri: &str) -> String {
    // Names are bounded, so the URI is far shorter than the largest code holds.
    let code = QrCode::new(uri).expect("a URI of at most 2 KB makes a QR code");
    code.render::<svg::Color<'_>>()
        .min_dimensions(240, 240)
        .build()
}

/// Percent-encodes all but the unreserved characters (RFC 3986, section 2.3).
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            write!(escaped, "%{byte:02X}").expect("a text takes all");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Random;

    #[test]
    fn names_are_escaped_and_the_longest_fit() {
        let secret = TotpSecret::new(&Random::system());
        let short = enrolment(&secret, "Acme & Co", "ada+1@example.com");
        let prefix = "otpauth://totp/Acme%20%26%20Co:ada%2B1%40example.com?secret=";
        assert!(short.uri.starts_with(prefix), "{}", short.uri);
        assert!(short.uri.contains(&format!("secret={}&", secret.base32())));
        assert!(short.qr_svg.contains("<svg"));
        let long = enrolment(&secret, &"é".repeat(32), &"ü".repeat(127));
        assert!(long.qr_svg.ends_with("</svg>"), "{}", long.qr_svg.len());
    }
}
