//! Passwords: how they are hashed, which are refused, and how many are hashed at once.

mod common;
mod hasher;
mod pool;

pub(crate) use self::{
    common::is_common,
    hasher::{Hasher, Phc},
    pool::{Overloaded, Pool},
};
