//! Tokens: access tokens that anybody can verify, and refresh tokens that only this service knows.

mod access;
mod refresh;

pub(crate) use self::{
    access::{AccessToken, Issuer, Machine, SERVICE_TTL, Subject},
    refresh::{Hash, RefreshToken, Successors, sha256},
};
