//! What the fuzzer starts, each a function of bytes that panics when a promise is broken. The tests of
//! portico-transcode send the committed corpora through the same functions.

mod json;
mod oracle;
mod request;
mod same;
mod schema;
mod template;
mod wire;

pub use json::json;
pub use request::request;
pub use template::template;
pub use wire::wire;
