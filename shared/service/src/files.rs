//! Files that are looked at again while the process runs.

use std::{
    fs,
    hash::{BuildHasher, RandomState},
    io,
    path::PathBuf,
    time::Duration,
};

use tokio::{runtime::Handle, time::sleep};

/// How often they are looked at. Their contents count, not their times: what mounts secrets swaps links.
const EVERY: Duration = Duration::from_secs(1);

/// What may end a file without being meant.
pub(crate) const LINE_END: [char; 2] = ['\n', '\r'];

/// Their contents, in their order. An error names the file.
pub(crate) fn read(files: &[PathBuf]) -> io::Result<Vec<Vec<u8>>> {
    let read = |file: &PathBuf| {
        fs::read(file)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", file.display())))
    };
    files.iter().map(read).collect()
}

/// Tells of their contents whenever those have changed since the last look, at first since they were `known`, for as
/// long as that is `wanted`.
///
/// Must be called within a tokio runtime.
pub(crate) fn watch(
    files: Vec<PathBuf>,
    known: &[Vec<u8>],
    wanted: impl Fn() -> bool + Send + 'static,
    mut changed: impl FnMut(io::Result<Vec<Vec<u8>>>) + Send + 'static,
) {
    let hash = RandomState::new();
    let mut seen = hash.hash_one(known);
    Handle::current().spawn(async move {
        loop {
            sleep(EVERY).await;
            if !wanted() {
                return;
            }
            let looked = files.clone();
            let Ok(contents) = tokio::task::spawn_blocking(move || read(&looked)).await else {
                return;
            };
            let digest = hash.hash_one(contents.as_deref().unwrap_or_default());
            if digest != seen {
                seen = digest;
                changed(contents);
            }
        }
    });
}
