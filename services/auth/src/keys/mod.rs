//! The keys that sign access tokens: kept encrypted, rotated by themselves, published beforehand.

mod master;
mod ring;
mod rotation;
mod signing;

pub(crate) use self::{
    master::{MasterKeys, Vault},
    ring::KeyRing,
    rotation::Schedule,
    signing::{ALGORITHM, PublicKey, SigningKey, StoredKey},
};
