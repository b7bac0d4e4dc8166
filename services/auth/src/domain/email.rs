//! Addresses, and what makes two of them the same.

use std::fmt;

/// An address as it was written, and the key by which it is looked up whatever its case.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Email {
    address: String,
    key: String,
}

impl Email {
    pub(crate) fn new(address: &str) -> Self {
        let address = address.trim();
        Self {
            address: address.to_owned(),
            key: address.to_lowercase(),
        }
    }

    /// The address as it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.address
    }

    /// The same for every way to write the address.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }
}

/// Keeps addresses out of logs.
impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_surrounding_space_make_no_difference() {
        assert_eq!(
            Email::new(" Ada@Example.COM ").key(),
            Email::new("ada@example.com").key()
        );
        assert_eq!(Email::new(" Ada@Example.COM ").as_str(), "Ada@Example.COM");
    }

    #[test]
    fn an_address_is_not_printed() {
        assert!(!format!("{:?}", Email::new("ada@example.com")).contains("ada"));
    }
}
