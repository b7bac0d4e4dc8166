//! What the service is about, free of storage and of the wire.

mod assurance;
mod email;
mod identity;
mod machine;
mod random;
mod scopes;
mod secret;
mod session;

pub(crate) use assurance::Assurance;
pub(crate) use email::Email;
pub(crate) use identity::{Identity, Status};
pub(crate) use machine::{
    ApiKey, AuthMethod, ClientKey, FIRST_PARTY, GrantType, KeyOwner, OAuthClient, PreviousSecret,
    ServiceAccount, key_sid,
};
pub(crate) use random::Random;
pub(crate) use scopes::{Scopes, narrow};
pub(crate) use secret::{MachineSecret, SecretHash, same};
pub(crate) use session::{Client, Rotations, Session, Window};
