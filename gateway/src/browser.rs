//! What browsers and caches are told beside the answer itself.

mod compress;
mod conditional;
mod cors;
mod secure;

use actix_web::{HttpRequest, http::header::HeaderMap};

use crate::edge::Shared;

pub use self::{
    compress::{Compression, gzip, takes_gzip},
    conditional::has,
    cors::Cors,
    secure::Secure,
};

/// Completes the headers of an answer. `page` says that it is a page of ours, which pages of others have no
/// business with.
pub fn finish(shared: &Shared, request: &HttpRequest, page: bool, headers: &mut HeaderMap) {
    if !page {
        shared.cors.finish(request.headers(), headers);
    }
    shared.secure.finish(headers);
}
