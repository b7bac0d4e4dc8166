//! What every test stands on.

mod accounts;
mod edge;
mod feed;
mod issuer;
mod orders;

pub use accounts::{ADA, Accounts};
pub use edge::{Edge, Start};
pub use feed::{Feed, SOON};
pub use issuer::Issuer;
pub use orders::{Orders, Reflection, protos};

use reqwest::Response;
use serde_json::Value;

/// Checks that an answer is a problem of that status and code, and hands it over.
pub async fn problem(response: Response, status: u16, code: &str) -> Value {
    let (got, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.expect("the body arrives");
    assert_eq!(got, status, "{text}");
    assert_eq!(
        headers["content-type"], "application/problem+json",
        "{text}"
    );
    let problem: Value = serde_json::from_str(&text).expect("a problem is JSON");
    assert_eq!(problem["code"], code, "{text}");
    assert_eq!(problem["status"], status, "{text}");
    assert_eq!(
        problem["requestId"],
        headers["x-request-id"].to_str().unwrap(),
        "{text}"
    );
    assert!(
        problem["title"].is_string() && problem["detail"].is_string(),
        "{text}"
    );
    problem
}

/// Waits until something is so, for ten seconds at most.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut so: impl FnMut() -> F) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !so().await {
        assert!(std::time::Instant::now() < end, "{what} did not happen");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
