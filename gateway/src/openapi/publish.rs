//! The document of the current contract, made off the path of requests.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use portico_service::Frame;
use tokio::{sync::watch, time::timeout};
use tokio_util::task::TaskTracker;
use tracing::{debug, error};

use super::document;
use crate::{
    browser,
    contract::{Contract, Contracts},
};

/// How long a request waits for the first document of a process that has just started.
const PATIENCE: Duration = Duration::from_secs(5);

/// The document as it is served.
#[derive(Debug)]
pub struct Document {
    /// The JSON text.
    pub json: Bytes,
    /// The same compressed.
    pub gzip: Bytes,
    /// An entity tag, the same on every gateway with the same contract. Weak, since it stands for both forms.
    pub etag: String,
}

/// The document, kept in step with the contract.
#[derive(Clone, Debug)]
pub struct Reference {
    current: watch::Receiver<Option<Arc<Document>>>,
}

impl Reference {
    /// Makes the document now and whenever the contract changes, until the frame stops. Must be called
    /// inside a tokio runtime.
    pub fn follow(contracts: &Arc<Contracts>, frame: &Frame) -> Self {
        let (made, current) = watch::channel(None);
        let contracts = Arc::clone(contracts);
        let tasks = frame.tasks.clone();
        let stop = frame.stop.clone();
        let following = async move {
            let mut changes = contracts.changes();
            loop {
                // Seen before it is read: a change in between makes another round.
                changes.borrow_and_update();
                if let Some(document) = make(&tasks, contracts.current()).await {
                    made.send_replace(Some(Arc::new(document)));
                }
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        frame.tasks.spawn(async move {
            stop.run_until_cancelled(following).await;
        });
        Self { current }
    }

    /// The document of this moment; none when there is still none after a while.
    pub async fn current(&self) -> Option<Arc<Document>> {
        let mut current = self.current.clone();
        let made = timeout(PATIENCE, current.wait_for(Option::is_some)).await;
        made.ok()?.ok()?.clone()
    }
}

/// Strangers' descriptors may be odd in ways that nobody thought of: if they break this, the last good
/// document stays.
async fn make(tasks: &TaskTracker, contract: Arc<Contract>) -> Option<Document> {
    let made = tasks.spawn_blocking(move || Document::of(&contract)).await;
    match made {
        Ok(document) => {
            let bytes = document.json.len();
            debug!(bytes, "the reference was made");
            Some(document)
        }
        Err(panic) => {
            error!(%panic, "the reference cannot be made, the last good one stays");
            None
        }
    }
}

impl Document {
    /// Describes a contract.
    pub fn of(contract: &Contract) -> Self {
        let document = document::describe(contract);
        let json =
            serde_json::to_vec(&document).expect("the document has only names that are text");
        Self {
            etag: format!("W/{}", entity_tag(&json)),
            gzip: browser::gzip(&json),
            json: json.into(),
        }
    }
}

/// A strong entity tag of some content, in its quotes.
pub fn entity_tag(content: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}
