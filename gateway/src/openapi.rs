//! The reference of everything behind the gateway: an OpenAPI 3.1 document made from the upstreams'
//! descriptors, and a page that shows it.

mod constraint;
mod document;
mod example;
mod json;
mod known;
mod notes;
mod operation;
mod page;
mod parameters;
mod path;
mod publish;
mod raw;
mod responses;
mod rules;
mod schema;
mod security;
#[cfg(test)]
mod testing;

pub use page::Asset;
#[cfg(test)]
pub use publish::Document;
pub use publish::Reference;
