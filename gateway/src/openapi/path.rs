//! Path templates of `google.api.http` as OpenAPI writes them.
//!
//! OpenAPI knows variables of one segment only, and takes two paths for the same when they differ in
//! the names of their variables alone.

use super::notes::camel;

/// A path as a row of texts and variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(Variable),
}

/// A segment that a caller fills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// The path of the request's field, in original names; none for a wildcard of its own.
    pub field: Option<String>,
    /// The pattern that it is a part of, when it is not the whole of a field.
    pub part_of: Option<String>,
    /// Whether it may hold several segments.
    pub multi: bool,
    name: String,
}

impl Path {
    /// Reads a template that is known to be one.
    pub fn of(template: &str) -> Self {
        let mut path = Self(Vec::new());
        let mut rest = template;
        while let Some(open) = rest.find('{') {
            path.plain(&rest[..open]);
            let close = rest[open..].find('}').map_or(rest.len(), |at| open + at);
            path.variable(&rest[open + 1..close]);
            rest = rest.get(close + 1..).unwrap_or_default();
        }
        path.plain(rest);
        path
    }

    /// What tells it from other paths: `/users/{}`.
    pub fn shape(&self) -> String {
        self.written(|_| String::new())
    }

    /// The variables from left to right.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.0.iter().filter_map(|part| match part {
            Part::Variable(variable) => Some(variable),
            Part::Text(_) => None,
        })
    }

    /// The names that its variables would have.
    pub fn names(&self) -> Vec<String> {
        self.variables().map(|it| it.name.clone()).collect()
    }

    /// The path with these names for its variables.
    pub fn named(&self, names: &[String]) -> String {
        self.written(|index| names.get(index).cloned().unwrap_or_default())
    }

    fn written(&self, name: impl Fn(usize) -> String) -> String {
        let (mut out, mut index) = (String::new(), 0);
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Variable(_) => {
                    out.push('{');
                    out.push_str(&name(index));
                    out.push('}');
                    index += 1;
                }
            }
        }
        out
    }

    fn variable(&mut self, inner: &str) {
        let (field, pattern) = inner.split_once('=').unwrap_or((inner, "*"));
        if matches!(pattern, "*" | "**") {
            self.0.push(Part::Variable(Variable {
                field: Some(field.to_owned()),
                part_of: None,
                multi: pattern == "**",
                name: camel(field),
            }));
            return;
        }
        let mut last = camel(field);
        for (index, segment) in pattern.split('/').enumerate() {
            if index > 0 {
                self.0.push(Part::Text("/".to_owned()));
            }
            if matches!(segment, "*" | "**") {
                self.0.push(Part::Variable(Variable {
                    field: Some(field.to_owned()),
                    part_of: Some(pattern.to_owned()),
                    multi: segment == "**",
                    name: format!("{last}Id"),
                }));
            } else {
                self.0.push(Part::Text(segment.to_owned()));
                last = camel(segment);
            }
        }
    }

    /// Text outside of braces; a wildcard in it fills no field.
    fn plain(&mut self, text: &str) {
        for (index, segment) in text.split('/').enumerate() {
            if index > 0 {
                self.0.push(Part::Text("/".to_owned()));
            }
            let (word, verb) = segment.split_at(segment.find(':').unwrap_or(segment.len()));
            if matches!(word, "*" | "**") {
                self.0.push(Part::Variable(Variable {
                    field: None,
                    part_of: None,
                    multi: word == "**",
                    name: "segment".to_owned(),
                }));
                self.0.push(Part::Text(verb.to_owned()));
            } else {
                self.0.push(Part::Text(segment.to_owned()));
            }
        }
    }
}

/// One name for each variable of paths of the same shape: the shortest that any of them has.
pub fn agree<'p>(paths: impl Iterator<Item = &'p Path>) -> Vec<String> {
    let mut agreed: Vec<String> = Vec::new();
    for path in paths {
        for (index, name) in path.names().into_iter().enumerate() {
            match agreed.get_mut(index) {
                None => agreed.push(name),
                Some(held) if (name.len(), &name) < (held.len(), &*held) => *held = name,
                Some(_) => {}
            }
        }
    }
    let mut distinct: Vec<String> = Vec::new();
    for name in agreed {
        let mut unused = name.clone();
        let mut count = 2;
        while distinct.contains(&unused) {
            unused = format!("{name}{count}");
            count += 1;
        }
        distinct.push(unused);
    }
    distinct
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(template: &str) -> String {
        let path = Path::of(template);
        path.named(&agree([&path].into_iter()))
    }

    #[test]
    fn every_template_has_a_path() {
        assert_eq!(
            written("/v1/users/{user_id}:suspend"),
            "/v1/users/{userId}:suspend"
        );
        assert_eq!(
            written("/v1/{name=shelves/*/books/**}:move"),
            "/v1/shelves/{shelvesId}/books/{booksId}:move"
        );
        assert_eq!(written("/files/{path=**}"), "/files/{path}");
        assert_eq!(written("/a/*/b/*:go"), "/a/{segment}/b/{segment2}:go");
        assert_eq!(written("/"), "/");
        assert_eq!(written("/{a=x/*}/{b=x/*}"), "/x/{xId}/x/{xId2}");
    }

    #[test]
    fn paths_of_one_shape_agree_on_their_names() {
        let paths = [Path::of("/users/{user.id}"), Path::of("/users/{id}")];
        assert_eq!(paths[0].shape(), paths[1].shape());
        assert_eq!(agree(paths.iter()), ["id"]);
    }
}
