//! What is written in a mail, as text and as HTML.

use super::{Details, Kind, Mail};

/// A subject and both bodies.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) subject: &'static str,
    pub(super) text: String,
    pub(super) html: String,
}

/// What a letter consists of, in order.
enum Part {
    Text(String),
    /// What to press, and where it leads.
    Link(&'static str, String),
}

impl Letter {
    /// Writes a mail. `link` is where its link leads, for the kinds that have one.
    pub(super) fn write(mail: &Mail, link: Option<String>) -> Self {
        let (subject, parts) = words(mail, link);
        Self {
            subject,
            text: as_text(&parts),
            html: as_html(subject, &parts),
        }
    }
}

fn words(mail: &Mail, link: Option<String>) -> (&'static str, Vec<Part>) {
    let (subject, first, last) = texts(mail.kind);
    let label = match mail.kind {
        Kind::Verify => "Verify the address",
        Kind::Reset => "Choose a new password",
        _ => "Confirm the address",
    };
    let mut parts = vec![Part::Text(first.to_owned())];
    parts.extend(link.map(|link| Part::Link(label, link)));
    parts.extend(origin(&mail.details).map(Part::Text));
    parts.push(Part::Text(last.to_owned()));
    (subject, parts)
}

/// The subject, what happened, and what to do about it; a link stands between them.
fn texts(kind: Kind) -> (&'static str, &'static str, &'static str) {
    match kind {
        Kind::Verify => (
            "Verify your e-mail address",
            "Somebody registered an account with this address. If it was you, please verify it:",
            "The link works once, for 24 hours. If it was not you, do nothing: nobody can use your address without it.",
        ),
        Kind::Reset => (
            "Choose a new password",
            "Somebody asked for a new password for the account with this address. If it was you, choose one here:",
            "The link works once, for 15 minutes. If it was not you, do nothing: your password stays as it is.",
        ),
        Kind::NewAddress => (
            "Confirm your new e-mail address",
            "Somebody asked to make this the address of an account. If it was you, please confirm it:",
            "The link works once, for an hour. If it was not you, do nothing.",
        ),
        Kind::Taken => (
            "You have an account already",
            "Somebody registered an account with this address, which has one already. Nothing was changed.",
            "If it was you, sign in, or ask for a new password if you have forgotten yours. If it was not you, do nothing.",
        ),
        Kind::AddressAsked => (
            "Your e-mail address is to be changed",
            "Somebody who knows your password asked for another address for your account. It stays this one until the other is confirmed.",
            "If it was not you, change your password at once.",
        ),
        Kind::AddressChanged => (
            "Your e-mail address was changed",
            "Your account has another address now. This one is no longer used for it.",
            "If it was not you, tell those who run this service.",
        ),
        Kind::PasswordChanged => (
            "Your password was changed",
            "The password of your account was changed, and its other sessions were ended.",
            "If it was not you, ask for a new password at once.",
        ),
        Kind::NewDevice => (
            "New sign-in to your account",
            "Somebody signed in to your account on a device that was not used for it before.",
            "If it was not you, change your password at once and end the session.",
        ),
        Kind::PasswordUsed => (
            "Your password was used",
            "Somebody entered your password on a device that was not used for your account before, and was asked for the second factor.",
            "If it was not you, change your password at once.",
        ),
        Kind::FactorAdded => (
            "A second factor was added to your account",
            "An authenticator application was added: signing in asks for its code from now on.",
            "If it was not you, change your password at once and tell those who run this service.",
        ),
        Kind::FactorsRemoved => (
            "The second factor of your account was removed",
            "From now on the password of your account is enough to sign in.",
            "If it was not you, change your password at once.",
        ),
        Kind::CodesReplaced => (
            "Your recovery codes were replaced",
            "New recovery codes were made for your account. Those before are of no use any more.",
            "If it was not you, change your password at once.",
        ),
        Kind::FactorsReset => (
            "The second factor of your account was removed",
            "An administrator removed the second factors of your account and ended its sessions.",
            "If you did not ask for it, tell those who run this service.",
        ),
    }
}

/// Where it came from, as far as that is known.
fn origin(details: &Details) -> Option<String> {
    let known = [
        ("Device", &details.device_name),
        ("Program", &details.user_agent),
        ("Address", &details.ip_address),
    ];
    let lines: Vec<String> = known
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}: {}", one_line(value)))
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// What others wrote makes no line of its own, and no link that a mail program would draw: a stranger
/// chooses what his device is called.
fn one_line(value: &str) -> String {
    let plain = value.chars().map(|c| if c.is_control() { ' ' } else { c });
    let plain: String = plain.take(200).collect();
    plain.replace("://", ": //").replace("www.", "www .")
}

fn as_text(parts: &[Part]) -> String {
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Text(words) => {
                let lines: Vec<String> = words.lines().map(wrap).collect();
                text.push_str(&lines.join("\n"));
            }
            Part::Link(_, link) => text.push_str(link),
        }
        text.push_str("\n\n");
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// Breaks a line between words, so that it fits a mail (RFC 5322, section 2.1.1).
fn wrap(line: &str) -> String {
    let mut wrapped = String::new();
    let mut length = 0;
    for word in line.split(' ') {
        let more = word.chars().count();
        if length > 0 && length + 1 + more > 72 {
            wrapped.push('\n');
            length = 0;
        } else if length > 0 {
            wrapped.push(' ');
            length += 1;
        }
        wrapped.push_str(word);
        length += more;
    }
    wrapped
}

fn as_html(subject: &str, parts: &[Part]) -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{}</title></head>\n\
         <body style=\"font-family: sans-serif; max-width: 36em; margin: 2em auto; padding: 0 1em\">\n",
        escape(subject)
    );
    for part in parts {
        match part {
            Part::Text(words) => {
                let words = escape(words).replace('\n', "<br>\n");
                html.extend(["<p>", &words, "</p>\n"]);
            }
            Part::Link(label, link) => {
                let (label, link) = (escape(label), escape(link));
                html.extend([
                    "<p><a href=\"",
                    &link,
                    "\">",
                    &label,
                    "</a></p>\n<p>",
                    &link,
                    "</p>\n",
                ]);
            }
        }
    }
    html.push_str("</body>\n</html>\n");
    html
}

/// Text within HTML, also within a quoted attribute.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Client, Email};

    fn mail(kind: Kind) -> Mail {
        Mail::to_address(kind, &Email::new("ada@example.com"))
    }

    #[test]
    fn a_link_stands_in_both_bodies() {
        let link = "https://example.org/reset?a=1&b='2'#token=abc".to_owned();
        let letter = Letter::write(&mail(Kind::Reset), Some(link.clone()));
        assert!(
            letter.text.contains(&format!("\n\n{link}\n\n")),
            "{}",
            letter.text
        );
        let escaped = "https://example.org/reset?a=1&amp;b=&#39;2&#39;#token=abc";
        assert!(
            letter.html.contains(&format!("<a href=\"{escaped}\">")),
            "{}",
            letter.html
        );
    }

    #[test]
    fn what_a_stranger_wrote_is_text_and_nothing_else() {
        let client = Client {
            user_agent: "<script>alert(1)</script>\" onload=\"x\nhttps://evil.example/\r\n\r\nwww.evil.example".to_owned(),
            ip_address: "203.0.113.7".to_owned(),
            device_name: "Ada's <b>phone</b>".to_owned(),
        };
        let letter = Letter::write(&mail(Kind::NewDevice).asked_by(&client), None);
        for forbidden in ["<script", "<b>", "\" onload", "'s "] {
            assert!(
                !letter.html.contains(forbidden),
                "{forbidden}: {}",
                letter.html
            );
        }
        assert!(
            letter.html.contains("Ada&#39;s &lt;b&gt;phone"),
            "{}",
            letter.html
        );
        for body in [&letter.html, &letter.text] {
            assert!(
                !body.contains("https://") && !body.contains("www.evil"),
                "{body}"
            );
            assert!(body.contains("203.0.113.7"), "{body}");
        }
        assert!(letter.text.contains("Program: <script>"), "{}", letter.text);
        assert!(!letter.text.contains('\r'));
    }

    #[test]
    fn every_kind_says_something_of_its_own() {
        let kinds = [
            Kind::Verify,
            Kind::Taken,
            Kind::Reset,
            Kind::NewAddress,
            Kind::AddressAsked,
            Kind::AddressChanged,
            Kind::PasswordChanged,
            Kind::NewDevice,
        ];
        let mut subjects = Vec::new();
        for kind in kinds {
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
            let letter = Letter::write(&mail(kind), None);
            assert!(letter.text.ends_with(".\n"), "{}", letter.text);
            subjects.push(letter.subject);
        }
        subjects.sort_unstable();
        subjects.dedup();
        assert_eq!(subjects.len(), kinds.len());
    }
}
