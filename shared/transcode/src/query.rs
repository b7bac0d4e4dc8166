//! Query strings and form bodies as fields of a request.

use std::collections::{HashMap, HashSet};

use crate::{
    error::{Fault, Place, Refusal, RequestError},
    percent::{self, Mode},
    plan::{MessageId, Plans},
    target::Target,
};

/// What parameters may set.
pub(crate) struct Scope<'s> {
    pub plans: &'s Plans,
    /// The message whose fields they are.
    pub root: MessageId,
    /// The part of the request that they came in.
    pub place: Place,
    /// Why a field, by its path in JSON names, is not theirs.
    pub taken: &'s dyn Fn(&str) -> Option<&'static str>,
}

/// Reads `a.b=1&c=x&c=y` and appends each parameter's field. Gives the targets that were set, without
/// those that may be set again, so that a form of many costs no more for each of them.
pub(crate) fn put(
    scope: &Scope<'_>,
    text: &str,
    out: &mut Vec<u8>,
) -> Result<Vec<Target>, RequestError> {
    let mut given = Given::default();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let at = |refusal| RequestError::new(scope.place, name, refusal);
        let name = percent::decode(name, Mode::Form).map_err(at)?;
        let at = |refusal| RequestError::new(scope.place, &name, refusal);
        let value = percent::decode(value, Mode::Form).map_err(at)?;
        let target =
            Target::resolve(scope.plans, scope.root, &name).map_err(|miss| at(miss.into()))?;
        if let Some(why) = (scope.taken)(&target.path) {
            return Err(at(Refusal::new(Fault::UnknownField, why)));
        }
        given.check(&target).map_err(at)?;
        target.put(scope.plans, &value, out).map_err(at)?;
        given.add(target);
    }
    Ok(given.targets)
}

/// From how many targets on they are looked up rather than gone through: a message that can hold itself
/// has as many fields as a form has room for.
const MANY: usize = 16;

/// What was set before.
#[derive(Default)]
struct Given {
    /// Without those that may be set again.
    targets: Vec<Target>,
    /// The paths of the targets, once there are many.
    paths: HashSet<String>,
    /// The member that was set of each oneof, by the path of the message that holds it.
    members: HashMap<(String, u32), u32>,
}

impl Given {
    fn check(&self, target: &Target) -> Result<(), Refusal> {
        if !target.repeated && self.has(target) {
            return Err(Refusal::new(Fault::Duplicate, "is given twice"));
        }
        let excluded = target.members.iter().any(|member| {
            let place = (target.path[..member.above].to_owned(), member.oneof);
            let set = self.members.get(&place);
            set.is_some_and(|number| *number != member.number)
        });
        if excluded {
            return Err(Refusal::new(
                Fault::Oneof,
                "excludes another parameter that is given too: only one of them may be set",
            ));
        }
        Ok(())
    }

    fn has(&self, target: &Target) -> bool {
        if self.targets.len() >= MANY {
            return self.paths.contains(&target.path);
        }
        self.targets.iter().any(|other| other.path == target.path)
    }

    fn add(&mut self, target: Target) {
        for member in &target.members {
            let place = (target.path[..member.above].to_owned(), member.oneof);
            self.members.insert(place, member.number);
        }
        if target.repeated {
            return;
        }
        self.targets.push(target);
        let new = match self.targets.len() {
            0..MANY => &self.targets[..0],
            MANY => &self.targets[..],
            more => &self.targets[more - 1..],
        };
        self.paths
            .extend(new.iter().map(|target| target.path.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{PLANS, id};

    fn read(text: &str) -> Result<usize, Fault> {
        let scope = Scope {
            plans: &PLANS,
            root: id("Inner"),
            place: Place::Body,
            taken: &|_| None,
        };
        let given = put(&scope, text, &mut Vec::new());
        given.map(|given| given.len()).map_err(|error| error.fault)
    }

    /// `count` parameters, each a level deeper than the one before.
    fn form(count: usize, field: &str) -> String {
        let pair = |depth| format!("{}{field}=1", "inner.".repeat(depth));
        (0..count).map(pair).collect::<Vec<_>>().join("&")
    }

    #[test]
    fn few_and_many_parameters_are_checked_alike() {
        for count in [1, MANY - 1, MANY, MANY + 1, 90] {
            let form = form(count, "left");
            assert_eq!(read(&form), Ok(count));
            for deep in [0, count - 1] {
                let inner = "inner.".repeat(deep);
                let again = format!("{form}&{inner}left=2");
                assert_eq!(read(&again), Err(Fault::Duplicate), "{count} {deep}");
                let other = format!("{form}&{inner}right.count=2");
                assert_eq!(read(&other), Err(Fault::Oneof), "{count} {deep}");
            }
        }
        let form = form(40, "count");
        assert_eq!(read(&format!("{form}&tags=a&tags=b")), Ok(40));
        // A member is set by whatever is within it.
        assert_eq!(read("right.count=1&right.name=a&right.tags=b"), Ok(2));
        assert_eq!(read("right.tags=b&left=1"), Err(Fault::Oneof));
    }
}
