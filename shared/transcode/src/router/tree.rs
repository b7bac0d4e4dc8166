//! The tree of path segments.

use std::{borrow::Cow, collections::HashMap};

use crate::{
    percent::{self, Mode},
    template::Segment,
};

/// What can follow after some segments.
#[derive(Debug, Default)]
pub(super) struct Node {
    literals: HashMap<Box<str>, Node>,
    one: Option<Box<Node>>,
    /// Routes that end here, by their verb; "" is none.
    ends: HashMap<Box<str>, Leaf>,
    /// Routes that take all that is left, by their verb.
    rests: HashMap<Box<str>, Leaf>,
}

/// The routes of one path, by method.
#[derive(Debug, Default)]
pub(super) struct Leaf {
    methods: Vec<(Box<str>, usize)>,
}

const ANY: &str = "*";

impl Leaf {
    pub fn exact(&self, method: &str) -> Option<usize> {
        self.methods
            .iter()
            .find_map(|(known, route)| (**known == *method).then_some(*route))
    }

    pub fn insert(&mut self, method: &str, route: usize) {
        self.methods.push((method.into(), route));
    }

    fn find(&self, method: &str) -> Option<usize> {
        let head = || (method == "HEAD").then(|| self.exact("GET")).flatten();
        self.exact(method).or_else(head).or_else(|| self.exact(ANY))
    }
}

impl Node {
    /// The place for the routes of a template.
    pub fn leaf_mut(&mut self, segments: &[Segment], verb: &str) -> &mut Leaf {
        match segments {
            [] => self.ends.entry(verb.into()).or_default(),
            [Segment::Rest, ..] => self.rests.entry(verb.into()).or_default(),
            [Segment::One, rest @ ..] => self.one.get_or_insert_default().leaf_mut(rest, verb),
            [Segment::Literal(literal), rest @ ..] => self
                .literals
                .entry(literal.as_str().into())
                .or_default()
                .leaf_mut(rest, verb),
        }
    }

    /// The route for what is left of a path. The methods of routes that have the path and another
    /// method go into `allow`.
    pub fn find<'r>(
        &'r self,
        path: &Path<'_>,
        verb: &str,
        method: &str,
        allow: &mut Vec<&'r str>,
    ) -> Option<usize> {
        self.descend(path, 0, verb, method, allow)
    }

    fn descend<'r>(
        &'r self,
        path: &Path<'_>,
        at: usize,
        verb: &str,
        method: &str,
        allow: &mut Vec<&'r str>,
    ) -> Option<usize> {
        let Some(segment) = path.get(at) else {
            let end = pick(self.ends.get(verb), method, allow);
            return end.or_else(|| pick(self.rests.get(verb), method, allow));
        };
        if let Some(next) = self.literal(segment)
            && let Some(found) = next.descend(path, at + 1, verb, method, allow)
        {
            return Some(found);
        }
        if let Some(next) = &self.one
            && !segment.is_empty()
            && let Some(found) = next.descend(path, at + 1, verb, method, allow)
        {
            return Some(found);
        }
        pick(self.rests.get(verb), method, allow)
    }

    /// A literal is the same however it is percent-encoded.
    fn literal(&self, segment: &str) -> Option<&Self> {
        if self.literals.is_empty() {
            return None;
        }
        self.literals
            .get(segment)
            .or_else(|| match percent::decode(segment, Mode::All) {
                Ok(Cow::Owned(decoded)) => self.literals.get(&*decoded),
                _ => None,
            })
    }
}

/// A leaf's route for the method; without one, the methods that it has.
fn pick<'r>(leaf: Option<&'r Leaf>, method: &str, allow: &mut Vec<&'r str>) -> Option<usize> {
    let leaf = leaf?;
    let found = leaf.find(method);
    if found.is_none() {
        allow.extend(leaf.methods.iter().map(|(method, _)| &**method));
    }
    found
}

/// A path in segments.
pub(super) struct Path<'p> {
    text: &'p str,
    /// Where each segment begins and ends.
    segments: Vec<(usize, usize)>,
}

impl<'p> Path<'p> {
    pub fn split(text: &'p str) -> Option<Self> {
        let inner = text.strip_prefix('/')?;
        let mut segments = Vec::with_capacity(8);
        if !inner.is_empty() {
            let mut start = 1;
            for part in inner.split('/') {
                segments.push((start, start + part.len()));
                start += part.len() + 1;
            }
        }
        Some(Self { text, segments })
    }

    /// The path without its verb, and the verb.
    pub fn verb(&self) -> Option<(Self, &'p str)> {
        let (&(start, end), before) = self.segments.split_last()?;
        let (rest, verb) = self.text[start..end].rsplit_once(':')?;
        let mut segments = before.to_vec();
        segments.push((start, start + rest.len()));
        let path = Self {
            text: self.text,
            segments,
        };
        (!verb.is_empty()).then_some((path, verb))
    }

    pub fn get(&self, at: usize) -> Option<&'p str> {
        let &(start, end) = self.segments.get(at)?;
        Some(&self.text[start..end])
    }

    /// The text from one segment to before another, or to the end of the path.
    pub fn between(&self, start: usize, end: Option<usize>) -> &'p str {
        let end = end.unwrap_or(self.segments.len());
        match self.segments.get(start..end) {
            Some([first, .., last]) => &self.text[first.0..last.1],
            Some([only]) => &self.text[only.0..only.1],
            _ => "",
        }
    }
}
