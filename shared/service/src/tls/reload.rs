//! What is made of files, made again when they change.

use std::{
    fs,
    hash::{BuildHasher, RandomState},
    io,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use arc_swap::ArcSwap;
use metrics::counter;
use tokio::runtime::Handle;

/// How often the files are looked at. Their contents count, not their times: what mounts secrets swaps
/// links.
const EVERY: Duration = Duration::from_secs(1);

/// Builds from the files' contents now, and again whenever those change, for as long as the result is
/// held. Contents of which nothing can be made, such as a certificate whose key has not followed yet,
/// leave the last good result in place.
///
/// Must be called within a tokio runtime.
pub(super) fn follow<T: Send + Sync + 'static>(
    files: Vec<PathBuf>,
    build: impl Fn(&[Vec<u8>]) -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<Arc<ArcSwap<T>>> {
    let contents = read(&files)?;
    let current = Arc::new(ArcSwap::from_pointee(build(&contents)?));
    let hash = RandomState::new();
    let mut seen = hash.hash_one(&contents);
    let held = Arc::downgrade(&current);
    Handle::current().spawn(async move {
        loop {
            tokio::time::sleep(EVERY).await;
            let Some(current) = held.upgrade() else {
                return;
            };
            let looked = files.clone();
            let Ok(contents) = tokio::task::spawn_blocking(move || read(&looked)).await else {
                return;
            };
            let digest = hash.hash_one(contents.as_deref().unwrap_or_default());
            if digest == seen {
                continue;
            }
            seen = digest;
            match contents.and_then(|contents| build(&contents)) {
                Ok(fresh) => {
                    current.store(Arc::new(fresh));
                    counter!("tls_reloads_total", "outcome" => "taken").increment(1);
                    tracing::info!(file = %files[0].display(), "new certificates taken over");
                }
                Err(error) => {
                    counter!("tls_reloads_total", "outcome" => "refused").increment(1);
                    let error = format!("{error:#}");
                    tracing::warn!(error, "the last good certificates stay");
                }
            }
        }
    });
    Ok(current)
}

fn read(files: &[PathBuf]) -> anyhow::Result<Vec<Vec<u8>>> {
    let contents: io::Result<Vec<_>> = files
        .iter()
        .map(|file| {
            fs::read(file).map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", file.display()))
            })
        })
        .collect();
    contents.context("cannot read a file of TLS")
}
