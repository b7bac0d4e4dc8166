//! What is made of files, made again when they change.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context;
use arc_swap::ArcSwap;
use metrics::counter;

use crate::files;

/// Builds from the files' contents now, and again whenever those change, for as long as the result is
/// held. Contents of which nothing can be made, such as a certificate whose key has not followed yet,
/// leave the last good result in place.
///
/// Must be called within a tokio runtime.
pub(super) fn follow<T: Send + Sync + 'static>(
    files: Vec<PathBuf>,
    build: impl Fn(&[Vec<u8>]) -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<Arc<ArcSwap<T>>> {
    const UNREADABLE: &str = "cannot read a file of TLS";
    let contents = files::read(&files).context(UNREADABLE)?;
    let current = Arc::new(ArcSwap::from_pointee(build(&contents)?));
    let (held, written) = (Arc::downgrade(&current), Arc::downgrade(&current));
    let first = files[0].clone();
    files::watch(
        files,
        &contents,
        move || held.strong_count() > 0,
        move |contents| {
            let contents = contents.context(UNREADABLE);
            match contents.and_then(|contents| build(&contents)) {
                Ok(fresh) => {
                    if let Some(current) = written.upgrade() {
                        current.store(Arc::new(fresh));
                    }
                    counter!("tls_reloads_total", "outcome" => "taken").increment(1);
                    tracing::info!(file = %first.display(), "new certificates taken over");
                }
                Err(error) => {
                    counter!("tls_reloads_total", "outcome" => "refused").increment(1);
                    let error = format!("{error:#}");
                    tracing::warn!(error, "the last good certificates stay");
                }
            }
        },
    );
    Ok(current)
}
