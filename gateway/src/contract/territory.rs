//! Which routes an upstream may not have, though nobody else has them.
//!
//! A router prefers the more special template, so a stranger who claimed `/api/v1/users/me` would get what
//! was meant for `/api/v1/users/{id}`, tokens and all.

use std::collections::BTreeSet;

use super::Route;

/// Paths that are the gateway's and Portico's own: a stranger who took one could pose as them.
const RESERVED: [&str; 7] = [
    "/.well-known/",
    "/docs",
    "/health",
    "/oauth2/",
    "/openapi.json",
    "/ready",
    "/scim/",
];

/// How many segments name what a route is about: `/api/v1/users`.
const AREA: usize = 3;

/// The areas of Portico's own routes.
#[derive(Debug, Default)]
pub struct Territory(BTreeSet<Vec<String>>);

impl Territory {
    /// The territory that these routes make; strangers' make none.
    pub fn of<'r>(routes: impl Iterator<Item = &'r Route>) -> Self {
        let ours = routes.filter(|route| route.ours);
        Self(
            ours.map(|route| {
                let start = route.binding.template.start();
                start.take(AREA).map(str::to_owned).collect()
            })
            .collect(),
        )
    }

    /// Why a stranger may not have a route, if that is so.
    pub fn refusal(&self, route: &Route) -> Option<String> {
        if route.ours {
            return None;
        }
        let template = &route.binding.template;
        if template.start().next().is_none() {
            return Some(format!("{template} begins with no name of its own"));
        }
        if RESERVED.iter().any(|it| template.as_str().starts_with(it)) {
            return Some(format!("{template} is reserved"));
        }
        let area = self.0.iter().find(|area| {
            let area: Vec<&str> = area.iter().map(String::as_str).collect();
            template.can_begin_with(&area)
        })?;
        Some(format!(
            "{template} reaches into Portico's own /{}",
            area.join("/")
        ))
    }
}

/// Whether a newcomer would get requests that another upstream's route gets now.
pub fn takes_from(newcomer: &Route, held: &Route) -> bool {
    let (new, old) = (&newcomer.binding, &held.binding);
    let any = |method: &str| method == "*";
    newcomer.upstream != held.upstream
        && (new.http_method == old.http_method || any(&new.http_method) || any(&old.http_method))
        && new.template.meets(&old.template)
        && new.template.goes_before(&old.template)
}
