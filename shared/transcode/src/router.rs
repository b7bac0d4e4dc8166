//! Finds the route for a method and a path.
//!
//! Routes stand in a tree of path segments, so that finding one costs as much as the path has
//! segments, however many routes there are. A literal goes before `*`, and `*` before `**`; where the
//! more special one leads nowhere, the next is tried.

mod tree;

use std::fmt;

use crate::template::{Template, TemplateError, Variable};
use tree::{Leaf, Node, Path};

/// Routes by method and path.
#[derive(Debug)]
pub struct Router<T> {
    root: Node,
    routes: Vec<Route<T>>,
}

#[derive(Debug)]
struct Route<T> {
    name: String,
    variables: Vec<Variable>,
    value: T,
}

/// Collects routes for a [`Router`].
#[derive(Debug)]
pub struct RouterBuilder<T> {
    router: Router<T>,
}

/// Why a route was not added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The template cannot be read.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// Another route answers to the same requests.
    #[error(transparent)]
    Conflict(#[from] Conflict),
}

/// Two routes that answer to the same requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The HTTP method.
    pub method: String,
    /// The newcomer's template.
    pub template: String,
    /// The name of the route that was there.
    pub existing: String,
    /// The name of the route that was refused.
    pub newcomer: String,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} of {} is taken by {}",
            self.method, self.template, self.newcomer, self.existing
        )
    }
}

impl std::error::Error for Conflict {}

/// What a method and a path lead to.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'r, 'p, T> {
    /// A route, with the captures of its template's variables from left to right.
    Route {
        /// What the route was added with.
        value: &'r T,
        /// What the variables hold.
        captures: Vec<Capture<'p>>,
    },
    /// The path exists, with other methods.
    MethodNotAllowed {
        /// The methods in alphabetical order: those of the routes, `HEAD` beside `GET`, and `OPTIONS`.
        allow: Vec<&'r str>,
    },
    /// No route has the path.
    NotFound,
}

/// What one variable of a template holds, still percent-encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capture<'p> {
    /// The part of the path.
    pub raw: &'p str,
    /// Whether the variable may hold several segments, so that `%2F` must stay as it is.
    pub multi: bool,
}

impl<T> RouterBuilder<T> {
    /// Adds a route. `method` is an HTTP method in capitals, or `*` for every method that no other
    /// route of the path has. `name` is what a conflict calls the route. On error nothing changes, so
    /// the newcomer is out and the others go on.
    pub fn add(
        &mut self,
        method: &str,
        template: &str,
        name: &str,
        value: T,
    ) -> Result<(), RouteError> {
        let Template {
            segments,
            variables,
            verb,
            ..
        } = Template::parse(template)?;
        let Router { root, routes } = &mut self.router;
        let leaf: &mut Leaf = root.leaf_mut(&segments, verb.as_deref().unwrap_or_default());
        if let Some(existing) = leaf.exact(method) {
            return Err(RouteError::Conflict(Conflict {
                method: method.to_owned(),
                template: template.to_owned(),
                existing: routes[existing].name.clone(),
                newcomer: name.to_owned(),
            }));
        }
        leaf.insert(method, routes.len());
        routes.push(Route {
            name: name.to_owned(),
            variables,
            value,
        });
        Ok(())
    }

    /// The router.
    pub fn build(self) -> Router<T> {
        self.router
    }
}

impl<T> Router<T> {
    /// A builder without routes.
    pub fn builder() -> RouterBuilder<T> {
        RouterBuilder {
            router: Self {
                root: Node::default(),
                routes: Vec::new(),
            },
        }
    }

    /// What all routes were added with, in the order in which they were.
    pub fn routes(&self) -> impl ExactSizeIterator<Item = &T> {
        self.routes.iter().map(|route| &route.value)
    }

    /// The route for a method and a path as it came, percent-encoded and without its query.
    ///
    /// `HEAD` finds a `GET` route where it has none of its own. The text behind the last colon is a
    /// verb if some route has it there, whatever its method, and part of the segment if none has.
    pub fn find<'r, 'p>(&'r self, method: &str, path: &'p str) -> Found<'r, 'p, T> {
        let Some(whole) = Path::split(path) else {
            return Found::NotFound;
        };
        let mut allow = Vec::new();
        if let Some((before, verb)) = whole.verb() {
            let found = self.root.find(&before, verb, method, &mut allow);
            if let Some(index) = found {
                return self.route(index, &before);
            }
        }
        if allow.is_empty()
            && let Some(index) = self.root.find(&whole, "", method, &mut allow)
        {
            return self.route(index, &whole);
        }
        if allow.is_empty() {
            return Found::NotFound;
        }
        if allow.contains(&"GET") {
            allow.push("HEAD");
        }
        allow.push("OPTIONS");
        allow.sort_unstable();
        allow.dedup();
        Found::MethodNotAllowed { allow }
    }

    fn route<'r, 'p>(&'r self, index: usize, path: &Path<'p>) -> Found<'r, 'p, T> {
        let route = &self.routes[index];
        let captures = route
            .variables
            .iter()
            .map(|variable| Capture {
                raw: path.between(variable.start, (!variable.rest).then_some(variable.end)),
                multi: variable.multi,
            })
            .collect();
        Found::Route {
            value: &route.value,
            captures,
        }
    }
}

#[cfg(test)]
mod tests;
