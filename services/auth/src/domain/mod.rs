//! What the service is about, free of storage and of the wire.

mod assurance;
mod email;
mod identity;
mod random;
mod scopes;
mod session;

pub(crate) use assurance::Assurance;
pub(crate) use email::Email;
pub(crate) use identity::{Identity, Status};
pub(crate) use random::Random;
pub(crate) use scopes::{Scopes, narrow};
pub(crate) use session::{Client, Rotations, Session, Window};
