//! Path templates of `google.api.http`.
//!
//! ```text
//! Template  = "/" Segments [ ":" Verb ]
//! Segments  = Segment { "/" Segment }
//! Segment   = "*" | "**" | Literal | "{" FieldPath [ "=" Segments ] "}"
//! FieldPath = Identifier { "." Identifier }
//! ```

use std::fmt;

/// A parsed path template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    source: String,
    pub(crate) segments: Vec<Segment>,
    pub(crate) variables: Vec<Variable>,
    pub(crate) verb: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Segment {
    Literal(String),
    /// `*`: exactly one segment that is not empty.
    One,
    /// `**`: all the segments that are left, also none.
    Rest,
}

/// A variable and the segments that it stretches over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    pub path: String,
    pub start: usize,
    pub end: usize,
    /// Whether it may hold more than one segment.
    pub multi: bool,
    /// Whether it takes all the segments that are left.
    pub rest: bool,
}

/// A text that is no path template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the path template `{template}` {fault}")]
pub struct TemplateError {
    /// The text.
    pub template: String,
    /// What is wrong with it, as the end of a sentence.
    pub fault: &'static str,
}

impl Template {
    /// Reads a template.
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        parse(source).map_err(|fault| TemplateError {
            template: source.to_owned(),
            fault,
        })
    }

    /// The template as it was written.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Whether some path fits this template and the other one.
    pub fn meets(&self, other: &Self) -> bool {
        self.verb == other.verb && meet(&self.segments, &other.segments)
    }

    /// Whether a [`Router`](crate::Router) tries this template before the other one, where a path fits
    /// both.
    pub fn goes_before(&self, other: &Self) -> bool {
        let mut pairs = self.segments.iter().zip(&other.segments);
        pairs
            .find_map(|(one, two)| (one.rank() != two.rank()).then(|| one.rank() < two.rank()))
            .unwrap_or(self.segments.len() < other.segments.len())
    }

    /// Whether a path can fit that begins with these segments.
    pub fn can_begin_with(&self, start: &[&str]) -> bool {
        let mut segments = self.segments.iter();
        for &part in start {
            match segments.next() {
                Some(Segment::Rest) => return true,
                Some(Segment::One) => {}
                Some(Segment::Literal(literal)) if literal == part => {}
                Some(Segment::Literal(_)) | None => return false,
            }
        }
        true
    }

    /// The literal segments at its start.
    pub fn start(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().map_while(|segment| match segment {
            Segment::Literal(literal) => Some(literal.as_str()),
            Segment::One | Segment::Rest => None,
        })
    }

    /// The field paths of its variables, from left to right.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(|variable| variable.path.as_str())
    }
}

impl Segment {
    fn rank(&self) -> u8 {
        match self {
            Self::Literal(_) => 0,
            Self::One => 1,
            Self::Rest => 2,
        }
    }
}

fn meet(one: &[Segment], two: &[Segment]) -> bool {
    match (one.split_first(), two.split_first()) {
        (None, None) | (Some((Segment::Rest, _)), _) | (_, Some((Segment::Rest, _))) => true,
        (None, Some(_)) | (Some(_), None) => false,
        (Some((Segment::Literal(a), _)), Some((Segment::Literal(b), _))) if a != b => false,
        (Some((_, one)), Some((_, two))) => meet(one, two),
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

fn parse(source: &str) -> Result<Template, &'static str> {
    let rest = source.strip_prefix('/').ok_or("must begin with `/`")?;
    let (rest, verb) = split_verb(rest)?;
    let mut template = Template {
        source: source.to_owned(),
        segments: Vec::new(),
        variables: Vec::new(),
        verb,
    };
    if rest.is_empty() && template.verb.is_none() {
        return Ok(template);
    }
    for part in split_segments(rest)? {
        match part.strip_prefix('{') {
            Some(inner) => {
                let inner = inner
                    .strip_suffix('}')
                    .ok_or("has text behind a variable in one segment")?;
                template.variable(inner)?;
            }
            None => template.segment(part)?,
        }
    }
    let rests = template.segments.iter().rev().skip(1);
    if rests.into_iter().any(|segment| *segment == Segment::Rest) {
        return Err("has `**` before its end");
    }
    Ok(template)
}

/// Takes off `:verb`. A colon inside of a variable's braces is no verb's.
fn split_verb(text: &str) -> Result<(&str, Option<String>), &'static str> {
    let last = text.rfind(['/', '}']).map_or(0, |at| at + 1);
    let Some(colon) = text[last..].rfind(':') else {
        return Ok((text, None));
    };
    let (path, verb) = (&text[..last + colon], &text[last + colon + 1..]);
    if verb.is_empty() || verb.contains(['{', '}', '*']) {
        return Err("has a colon without a verb");
    }
    Ok((path, Some(verb.to_owned())))
}

/// Splits at the slashes outside of braces.
fn split_segments(text: &str) -> Result<Vec<&str>, &'static str> {
    let (mut parts, mut start, mut inside) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            '{' if inside => return Err("has a variable inside of a variable"),
            '{' => inside = true,
            '}' if !inside => return Err("has a closing brace without an opening one"),
            '}' => inside = false,
            '/' if !inside => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if inside {
        return Err("has an opening brace without a closing one");
    }
    parts.push(&text[start..]);
    Ok(parts)
}

impl Template {
    fn segment(&mut self, part: &str) -> Result<(), &'static str> {
        self.segments.push(match part {
            "" => return Err("has an empty segment"),
            "*" => Segment::One,
            "**" => Segment::Rest,
            literal if literal.contains(['*', '{', '}', '=', '?', '#']) => {
                return Err("has a segment that is neither a literal nor a variable");
            }
            literal => Segment::Literal(literal.to_owned()),
        });
        Ok(())
    }

    fn variable(&mut self, inner: &str) -> Result<(), &'static str> {
        let (path, pattern) = inner.split_once('=').unwrap_or((inner, "*"));
        if !path.split('.').all(is_identifier) {
            return Err("has a variable that is no field path");
        }
        if self.variables.iter().any(|variable| variable.path == path) {
            return Err("has the same variable twice");
        }
        let start = self.segments.len();
        for part in pattern.split('/') {
            self.segment(part)?;
        }
        let end = self.segments.len();
        self.variables.push(Variable {
            path: path.to_owned(),
            start,
            end,
            multi: end - start > 1 || self.segments[start] == Segment::Rest,
            rest: self.segments[end - 1] == Segment::Rest,
        });
        Ok(())
    }
}

fn is_identifier(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_grammar_is_read() {
        let template = Template::parse("/v1/{name=shelves/*/books/**}:move").unwrap();
        assert_eq!(
            template.segments,
            [
                Segment::Literal("v1".into()),
                Segment::Literal("shelves".into()),
                Segment::One,
                Segment::Literal("books".into()),
                Segment::Rest,
            ]
        );
        assert_eq!(template.verb.as_deref(), Some("move"));
        let [name] = &*template.variables else {
            panic!("one variable");
        };
        assert_eq!((name.start, name.end, name.multi), (1, 5, true));

        let plain = Template::parse("/users/{user.id}").unwrap();
        assert!(!plain.variables[0].multi);
        assert_eq!(plain.variables().collect::<Vec<_>>(), ["user.id"]);
        assert!(Template::parse("/{a=**}").unwrap().variables[0].multi);
        assert_eq!(
            Template::parse("/users:batchGet").unwrap().verb.as_deref(),
            Some("batchGet")
        );
        assert_eq!(Template::parse("/").unwrap().segments, []);
        assert_eq!(Template::parse("/a:b/c").unwrap().verb, None);
    }

    #[test]
    fn templates_meet_where_a_path_fits_both() {
        let template = |text: &str| Template::parse(text).unwrap();
        for (special, general) in [
            ("/users/me", "/users/{id}"),
            ("/users/{id}", "/users/**"),
            ("/users/me", "/{a=**}"),
            ("/a/{x}", "/{y}/b"),
            ("/users", "/users/**"),
        ] {
            let (special, general) = (template(special), template(general));
            assert!(
                special.meets(&general) && general.meets(&special),
                "{special}"
            );
            assert!(special.goes_before(&general), "{special}");
            assert!(!general.goes_before(&special), "{general}");
        }
        for (one, two) in [
            ("/users/me", "/users/you"),
            ("/users", "/users/{id}"),
            ("/users/{id}:x", "/users/{id}"),
            ("/users/{id}:x", "/users/{id}:y"),
            ("/a/{x}/c", "/a/b/d"),
        ] {
            assert!(!template(one).meets(&template(two)), "{one} {two}");
        }
        let start = ["api", "v1", "users"];
        for text in [
            "/api/v1/users/{id}",
            "/api/{v}/users",
            "/api/**",
            "/api/v1/users:x",
        ] {
            assert!(template(text).can_begin_with(&start), "{text}");
        }
        for text in ["/api/v1", "/api/v1/orders", "/users"] {
            assert!(!template(text).can_begin_with(&start), "{text}");
        }
        assert_eq!(
            template("/a/b/{c}/d").start().collect::<Vec<_>>(),
            ["a", "b"]
        );
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for text in [
            "",
            "users",
            "//",
            "/a/",
            "/a//b",
            "/{",
            "/}",
            "/{}",
            "/{a",
            "/{a}b",
            "/b{a}",
            "/{a={b}}",
            "/{1a}",
            "/{a..b}",
            "/{a=}",
            "/{a}/{a}",
            "/**/a",
            "/{a=**}/b",
            "/a:",
            "/***",
            "/a*",
            "/a:{b}",
        ] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }
}
