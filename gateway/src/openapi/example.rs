//! Values that a reader can try: those that the rules name, else well-known ones that meet the rules.

use super::{constraint, rules::TextRules};

/// By the last word of a field's name, what is commonly meant by it.
const BY_NAME: [(&str, &str); 13] = [
    ("email", "ada@example.com"),
    ("password", "correct horse battery staple"),
    ("display_name", "Ada Lovelace"),
    ("locale", "en-GB"),
    ("time_zone", "Europe/London"),
    ("language", "en"),
    ("country", "GB"),
    ("currency", "GBP"),
    ("phone", "+442079460000"),
    ("url", "https://example.com/"),
    ("scope", "users:read"),
    ("role", "editor"),
    ("user_agent", "curl/8.0"),
];

/// By the rules of a string.
const BY_SHAPE: [&str; 10] = [
    "018f2c6a-7c1e-7b52-9a64-3d1f0c5e8a90",
    "ada@example.com",
    "example.com",
    "192.0.2.1",
    "2001:db8::1",
    "https://example.com/",
    "editor",
    "example",
    "Example",
    "1",
];

/// A value for a string field, or none when no sensible one is known.
pub fn text(field: &str, rules: Option<&TextRules>) -> Option<String> {
    let Some(rules) = rules else {
        return by_name(field).map(str::to_owned);
    };
    let named = rules.example.iter().chain(&rules.constant);
    if let Some(value) = named.chain(&rules.one_of).next() {
        return Some(value.clone());
    }
    let free = rules.pattern.is_none() && !has_form(rules);
    let shaped = BY_SHAPE.iter().copied().filter(|_| !free);
    let mut candidates = by_name(field).into_iter().chain(shaped);
    let met = candidates.find(|it| meets(it, rules))?;
    Some(met.to_owned())
}

fn by_name(field: &str) -> Option<&'static str> {
    let found = BY_NAME
        .iter()
        .find(|(name, _)| field == *name || field.ends_with(&format!("_{name}")));
    found.map(|(_, value)| *value)
}

fn has_form(rules: &TextRules) -> bool {
    rules.email
        || rules.uuid
        || rules.hostname
        || rules.ipv4
        || rules.ipv6
        || rules.uri
        || rules.uri_ref
        || rules.prefix.is_some()
        || rules.suffix.is_some()
        || rules.contains.is_some()
}

/// Whether a candidate meets all rules. The forms are told apart by what is in the lists above.
fn meets(text: &str, rules: &TextRules) -> bool {
    let characters = text.chars().count() as u64;
    let bytes = text.len() as u64;
    let least = rules.len.or(rules.min_len).unwrap_or(0);
    let most = rules.len.or(rules.max_len).unwrap_or(u64::MAX);
    let part = |wanted: &Option<String>, has: fn(&str, &str) -> bool| {
        wanted.as_ref().is_none_or(|it| has(text, it))
    };
    let is_host = text.contains('.') && text.bytes().all(|b| b.is_ascii_alphabetic() || b == b'.');
    (least..=most).contains(&characters)
        && bytes >= rules.min_bytes.unwrap_or(0)
        && bytes <= rules.max_bytes.unwrap_or(u64::MAX)
        && rules
            .pattern
            .as_ref()
            .is_none_or(|it| constraint::matches(it, text))
        && part(&rules.prefix, |text, it| text.starts_with(it))
        && part(&rules.suffix, |text, it| text.ends_with(it))
        && part(&rules.contains, |text, it| text.contains(it))
        && !rules.none_of.iter().any(|it| it == text)
        && (!rules.email || text.contains('@'))
        && (!rules.uuid || text.len() == 36)
        && (!rules.hostname || is_host)
        && (!rules.ipv4 || text.parse::<std::net::Ipv4Addr>().is_ok())
        && (!rules.ipv6 || text.parse::<std::net::Ipv6Addr>().is_ok())
        && (!(rules.uri || rules.uri_ref) || text.starts_with("https://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_meets_the_rules() {
        let uuid = TextRules {
            uuid: true,
            ..TextRules::default()
        };
        assert_eq!(text("id", Some(&uuid)).as_deref(), Some(BY_SHAPE[0]));
        let short = TextRules {
            max_len: Some(5),
            ..TextRules::default()
        };
        assert_eq!(text("email", Some(&short)), None);
        let role = TextRules {
            pattern: Some("^[a-z][a-z0-9-]{0,62}$".into()),
            ..TextRules::default()
        };
        assert_eq!(text("roles", Some(&role)).as_deref(), Some("editor"));
        assert_eq!(text("home_email", None).as_deref(), Some("ada@example.com"));
        assert_eq!(text("anything", None), None);
    }

    #[test]
    fn what_the_contract_names_comes_first() {
        let rules = TextRules {
            example: vec!["mine".into()],
            ..TextRules::default()
        };
        assert_eq!(text("email", Some(&rules)).as_deref(), Some("mine"));
    }
}
