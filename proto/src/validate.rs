//! The rules for fields, checked as the contract states them.
//!
//! The `buf.validate` annotations in the `.proto` files are turned into code when this crate is built.
//! An annotation that the build does not know fails it, so none is ever left out in silence.

mod collection;
mod number;
mod report;
mod text;

use regex::Regex;
use tonic::Status;

use crate::error::{self, Violation};
use report::{Path, Report};

/// A message whose fields have rules. Every message of Portico's packages implements it.
///
/// A field is checked whether it was sent or not when the contract gives it no presence of its own
/// (plain scalars), and only if it was sent otherwise. Messages inside are checked too.
///
/// ```
/// use portico_proto::{Validate, user::v1::ListUsersRequest};
///
/// let request = ListUsersRequest { page_size: 5000, ..Default::default() };
/// let violations = request.violations();
/// assert_eq!(violations[0].field, "page_size");
/// assert_eq!(violations[0].description, "is above 1000, the greatest value that is accepted");
/// assert!(request.validate().is_err());
/// ```
pub trait Validate {
    /// Every broken rule, at most 32 of them, since they must fit into the head of an answer. They say
    /// what is wrong and what is accepted, and never repeat a value.
    fn violations(&self) -> Vec<Violation>;

    /// Fails with `INVALID_ARGUMENT` and the violations when there are any.
    fn validate(&self) -> Result<(), Status> {
        let violations = self.violations();
        if violations.is_empty() {
            Ok(())
        } else {
            Err(error::invalid(violations))
        }
    }
}

impl<T: generated::Check> Validate for T {
    fn violations(&self) -> Vec<Violation> {
        let mut report = Report::default();
        self.check(&Path::Root, &mut report);
        report.into_violations()
    }
}

/// The build has compiled each of the patterns before.
fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the build refuses patterns that do not compile")
}

/// What the build makes of the annotations.
mod generated {
    use super::{Path, Report};

    /// One message's rules.
    pub trait Check {
        /// Reports what breaks a rule in this message, which is found at `path`.
        fn check(&self, path: &Path<'_>, report: &mut Report);
    }

    include!(concat!(env!("OUT_DIR"), "/validate.rs"));

    #[cfg(test)]
    mod test {
        use super::{Check, Path, Report};

        include!(concat!(env!("OUT_DIR"), "/validate_test.rs"));
    }
}

#[cfg(test)]
mod tests;
