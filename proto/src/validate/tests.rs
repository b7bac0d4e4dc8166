//! The rules of the contract through its own messages, and the rest through `tests/portico/test/v1`.

mod contract;
mod rules;

use super::Validate;

/// Each violation as `field: description`, in the order of the report.
fn said(message: &impl Validate) -> Vec<String> {
    message
        .violations()
        .into_iter()
        .map(|violation| format!("{}: {}", violation.field, violation.description))
        .collect()
}

/// The one violation of a message that has one.
fn only(message: &impl Validate) -> String {
    let mut said = said(message);
    assert_eq!(said.len(), 1, "{said:?}");
    said.remove(0)
}
