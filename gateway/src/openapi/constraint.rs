//! Rules as JSON Schema keywords.

use regex::Regex;
use serde_json::Number;

use super::{
    json::{Json, Object},
    rules::{Bounds, BytesRules, EnumRules, MapRules, RepeatedRules, Rules, TextRules, Typed},
};

/// Puts the rules for a string into its schema. `given` says that the empty string counts as none, and
/// that there must be one.
pub fn text(rules: &TextRules, given: bool, schema: &mut Object) {
    if let Some(format) = format(rules) {
        schema.put("format", format);
    }
    let least = rules.len.or(rules.min_len).unwrap_or(0);
    let least = least.max(u64::from(rules.min_bytes > Some(0)));
    let least = if given && format(rules).is_none() {
        least.max(1)
    } else {
        least
    };
    if least > 0 {
        schema.put("minLength", least);
    }
    // No character is shorter than a byte.
    let most = rules.len.or(rules.max_len).into_iter();
    if let Some(most) = most.chain(rules.max_bytes).min() {
        schema.put("maxLength", most);
    }
    if let Some(value) = &rules.constant {
        schema.put("const", value.as_str());
    }
    if !rules.one_of.is_empty() {
        schema.put("enum", rules.one_of.clone());
    }
    if !rules.none_of.is_empty() {
        let none = Object::default().with("enum", rules.none_of.clone());
        schema.put("not", none);
    }
    let mut patterns = patterns(rules);
    if patterns.len() == 1 {
        schema.put("pattern", patterns.remove(0));
    } else if !patterns.is_empty() {
        let all = patterns
            .into_iter()
            .map(|it| Object::default().with("pattern", it));
        schema.put("allOf", all.collect::<Vec<_>>());
    }
}

fn format(rules: &TextRules) -> Option<&'static str> {
    let formats = [
        (rules.email, "email"),
        (rules.uuid, "uuid"),
        (rules.hostname, "hostname"),
        (rules.ipv4, "ipv4"),
        (rules.ipv6, "ipv6"),
        (rules.uri, "uri"),
        (rules.uri_ref, "uri-reference"),
    ];
    let mut formats = formats.into_iter();
    formats.find_map(|(is, name)| is.then_some(name))
}

fn patterns(rules: &TextRules) -> Vec<String> {
    let pattern = rules.pattern.as_deref().and_then(ecma);
    let prefix = rules.prefix.as_ref();
    let suffix = rules.suffix.as_ref();
    let contains = rules.contains.as_ref();
    pattern
        .into_iter()
        .chain(prefix.map(|it| format!("^{}", regex::escape(it))))
        .chain(suffix.map(|it| format!("{}$", regex::escape(it))))
        .chain(contains.map(|it| regex::escape(it)))
        .collect()
}

/// An expression of RE2 as one of ECMA-262, which JSON Schema speaks; none when it uses what only RE2
/// has, in which case no expression is better than one that means something else.
fn ecma(pattern: &str) -> Option<String> {
    let text = pattern.replace(r"\A", "^").replace(r"\z", "$");
    let only_re2 = ["(?", "[[:", r"\p", r"\P", r"\Q", r"\C", r"\a"];
    let plain = text.replace("(?:", "(");
    (!only_re2.iter().any(|it| plain.contains(it))).then_some(text)
}

/// Puts the rules for a number into its schema.
pub fn number(bounds: &Bounds, schema: &mut Object) {
    let limits = [
        ("minimum", &bounds.gte),
        ("exclusiveMinimum", &bounds.gt),
        ("maximum", &bounds.lte),
        ("exclusiveMaximum", &bounds.lt),
    ];
    for (name, limit) in limits {
        if let Some(limit) = limit {
            schema.remove(match name {
                "exclusiveMinimum" => "minimum",
                "exclusiveMaximum" => "maximum",
                same => same,
            });
            schema.put(name, Json::Number(limit.clone()));
        }
    }
    if let Some(value) = &bounds.constant {
        schema.put("const", Json::Number(value.clone()));
    }
    if !bounds.one_of.is_empty() {
        let values = bounds.one_of.iter().cloned().map(Json::Number);
        schema.put("enum", values.collect::<Vec<_>>());
    }
}

/// Puts the rules for bytes into their schema: every three of them make four characters.
pub fn bytes(rules: &BytesRules, schema: &mut Object) {
    let length = |bytes: u64| bytes.saturating_add(2) / 3 * 4;
    if let Some(least) = rules.len.or(rules.min_len).filter(|it| *it > 0) {
        // The padding may be left out.
        schema.put("minLength", least.saturating_mul(4).div_ceil(3));
    }
    if let Some(most) = rules.len.or(rules.max_len) {
        schema.put("maxLength", length(most));
    }
}

/// Puts the rules for a list into its schema; those for its items are the items' own.
pub fn list(rules: &RepeatedRules, schema: &mut Object) {
    if let Some(least) = rules.min_items {
        schema.put("minItems", least);
    }
    if let Some(most) = rules.max_items {
        schema.put("maxItems", most);
    }
    if rules.unique {
        schema.put("uniqueItems", true);
    }
}

/// Puts the rules for a map into its schema; those for keys and values are their own.
pub fn map(rules: &MapRules, schema: &mut Object) {
    if let Some(least) = rules.min_pairs {
        schema.put("minProperties", least);
    }
    if let Some(most) = rules.max_pairs {
        schema.put("maxProperties", most);
    }
}

/// Whether an enum's rules let a number through.
pub fn admits(rules: &EnumRules, number: i32) -> bool {
    rules.constant.is_none_or(|it| it == number)
        && (rules.one_of.is_empty() || rules.one_of.contains(&number))
        && !rules.none_of.contains(&number)
}

/// Whether rules refuse the zero of their type: a field without presence must then be given.
pub fn refuses_zero(rules: &Rules) -> bool {
    if rules.is_off() || rules.spares_zero() {
        return false;
    }
    match &rules.typed {
        None => false,
        Some(Typed::Text(rules)) => refuses_empty(rules),
        Some(Typed::Bytes(rules)) => rules.len.or(rules.min_len) > Some(0),
        Some(Typed::Bool(rules)) => rules.constant == Some(true),
        Some(Typed::Enum(rules)) => !admits(rules, 0),
        Some(Typed::Repeated(rules)) => rules.min_items > Some(0),
        Some(Typed::Map(rules)) => rules.min_pairs > Some(0),
        Some(typed) => typed.bounds().is_some_and(|it| refuses_nought(&it)),
    }
}

/// Whether rules for a string refuse the empty one.
pub fn refuses_empty(rules: &TextRules) -> bool {
    let some = |text: &Option<String>| text.as_ref().is_some_and(|it| !it.is_empty());
    rules.len.or(rules.min_len) > Some(0)
        || rules.min_bytes > Some(0)
        || format(rules).is_some_and(|it| it != "uri-reference")
        || [
            &rules.constant,
            &rules.prefix,
            &rules.suffix,
            &rules.contains,
        ]
        .into_iter()
        .any(some)
        || (!rules.one_of.is_empty() && !rules.one_of.iter().any(String::is_empty))
        || rules.none_of.iter().any(String::is_empty)
        || rules.pattern.as_deref().is_some_and(|it| !matches(it, ""))
}

/// Whether a text meets a pattern; one that cannot be read is met by none.
pub fn matches(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).is_ok_and(|it| it.is_match(text))
}

fn refuses_nought(bounds: &Bounds) -> bool {
    let value = |limit: &Option<Number>| limit.as_ref().and_then(Number::as_f64);
    value(&bounds.gt).is_some_and(|it| it >= 0.0)
        || value(&bounds.gte).is_some_and(|it| it > 0.0)
        || value(&bounds.lt).is_some_and(|it| it <= 0.0)
        || value(&bounds.lte).is_some_and(|it| it < 0.0)
        || value(&bounds.constant).is_some_and(|it| it != 0.0)
        || (!bounds.one_of.is_empty() && bounds.one_of.iter().all(|it| it.as_f64() != Some(0.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(rules: &TextRules, given: bool) -> String {
        let mut schema = Object::default();
        text(rules, given, &mut schema);
        serde_json::to_string(&schema).unwrap()
    }

    #[test]
    fn every_rule_for_a_string_has_its_keyword() {
        let rules = TextRules {
            min_len: Some(2),
            max_len: Some(9),
            max_bytes: Some(7),
            pattern: Some(r"\A[a-z]\z".into()),
            ..TextRules::default()
        };
        assert_eq!(
            schema(&rules, false),
            r#"{"minLength":2,"maxLength":7,"pattern":"^[a-z]$"}"#
        );
        let rules = TextRules {
            prefix: Some("a.".into()),
            suffix: Some("b".into()),
            none_of: vec!["a.b".into()],
            ..TextRules::default()
        };
        assert_eq!(
            schema(&rules, false),
            r#"{"not":{"enum":["a.b"]},"allOf":[{"pattern":"^a\\."},{"pattern":"b$"}]}"#
        );
        let email = TextRules {
            email: true,
            ..TextRules::default()
        };
        assert_eq!(schema(&email, true), r#"{"format":"email"}"#);
        assert_eq!(schema(&TextRules::default(), true), r#"{"minLength":1}"#);
    }

    #[test]
    fn an_expression_that_only_re2_knows_is_left_out() {
        for pattern in ["(?i)a", r"\pL", "[[:alpha:]]", "(?P<n>a)"] {
            assert_eq!(ecma(pattern), None, "{pattern}");
        }
        assert_eq!(ecma("(?:a|b)").as_deref(), Some("(?:a|b)"));
    }

    #[test]
    fn bounds_replace_the_range_of_the_type() {
        let bounds = Bounds {
            gt: Some(3.into()),
            lte: Some(5.into()),
            ..Bounds::default()
        };
        let mut schema = Object::default().with("minimum", 0).with("maximum", 9);
        number(&bounds, &mut schema);
        assert_eq!(
            serde_json::to_string(&schema).unwrap(),
            r#"{"exclusiveMinimum":3,"maximum":5}"#
        );
    }

    #[test]
    fn a_rule_that_refuses_zero_makes_a_field_required() {
        let of = |typed| Rules {
            typed: Some(typed),
            ..Rules::default()
        };
        let pattern = |it: &str| {
            of(Typed::Text(Box::new(TextRules {
                pattern: Some(it.into()),
                ..TextRules::default()
            })))
        };
        assert!(refuses_zero(&pattern("^a+$")));
        assert!(!refuses_zero(&pattern("^a*$")));
        assert!(refuses_zero(&of(Typed::Repeated(Box::new(
            RepeatedRules {
                min_items: Some(1),
                ..RepeatedRules::default()
            }
        )))));
    }
}
