//! How far an import has come, in a file beside its own.

use std::{
    fs,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// What of a file was taken in, and by whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// Which system.
    url: String,
    /// Whether nothing was to change.
    validate_only: bool,
    /// What the file was like.
    bytes: u64,
    modified: u64,
    /// How many of its records, from the beginning, were answered.
    pub answered: u64,
    pub created: u64,
    pub updated: u64,
    pub skipped: u64,
    pub refused: u64,
}

impl Place {
    /// The beginning of a file.
    pub fn beginning(file: &Path, url: &str, validate_only: bool) -> anyhow::Result<Self> {
        let about = fs::metadata(file)?;
        let modified = about.modified()?.duration_since(UNIX_EPOCH);
        Ok(Self {
            url: url.to_owned(),
            validate_only,
            bytes: about.len(),
            modified: modified.map_or(0, |since| since.as_secs()),
            ..Self::default()
        })
    }

    /// The place that an earlier run came to, if it was about the same.
    pub fn or_earlier(self, file: &Path) -> Self {
        let text = fs::read(of(file)).ok();
        let earlier = text.and_then(|text| serde_json::from_slice::<Self>(&text).ok());
        let same = |it: &Self| {
            (&it.url, it.validate_only, it.bytes, it.modified)
                == (&self.url, self.validate_only, self.bytes, self.modified)
        };
        earlier.filter(same).unwrap_or(self)
    }

    /// Writes it down: whole, or not at all.
    pub fn keep(&self, file: &Path) -> anyhow::Result<()> {
        let (path, draft) = (of(file), beside(file, ".place.draft"));
        let keep = || {
            fs::write(&draft, serde_json::to_vec(self)?)?;
            fs::rename(&draft, &path)?;
            anyhow::Ok(())
        };
        keep().with_context(|| format!("cannot write {}", path.display()))
    }

    /// Forgets it: the file was taken in to its end.
    pub fn forget(file: &Path) {
        // It may never have been written down.
        let _ = fs::remove_file(of(file));
    }
}

/// Where it is written down.
pub fn of(file: &Path) -> PathBuf {
    beside(file, ".place")
}

/// A file that belongs to another one.
pub fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_for_the_same_file_and_system_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("users.ndjson");
        fs::write(&file, "1\n2\n").unwrap();
        let beginning = |url: &str, dry| Place::beginning(&file, url, dry).unwrap();
        let mut place = beginning("http://a", false);
        place.answered = 1;
        place.keep(&file).unwrap();
        assert_eq!(beginning("http://a", false).or_earlier(&file), place);
        assert_eq!(beginning("http://b", false).or_earlier(&file).answered, 0);
        assert_eq!(beginning("http://a", true).or_earlier(&file).answered, 0);
        fs::write(&file, "1\n2\n3\n").unwrap();
        assert_eq!(beginning("http://a", false).or_earlier(&file).answered, 0);
        fs::write(of(&file), "nonsense").unwrap();
        assert_eq!(beginning("http://a", false).or_earlier(&file).answered, 0);
        Place::forget(&file);
        assert!(!of(&file).exists());
    }
}
