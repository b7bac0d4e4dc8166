//! Values that must not be seen.

use std::{fmt, path::Path, sync::Arc};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What stands in for a secret wherever it is shown.
const HIDDEN: &str = "***";

/// Text that no log, `Debug` or printed configuration shows, and that is wiped from memory when it is
/// dropped. Serializes as `***`, or as nothing when it is empty.
#[derive(Clone, Default)]
pub struct Secret {
    text: SecretString,
    file: Option<Arc<Path>>,
}

impl Secret {
    /// The text itself. Each call is a place to look at in a review.
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// The file that it was read from, which may hold another one by and by.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    pub(crate) fn read_from(&mut self, file: &Path) {
        self.file = Some(file.into());
    }

    /// Whether nothing was configured.
    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }
}

impl ExposeSecret<str> for Secret {
    fn expose_secret(&self) -> &str {
        self.expose()
    }
}

impl<T: Into<String>> From<T> for Secret {
    fn from(text: T) -> Self {
        Self {
            text: SecretString::from(text.into()),
            file: None,
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "" } else { HIDDEN })
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.is_empty() { "" } else { HIDDEN })
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_only_when_asked() {
        let secret = Secret::from("hunter2");
        assert_eq!(secret.expose(), "hunter2");
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"***\"");
        assert!(Secret::default().is_empty());
    }
}
