//! The document of the current contract, made when somebody asks for it.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use portico_service::Frame;
use tokio::{sync::Mutex, time::timeout};
use tokio_util::task::TaskTracker;
use tracing::{debug, error};

use super::document;
use crate::{
    browser,
    contract::{Contract, Contracts},
};

/// How long a request waits for the document.
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

/// The documents of a gateway's contracts. It takes megabytes to make one, which most processes never need.
/// Clones share it.
#[derive(Clone, Debug)]
pub struct Reference {
    contracts: Arc<Contracts>,
    tasks: TaskTracker,
    made: Arc<Mutex<Made>>,
}

/// The last document, and the contract that it was to be of.
#[derive(Debug, Default)]
struct Made {
    of: Weak<Contract>,
    document: Option<Arc<Document>>,
}

impl Reference {
    /// Of the contracts, as they will be.
    pub fn new(contracts: &Arc<Contracts>, frame: &Frame) -> Self {
        Self {
            contracts: Arc::clone(contracts),
            tasks: frame.tasks.clone(),
            made: Arc::default(),
        }
    }

    /// The document of this moment; none when it takes too long. Must be called inside a tokio runtime.
    pub async fn current(&self) -> Option<Arc<Document>> {
        let this = self.clone();
        // In a task of its own: whoever asks and goes away shall not leave the work to the next one.
        let making = self.tasks.spawn(async move { this.up_to_date().await });
        timeout(PATIENCE, making).await.ok()?.ok()?
    }

    async fn up_to_date(&self) -> Option<Arc<Document>> {
        let mut made = self.made.lock().await;
        let contract = self.contracts.current();
        let of = Arc::downgrade(&contract);
        if !Weak::ptr_eq(&made.of, &of) {
            if let Some(document) = make(&self.tasks, contract).await {
                made.document = Some(Arc::new(document));
            }
            made.of = of;
        }
        made.document.clone()
    }
}

/// Off the threads that serve. Strangers' descriptors may be odd in ways that nobody thought of: if they break
/// this, the last good document stays.
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

#[cfg(test)]
mod tests {
    use portico_service::Clock;

    use super::*;
    use crate::{
        contract::{Descriptors, Mount},
        openapi::testing,
    };

    #[tokio::test]
    async fn a_document_is_made_once_for_each_contract() {
        let contracts = Arc::new(Contracts::new(1));
        let reference = Reference::new(&contracts, &Frame::new(Clock::system()));
        let (one, same) = tokio::join!(reference.current(), reference.current());
        let one = one.expect("is made");
        assert!(Arc::ptr_eq(&one, &same.expect("is there")));

        let descriptors = Descriptors::embedded(testing::set()).expect("valid");
        let mount = Mount::compile(0, "test", true, descriptors).expect("valid");
        contracts.mount("test", mount);
        let other = reference.current().await.expect("is made");
        assert!(!Arc::ptr_eq(&one, &other) && other.json.len() > one.json.len());
    }
}
