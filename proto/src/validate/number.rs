//! Rules for numbers, and those that compare a value of any kind with given ones.

use std::fmt::{Debug, Display};

use super::report::{Path, Report};

impl Report {
    /// Greater than the bound, which not-a-number never is.
    pub fn gt<T: PartialOrd + Copy + Display>(&mut self, path: &Path<'_>, value: T, bound: T) {
        let accepted = value > bound;
        if !accepted {
            self.add(path, || {
                format!("is not above {bound}, where only greater values are accepted")
            });
        }
    }

    /// The bound or greater, which not-a-number never is.
    pub fn gte<T: PartialOrd + Copy + Display>(&mut self, path: &Path<'_>, value: T, bound: T) {
        let accepted = value >= bound;
        if !accepted {
            self.add(path, || {
                format!("is below {bound}, the least value that is accepted")
            });
        }
    }

    /// Less than the bound, which not-a-number never is.
    pub fn lt<T: PartialOrd + Copy + Display>(&mut self, path: &Path<'_>, value: T, bound: T) {
        let accepted = value < bound;
        if !accepted {
            self.add(path, || {
                format!("is not below {bound}, where only smaller values are accepted")
            });
        }
    }

    /// The bound or less, which not-a-number never is.
    pub fn lte<T: PartialOrd + Copy + Display>(&mut self, path: &Path<'_>, value: T, bound: T) {
        let accepted = value <= bound;
        if !accepted {
            self.add(path, || {
                format!("is above {bound}, the greatest value that is accepted")
            });
        }
    }

    /// A number, and no infinity.
    pub fn finite(&mut self, path: &Path<'_>, value: impl Into<f64>) {
        if !value.into().is_finite() {
            self.add(path, || {
                "is no finite number, which alone is accepted".to_owned()
            });
        }
    }

    /// One value alone.
    pub fn constant<T: PartialEq + Copy + Debug>(&mut self, path: &Path<'_>, value: T, only: T) {
        let accepted = value == only;
        if !accepted {
            self.add(path, || format!("is not {only:?}, which alone is accepted"));
        }
    }

    /// One of several values.
    pub fn one_of<T: PartialEq + Copy + Debug>(
        &mut self,
        path: &Path<'_>,
        value: T,
        accepted: &[T],
    ) {
        if !accepted.contains(&value) {
            self.add(path, || {
                format!("is none of the accepted values: {}", list(accepted))
            });
        }
    }

    /// None of several values.
    pub fn none_of<T: PartialEq + Copy + Debug>(
        &mut self,
        path: &Path<'_>,
        value: T,
        refused: &[T],
    ) {
        if refused.contains(&value) {
            self.add(path, || {
                format!(
                    "is one of the values that are not accepted: {}",
                    list(refused)
                )
            });
        }
    }

    /// One of the values that an enum names; the names come with the numbers.
    pub fn one_of_enum(&mut self, path: &Path<'_>, value: i32, accepted: &[(i32, &str)]) {
        if !accepted.iter().any(|(number, _)| *number == value) {
            self.add(path, || {
                let names: Vec<&str> = accepted.iter().map(|(_, name)| *name).collect();
                format!("is none of the accepted values: {}", names.join(", "))
            });
        }
    }

    /// None of some values of an enum.
    pub fn none_of_enum(&mut self, path: &Path<'_>, value: i32, refused: &[(i32, &str)]) {
        if let Some((_, name)) = refused.iter().find(|(number, _)| *number == value) {
            self.add(path, || format!("is {name}, which is not accepted"));
        }
    }
}

fn list<T: Debug>(values: &[T]) -> String {
    let values: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
    values.join(", ")
}
