//! OAuth 2.0 as far as machines need it: who asks, what they get, and what became of it.

mod answer;
mod assertion;
mod authenticate;
mod directory;
mod form;
mod introspect;
mod metadata;
mod revoke;
mod token;

pub(crate) use self::{
    answer::{Answer, Fault},
    assertion::check_keys,
    directory::Directory,
    introspect::introspect,
    metadata::metadata,
    revoke::revoke,
    token::token,
};

/// What came over HTTP, as the gateway passes it on.
#[derive(Debug)]
pub(crate) struct Asked<'r> {
    /// The values of `Authorization`, of which there may be one.
    pub(crate) authorization: Vec<&'r [u8]>,
    pub(crate) content_type: &'r str,
    pub(crate) body: &'r [u8],
}
