//! Who calls, and what they may: access tokens (RFC 9068) are verified here, and the policy option of
//! each RPC is applied here, by the gateway and by the services alike.
//!
//! [`Verifier`] turns a token into a [`Caller`]. [`Policies`] reads the rules from descriptors. The edge
//! asks [`admit`]; a service puts [`Guard`] around its routes and its handlers ask the [`Admission`]
//! that the guard leaves with each request.

mod admission;
mod bearer;
mod caller;
mod claims;
mod guard;
mod jws;
mod keys;
mod policy;
mod refusal;
mod verifier;

pub use self::{
    admission::{Admission, admit},
    bearer::{Bearer, BearerService, bearer_token},
    caller::{Caller, INTERNAL_SCOPE, KEY_SESSION_PREFIX, SERVICE_SUBJECT_PREFIX},
    claims::{Audience, Claims, Scopes},
    guard::{Guard, GuardService},
    jws::{MAX_TOKEN_BYTES, TOKEN_TYPE},
    keys::{KeySource, Keys},
    policy::{Access, Policies, Policy},
    refusal::Refusal,
    verifier::{LEEWAY_SECONDS, Verifier},
};
