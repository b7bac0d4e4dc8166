//! Query strings and form bodies as fields of a request.

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
    let mut given: Vec<Target> = Vec::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let at = |refusal| RequestError::new(scope.place, name, refusal);
        let name = percent::decode(name, Mode::Form).map_err(at)?;
        let at = |refusal| RequestError::new(scope.place, &name, refusal);
        let value = percent::decode(value, Mode::Form).map_err(at)?;
        let target =
            Target::resolve(scope.plans, scope.root, &name).map_err(|miss| at(miss.into()))?;
        check(scope, &target, &given).map_err(at)?;
        target.put(scope.plans, &value, out).map_err(at)?;
        if !target.repeated {
            given.push(target);
        }
    }
    Ok(given)
}

fn check(scope: &Scope<'_>, target: &Target, given: &[Target]) -> Result<(), Refusal> {
    if let Some(why) = (scope.taken)(&target.path) {
        return Err(Refusal::new(Fault::UnknownField, why));
    }
    if target.repeated {
        return Ok(());
    }
    let same = |other: &Target| other.path == target.path;
    if given.iter().any(same) {
        return Err(Refusal::new(Fault::Duplicate, "is given twice"));
    }
    let excluded = |other: &Target| {
        target.oneof.is_some() && other.oneof == target.oneof && other.parent() == target.parent()
    };
    if given.iter().any(excluded) {
        return Err(Refusal::new(
            Fault::Oneof,
            "excludes another parameter that is given too: only one of them may be set",
        ));
    }
    Ok(())
}
