//! JSON ⇄ protobuf straight from descriptors, and the HTTP rules of `google.api.http`.
//!
//! [`Plans`] compiles every message descriptor of a pool once into a flat table. Over it run the JSON
//! reader that writes protobuf bytes and the protobuf reader that writes JSON; no message object is
//! built in between. [`Binding`] is one HTTP rule of one RPC, [`Router`] finds it by method and path.
//!
//! The crate knows no web framework, no service and no transport.

mod binding;
mod descriptors;
#[cfg(test)]
mod differential;
mod error;
mod features;
mod from_json;
mod number;
mod percent;
mod plan;
mod query;
mod router;
mod scalar;
mod seen;
mod target;
mod template;
#[cfg(test)]
mod testing;
mod time;
mod to_json;
mod wire;

pub use binding::{Binding, BindingError, HttpBody};
pub use descriptors::{PoolError, pool};
pub use error::{Fault, JsonError, Place, RequestError, WireError, WireFault};
pub use from_json::Options;
pub use plan::{MessageId, Plans};
pub use router::{Capture, Conflict, Found, RouteError, Router, RouterBuilder};
pub use template::{Template, TemplateError};
