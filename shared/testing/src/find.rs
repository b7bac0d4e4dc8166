//! Where the servers' binaries are.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// The first folder of `PATH` that holds every one of `binaries`.
pub(crate) fn on_path(binaries: &[&str]) -> Option<PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is no configuration of Portico, but of the machine"
    )]
    let path = env::var_os("PATH")?;
    env::split_paths(&path).find(|folder| holds(folder, binaries))
}

/// The folder `<root>/<version>/bin` of the newest version that holds every one of `binaries`.
pub(crate) fn newest(root: &Path, binaries: &[&str]) -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(root)
        .ok()?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, folder)| holds(folder, binaries))
        .collect();
    versions.sort_unstable();
    versions.pop().map(|(_, folder)| folder)
}

fn holds(folder: &Path, binaries: &[&str]) -> bool {
    binaries.iter().all(|binary| folder.join(binary).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_whole_version_is_taken() {
        let root = tempfile::tempdir().unwrap();
        for (version, binaries) in [
            ("9", &["initdb", "postgres"][..]),
            ("15", &["initdb", "postgres"]),
            ("17", &["postgres"]),
            ("common", &["initdb", "postgres"]),
        ] {
            let folder = root.path().join(version).join("bin");
            fs::create_dir_all(&folder).unwrap();
            for binary in binaries {
                fs::write(folder.join(binary), "").unwrap();
            }
        }
        let found = newest(root.path(), &["initdb", "postgres"]);
        assert_eq!(found, Some(root.path().join("15/bin")));
        assert_eq!(newest(&root.path().join("none"), &["postgres"]), None);
    }
}
