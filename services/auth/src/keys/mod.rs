//! The keys that sign access tokens: kept encrypted, rotated by themselves, published beforehand.

mod algorithm;
mod master;
mod public;
mod ring;
mod rotation;
mod signing;

pub(crate) use self::{
    algorithm::Algorithm,
    master::{MasterKeys, Vault},
    public::PublicKey,
    ring::KeyRing,
    rotation::Schedule,
    signing::{NewKey, SigningKey, StoredKey},
};
